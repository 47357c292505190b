"""Decompresses bodies within limits. Limits on size and on ratio protect the memory."""

from __future__ import annotations

import zlib
from typing import Final, Protocol

import brotli

ACCEPT_ENCODING: Final = "gzip, deflate, br"
STEP_BYTES: Final = 64 * 1024
MAX_RATIO: Final = 200
"""Maximum number of decompressed bytes per compressed byte. News in XML or HTML compresses 4 to 20 times."""
RATIO_FROM_BYTES: Final = 1024 * 1024
"""Bodies below this size may have any ratio."""
MAX_MEMBERS: Final = 1000
HEADER_BYTES: Final = 2
GZIP_MAGIC: Final = b"\x1f\x8b"


class BodyError(Exception):
    """The body is larger than allowed, or cannot be decompressed."""


class TooLargeError(BodyError):
    """The body has more bytes than the limit, or a ratio that no text has."""


class Decompressor(Protocol):
    """Returns at most about STEP_BYTES for each call. `pending` is true when it has more."""

    def feed(self, data: bytes) -> bytes:
        """Decompress a part of the data."""

    @property
    def pending(self) -> bool:
        """Whether more output is available without further input."""


class Deflate:
    """gzip with one or more members, and deflate with or without the zlib header."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=47)
        self._raw = False
        self._head: bytes | None = b""
        self._members = 1

    def feed(self, data: bytes) -> bytes:
        """Decompress a part of the data. BodyError when the data is broken."""
        if self._inner.eof:
            data = self._inner.unused_data + data
            if not data.strip(b"\x00"):
                return b""
            self._members += 1
            if self._members > MAX_MEMBERS:
                raise BodyError(f"consists of more than {MAX_MEMBERS:,} gzip members")
            self._head, self._inner = None, zlib.decompressobj(wbits=47)
        else:
            data = self._inner.unconsumed_tail + data
        try:
            out = self._inner.decompress(data, STEP_BYTES)
        except zlib.error as error:
            if self._head is None or self._raw:
                raise BodyError(f"cannot be decompressed: {error}") from error
            self._raw, self._inner = True, zlib.decompressobj(wbits=-15)
            return self.feed(self._head + data)
        if self._head is not None:
            # Two bytes show whether there is a header. A single first byte is kept until the second one arrives.
            self._head = self._head + data if len(self._head) + len(data) < HEADER_BYTES else None
        return out

    @property
    def pending(self) -> bool:
        """Whether input is left to decompress."""
        if self._inner.eof:
            return bool(self._inner.unused_data.strip(b"\x00"))
        return bool(self._inner.unconsumed_tail)


class Brotli:
    """Decompressor for the encoding `br`."""

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()
        self.pending = False

    def feed(self, data: bytes) -> bytes:
        """Decompress a part of the data. BodyError when the data is broken."""
        try:
            out: bytes = self._inner.process(data, output_buffer_limit=STEP_BYTES)
        except brotli.error as error:
            raise BodyError(f"cannot be decompressed: {error}") from error
        self.pending = bool(out) or not self._inner.can_accept_more_data()
        return out


class Body:
    """Receives a body in pieces. `limit` is the maximum number of decompressed bytes."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._decompressor = _decompressor(encoding)
        self._limit = limit
        self._received = 0
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """Add a piece. TooLargeError as soon as a limit is exceeded."""
        self._received += len(data)
        if self._decompressor is None:
            self._keep(data)
            return
        self._keep(self._decompressor.feed(data))
        while self._decompressor.pending:
            self._keep(self._decompressor.feed(b""))

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise TooLargeError(f"is larger than {self._limit:,} bytes")
        if self.size > RATIO_FROM_BYTES and self.size > MAX_RATIO * self._received:
            raise TooLargeError(f"decompresses to more than {MAX_RATIO} times its size")
        if data:
            self._parts.append(data)

    def finish(self) -> bytes:
        """The whole body. A file that is itself gzip (`sitemap.xml.gz`) is decompressed too, within the same limits."""
        whole = b"".join(self._parts)
        if self._decompressor is None and whole.startswith(GZIP_MAGIC):
            inner = Body("gzip", self._limit)
            for start in range(0, len(whole), STEP_BYTES):
                inner.add(whole[start : start + STEP_BYTES])
            return inner.finish()
        return whole


def _decompressor(encoding: str) -> Decompressor | None:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return Deflate()
        case "br":
            return Brotli()
        case other:
            raise BodyError(f"has an encoding that was not requested: {other[:40]!r}")
