"""Repairs JSON as some generators write it."""

from __future__ import annotations

import re

ESCAPES = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\')


def repair_escapes(text: str) -> str:
    """The text with every backslash doubled that begins no escape of JSON (RFC 8259, 7)."""
    return ESCAPES.sub(lambda match: match[0] if len(match[0]) > 1 else "\\\\", text)
