"""Bodies, decompressed within limits: neither size nor ratio can be used to fill the memory."""

from __future__ import annotations

import zlib
from typing import Final, Protocol

import brotli

ACCEPT_ENCODING: Final = "gzip, deflate, br"
STEP_BYTES: Final = 64 * 1024
MAX_RATIO: Final = 200
"""Decompressed bytes for each compressed one; news in XML or HTML compresses 4 to 20 times."""
RATIO_FROM_BYTES: Final = 1024 * 1024
"""Smaller bodies may have any ratio."""
MAX_MEMBERS: Final = 1000
HEADER_BYTES: Final = 2
GZIP_MAGIC: Final = b"\x1f\x8b"


class BodyError(Exception):
    """The body is larger than allowed, or cannot be decompressed."""


class TooLargeError(BodyError):
    """More bytes than the limit, or a ratio that no text has."""


class Decompressor(Protocol):
    """Gives at most about a step of bytes for each call; `pending` when it has more."""

    def feed(self, data: bytes) -> bytes:
        """Decompress some."""

    @property
    def pending(self) -> bool:
        """Whether more comes without further input."""


class Deflate:
    """gzip and deflate, several gzip members after each other too; deflate with or without the zlib header."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=47)
        self._raw = False
        self._head: bytes | None = b""
        self._members = 1

    def feed(self, data: bytes) -> bytes:
        """Decompress some; BodyError when the data is broken."""
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
            # that there is no header shows after two bytes: a first one alone is kept
            self._head = self._head + data if len(self._head) + len(data) < HEADER_BYTES else None
        return out

    @property
    def pending(self) -> bool:
        """Whether input waits."""
        if self._inner.eof:
            return bool(self._inner.unused_data.strip(b"\x00"))
        return bool(self._inner.unconsumed_tail)


class Brotli:
    """br."""

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()
        self.pending = False

    def feed(self, data: bytes) -> bytes:
        """Decompress some; BodyError when the data is broken."""
        try:
            out: bytes = self._inner.process(data, output_buffer_limit=STEP_BYTES)
        except brotli.error as error:
            raise BodyError(f"cannot be decompressed: {error}") from error
        self.pending = bool(out) or not self._inner.can_accept_more_data()
        return out


class Body:
    """Takes a body as it arrives. `limit` is of decompressed bytes."""

    def __init__(self, encoding: str, limit: int) -> None:
        self._decompressor = _decompressor(encoding)
        self._limit = limit
        self._received = 0
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """Take a piece; TooLargeError as soon as a limit is passed."""
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
        """The whole; a file that is gzip itself (`sitemap.xml.gz`) is opened too, within the same limits."""
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
            raise BodyError(f"has an encoding that was not asked for: {other[:40]!r}")
