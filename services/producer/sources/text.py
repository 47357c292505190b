"""Bytes to text: the declared encoding first, then the detected one."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
DECLARATION_BYTES = 2048
SAMPLE_BYTES = 64 * 1024
MAX_CONTROL_SHARE = 0.01
CONTROL_BYTES = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27}) + b"\x7f"


class UndecodableError(Exception):
    """No encoding gives text."""


def is_binary(data: bytes) -> bool:
    """Whether bytes are no text at all: control bytes, but for UTF-16 and UTF-32 with their mark."""
    if data.startswith(tuple(bom for bom, _ in BOMS)):
        return False
    sample = data[:SAMPLE_BYTES]
    return b"\x00" in sample or len(sample.translate(None, CONTROL_BYTES)) < len(sample) * (1 - MAX_CONTROL_SHARE)


def decode_text(data: bytes) -> tuple[str, str]:
    """The text and the encoding that gave it; UndecodableError when none does."""
    for bom, encoding in BOMS:
        if data.startswith(bom):
            return _strict(data, encoding), encoding
    match = DECLARED.search(data[:DECLARATION_BYTES])
    declared = [match[1].decode("ascii")] if match else []
    for encoding in (*declared, "utf-8"):
        try:
            return data.decode(encoding), encoding.lower()
        except (UnicodeDecodeError, LookupError):
            continue
    best = from_bytes(data[:SAMPLE_BYTES]).best()
    if best is None:
        raise UndecodableError("its bytes are text in no encoding we know")
    return _strict(data, best.encoding), best.encoding


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise UndecodableError(f"its bytes are not {encoding}") from error
