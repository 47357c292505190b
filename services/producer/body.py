"""Decompresses bodies within limits. Limits on size and on ratio protect the memory."""

from __future__ import annotations

import zlib
from typing import Final, Protocol

import brotli
import zstandard

ACCEPT_ENCODING: Final = "gzip, deflate, br"
STEP_BYTES: Final = 64 * 1024
MAX_RATIO: Final = 200
"""Maximum number of decompressed bytes per compressed byte. News in XML or HTML compresses 4 to 20 times."""
RATIO_FROM_BYTES: Final = 1024 * 1024
"""Bodies below this size may have any ratio."""
MAX_MEMBERS: Final = 1000
MAX_ENCODINGS: Final = 3
HEADER_BYTES: Final = 2
GZIP_MAGIC: Final = b"\x1f\x8b"
PLAIN: Final = frozenset({"", "identity", "none", "utf-8", "utf8", "binary", "8bit", "7bit", "aws-chunked"})
"""Values of Content-Encoding that servers write for bodies that are not compressed."""


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
        self._has_junk = False

    def feed(self, data: bytes) -> bytes:
        """Decompress a part of the data. BodyError when the data is broken."""
        if self._inner.eof:
            data = self._inner.unused_data + data
            if not data.strip(b"\x00") or self._has_junk:
                return b""
            if len(data) >= HEADER_BYTES and not data.startswith(GZIP_MAGIC):
                self._has_junk = True  # what some servers write behind a whole body is no part of it
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
            return bool(self._inner.unused_data.strip(b"\x00")) and not self._has_junk
        return bool(self._inner.unconsumed_tail)


class Brotli:
    """Decompressor for the encoding `br`."""

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()
        self.pending = False

    def feed(self, data: bytes) -> bytes:
        """Decompress a part of the data. BodyError when the data is broken."""
        if self._inner.is_finished():
            self.pending = False  # what some servers write behind a whole body is no part of it
            return b""
        try:
            out: bytes = self._inner.process(data, output_buffer_limit=STEP_BYTES)
        except brotli.error as error:
            raise BodyError(f"cannot be decompressed: {error}") from error
        self.pending = bool(out) or not self._inner.can_accept_more_data()
        return out


class Gzip(Deflate):
    """Decompressor for the encoding `gzip`. Some servers name it for bodies that are not compressed: those pass."""

    def __init__(self) -> None:
        super().__init__()
        self._start: bytes | None = b""
        self._is_plain = False

    def feed(self, data: bytes) -> bytes:
        """Decompress a part of the data. BodyError when the data is broken."""
        if self._start is not None:
            data = self._start + data
            if len(data) < HEADER_BYTES:
                self._start = data
                return b""
            self._start, self._is_plain = None, not data.startswith(GZIP_MAGIC) and not _is_zlib(data)
        return data if self._is_plain else super().feed(data)

    @property
    def pending(self) -> bool:
        """Whether input is left to decompress."""
        return not self._is_plain and super().pending


def _is_zlib(data: bytes) -> bool:
    """Whether data begins like zlib (RFC 1950, 2.2). Some servers send it as gzip."""
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


class Zstandard:
    """Decompressor for the encoding `zstd`. `process` may return more than STEP_BYTES, so it gets small pieces."""

    PIECE: Final = 1024

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=2**23).decompressobj()
        self._waiting = b""

    def feed(self, data: bytes) -> bytes:
        """Decompress a part of the data. BodyError when the data is broken."""
        data = self._waiting + data
        piece, self._waiting = data[: self.PIECE], data[self.PIECE :]
        try:
            return self._inner.decompress(piece) if piece else b""
        except zstandard.ZstdError as error:
            raise BodyError(f"cannot be decompressed: {error}") from error

    @property
    def pending(self) -> bool:
        """Whether input is left to decompress."""
        return bool(self._waiting)


class Body:
    """Receives a body in pieces. `limit` is the maximum number of decompressed bytes.

    `encoding` is the value of Content-Encoding: one encoding, or several in the order in which they were applied.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        self._chain = [made for name in reversed(names) if (made := _decompressor(name)) is not None]
        if len(self._chain) > MAX_ENCODINGS:
            raise BodyError(f"has more than {MAX_ENCODINGS} encodings")
        self._limit = limit
        self._received = 0
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """Add a piece. TooLargeError as soon as a limit is exceeded."""
        self._received += len(data)
        self._pass(data, 0)

    def _pass(self, data: bytes, place: int) -> None:
        """Give data to a decompressor of the chain, and its output to the next one."""
        if place == len(self._chain):
            self._keep(data)
            return
        decompressor = self._chain[place]
        self._pass(decompressor.feed(data), place + 1)
        while decompressor.pending:
            self._pass(decompressor.feed(b""), place + 1)

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
        for _ in range(MAX_ENCODINGS - len(self._chain)):
            if not whole.startswith(GZIP_MAGIC):
                break
            inner = Body("gzip", self._limit)
            for start in range(0, len(whole), STEP_BYTES):
                inner.add(whole[start : start + STEP_BYTES])
            whole = b"".join(inner._parts)
        return whole


def _decompressor(encoding: str) -> Decompressor | None:
    match encoding:
        case name if name in PLAIN:
            return None
        case "gzip" | "x-gzip":
            return Gzip()
        case "deflate":
            return Deflate()
        case "br":
            return Brotli()
        case "zstd":
            return Zstandard()
        case other:
            raise BodyError(f"has an encoding that was not requested: {other[:40]!r}")
