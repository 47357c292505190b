"""Decodes bytes: by the byte order mark, as UTF-8 if valid, as declared, or as detected."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

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


WESTERN = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e"
"""Letters of Western European languages in windows-1252."""
ODD = re.compile(
    rf"[A-Za-z{WESTERN}][^\sA-Za-z0-9{WESTERN}'\u2019\u2013\u2014._/@&+-][A-Za-z{WESTERN}]|[\u0080-\u009f]"
)
"""A symbol inside a word: the text is in another encoding."""
MOSTLY_ASCII = 0.4


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
    encoding = guess_encoding(data[:SAMPLE_BYTES])
    return _strict(data, encoding), encoding


def guess_encoding(sample: bytes) -> str:
    """The encoding of bytes that are not UTF-8. UndecodableError when none fits.

    windows-1252 is by far the most frequent one in Western languages, and detection by statistics misses it in short
    texts. Texts with many other letters, or with symbols inside words, are left to statistics.
    """
    high = sum(byte >= 0x80 for byte in sample)
    if high <= MOSTLY_ASCII * len(sample):
        western = sample.decode("cp1252", "replace")
        if "\ufffd" not in western and ODD.search(western) is None:
            return "cp1252"
    best = from_bytes(sample).best()
    if best is None:
        raise UndecodableError("its bytes are not text in any known encoding")
    return str(best.encoding)


def other_encoding_of(path: Path) -> str | None:
    """The encoding of the lines of a file that are not UTF-8. None when all are.

    UndecodableError when none fits. A file with a byte order mark of UTF-16 or UTF-32 has that encoding.
    """
    sample: list[bytes] = []
    with path.open("rb") as file:
        for line in file:
            if not sample and line.startswith(tuple(bom for bom, _ in BOMS[1:])):
                return next(encoding for bom, encoding in BOMS[1:] if line.startswith(bom))
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                sample.append(line)
                if sum(map(len, sample)) > SAMPLE_BYTES:
                    break
    return guess_encoding(b"".join(sample)[:SAMPLE_BYTES]) if sample else None


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise UndecodableError(f"its bytes are not {encoding}") from error
