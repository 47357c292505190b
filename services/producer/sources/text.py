"""Decodes bytes: by the byte order mark, as UTF-8 if valid, as declared, or as detected."""

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
SEVEN_BIT = ("iso-2022", "hz", "utf-7")
"""Encodings whose bytes are always valid UTF-8. Only for them the declaration is checked first. Otherwise
bytes that are valid UTF-8 are UTF-8, even if a template or a sentence in the text declares something else."""
CONTROL_BYTES = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27}) + b"\x7f"


class UndecodableError(Exception):
    """No encoding decodes the bytes."""


def is_binary(data: bytes) -> bool:
    """Whether the bytes are not text, judged by control bytes. UTF-16 and UTF-32 with a byte order mark are text."""
    if data.startswith(tuple(bom for bom, _ in BOMS)):
        return False
    sample = data[:SAMPLE_BYTES]
    return b"\x00" in sample or len(sample.translate(None, CONTROL_BYTES)) < len(sample) * (1 - MAX_CONTROL_SHARE)


def decode_text(data: bytes, charset: str | None = None) -> tuple[str, str]:
    """The text and its encoding. UndecodableError when no encoding fits. `charset` is the charset from the server."""
    for bom, encoding in BOMS:
        if data.startswith(bom):
            return _strict(data, encoding), encoding
    match = DECLARED.search(data[:DECLARATION_BYTES])
    declared = match[1].decode("ascii").lower() if match else "utf-8"
    order = [declared, "utf-8"] if declared.startswith(SEVEN_BIT) else ["utf-8", declared]
    if charset:
        order.insert(0 if charset.lower().startswith(SEVEN_BIT) else 1, charset)
    for encoding in order:
        try:
            return data.decode(encoding), encoding
        except (UnicodeError, LookupError):
            continue
    best = from_bytes(data[:SAMPLE_BYTES]).best()
    if best is None:
        raise UndecodableError("its bytes are not text in any known encoding")
    return _strict(data, best.encoding), best.encoding


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise UndecodableError(f"its bytes are not {encoding}") from error
