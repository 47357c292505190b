"""Cuts the bytes of a WARC archive into records, also when parts of it are damaged.

A broken gzip member, junk between members, or a record with a wrong length costs only itself: reading goes on at the
next record, and the number of skipped bytes is told. warcio parses each record (`warc.py`).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

import zstandard

STEP_BYTES: Final = 64 * 1024
GZIP_MAGIC: Final = b"\x1f\x8b\x08"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
START: Final = b"WARC/1."
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_MEMBER_BYTES: Final = 16 * 1024 * 1024
"""Compressed bytes of a member that are kept, to search them again for the next member when it is broken."""
LENGTH: Final = re.compile(rb"^content-length:[ \t]*(\d{1,15})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
ANY_LENGTH: Final = re.compile(rb"^content-length:[^\n]*\n", re.IGNORECASE | re.MULTILINE)
HEADER_END: Final = re.compile(rb"\r?\n\r?\n")
NEXT_RECORD: Final = re.compile(rb"(?:^|\n)(?=WARC/1\.)")
BLANKS: Final = b"\r\n \t\x00"


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of the file that could not be read. The bytes before and behind it do not belong together."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class RawRecord:
    """The header of a record with its true length, and its content. `block` is None when it has too many bytes."""

    header: bytes
    block: bytes | None

    @property
    def data(self) -> bytes:
        """The record as a WARC file of its own."""
        return self.header + (self.block or b"") + b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Damage:
    """A part of the archive that is no record. `reason` is for a person."""

    reason: str


Decompressor = Any
"""A decompressor object of zlib or zstandard: `decompress(data)`, `eof`, `unused_data`."""


def read_stored(file: IO[bytes]) -> Iterator[bytes | Gap]:
    """The bytes of a file that is not compressed."""
    while data := file.read(STEP_BYTES):
        yield data


def read_gzip(file: IO[bytes]) -> Iterator[bytes | Gap]:
    """The decompressed bytes of all gzip members."""
    return _Members(lambda: zlib.decompressobj(wbits=31), GZIP_MAGIC, file.tell()).read(file)


def read_zstd(file: IO[bytes], dictionary: zstandard.ZstdCompressionDict | None) -> Iterator[bytes | Gap]:
    """The decompressed bytes of all zstd frames."""
    decompressor = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=2**27)
    return _Members(decompressor.decompressobj, ZSTD_MAGIC, file.tell()).read(file)


@dataclass(slots=True)
class _Members:
    """Decompresses member after member. When one breaks, the next one is searched behind its beginning.

    `offset` is the place in the file of the first byte of `waiting`, or of the member that is being decompressed.
    """

    make: Callable[[], Decompressor]
    magic: bytes
    offset: int
    skipped: int = 0
    waiting: bytes = b""
    inner: Decompressor | None = None
    member: bytearray = field(default_factory=bytearray)

    def read(self, file: IO[bytes]) -> Iterator[bytes | Gap]:
        """The decompressed bytes, and the gaps between them."""
        while data := file.read(STEP_BYTES):
            self.waiting += data
            while self.waiting and (self.inner is not None or self._find()):
                if self.inner is None:
                    yield from self._tell()
                    self.inner, self.member = self.make(), bytearray()
                out = self._decompress()
                if out is None:
                    yield Gap(self.offset, 0)
                elif out:
                    yield out
        if self.inner is not None:
            yield Gap(self.offset, len(self.member))
            return
        self._skip(len(self.waiting))
        yield from self._tell()

    def _find(self) -> bool:
        """Whether another member begins in what is waiting. What is in front of it is skipped."""
        found = self.waiting.find(self.magic)
        self._skip(found if found >= 0 else max(0, len(self.waiting) - len(self.magic) + 1))
        return found >= 0

    def _skip(self, size: int) -> None:
        """Drop waiting bytes. Zero bytes between members are padding and are not told."""
        if self.skipped or self.waiting[:size].strip(b"\x00"):
            self.skipped += size
        self.offset, self.waiting = self.offset + size, self.waiting[size:]

    def _tell(self) -> Iterator[Gap]:
        if self.skipped:
            yield Gap(self.offset - self.skipped, self.skipped)
        self.skipped = 0

    def _decompress(self) -> bytes | None:
        """The next output of the member. None when it is broken: the search goes on one byte behind its beginning."""
        inner: Decompressor = self.inner
        try:
            out: bytes = inner.decompress(self.waiting)
        except (zlib.error, zstandard.ZstdError):
            self.inner, self.waiting = None, bytes(self.member) + self.waiting
            self.member = bytearray()
            self.skipped = 0
            self._skip(1)
            return None
        rest: bytes = inner.unused_data
        if rest or getattr(inner, "eof", False):
            self.offset += len(self.member) + len(self.waiting) - len(rest)
            self.inner, self.member, self.waiting = None, bytearray(), rest
            return out
        self.member += self.waiting
        self.waiting = b""
        if len(self.member) > MAX_MEMBER_BYTES:
            self.offset, self.member = self.offset + len(self.member), bytearray()
        return out


class RecordReader:
    """Cuts a stream of bytes into records. A record with more than `limit` bytes is passed over."""

    def __init__(self, chunks: Iterator[bytes | Gap], limit: int) -> None:
        self._chunks = chunks
        self._limit = limit
        self._buffer = bytearray()
        self._gap: Gap | None = None
        self._is_done = False

    def read(self) -> Iterator[RawRecord | Damage]:
        """Every record, and every damage, in the order of the archive."""
        while True:
            yield from self._read_segment()
            if self._gap is not None and self._gap.size:
                yield Damage(
                    f"{self._gap.size:,} bytes at {self._gap.offset:,} cannot be decompressed and were skipped"
                )
            if self._is_done:
                return
            self._gap = None

    def _fill(self, size: int) -> bool:
        """Whether the buffer has `size` bytes. It does not grow over a gap or the end."""
        while len(self._buffer) < size and self._gap is None and not self._is_done:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._is_done = True
            elif isinstance(chunk, Gap):
                self._gap = chunk
            else:
                self._buffer += chunk
        return len(self._buffer) >= size

    def _read_segment(self) -> Iterator[RawRecord | Damage]:
        """The records up to the next gap or the end."""
        while self._skip_blanks():
            if not (self._fill(len(START)) and self._buffer.startswith(START)):
                yield Damage(f"{self._skip_to_record():,} bytes are no WARC record and were skipped")
                continue
            is_filled = self._fill(MAX_HEADER_BYTES)
            ended = HEADER_END.search(self._buffer, 0, MAX_HEADER_BYTES)
            if ended is None:
                yield self._skip_one() if is_filled else self._cut()
                continue
            yield self._read_record(ended.end())
        self._buffer.clear()

    def _read_record(self, header_size: int) -> RawRecord | Damage:
        header = bytes(self._buffer[:header_size])
        stated = LENGTH.search(header)
        length = int(stated[1]) if stated else 0
        if stated and length > self._limit and self._pass_over(header_size, length):
            return RawRecord(header, None)
        self._fill(header_size + min(length, self._limit) + 4 + len(START))
        end = header_size + length
        if stated is None or not self._is_followed(end):
            found = self._find_next(header_size)
            if found is None and len(self._buffer) < end:
                return self._cut()
            end = found if found is not None else self._last_end(end)
        block = bytes(self._buffer[header_size:end])
        if end != header_size + length:
            block = block.rstrip(b"\r\n")
        del self._buffer[:end]
        return RawRecord(_with_length(header, len(block)), block)

    def _last_end(self, stated: int) -> int:
        """The end of the last record before a gap or the end of the archive. Its stated length is wrong."""
        is_last = self._gap is not None or self._is_done
        return len(self._buffer) if is_last else min(stated, len(self._buffer))

    def _is_followed(self, end: int) -> bool:
        """Whether another record or the end comes behind a block."""
        if len(self._buffer) < end:
            return False
        rest = bytes(self._buffer[end : end + 4 + len(START)]).lstrip(BLANKS)
        return rest.startswith(START) if rest else True

    def _find_next(self, start: int) -> int | None:
        """Where the next record begins. At most `limit` bytes are searched."""
        at = start
        while True:
            found = NEXT_RECORD.search(self._buffer, max(start, at - len(START)))
            if found is not None and found.end() > start:
                return found.end()
            at = len(self._buffer)
            if at > start + self._limit or (not self._fill(at + STEP_BYTES) and len(self._buffer) == at):
                return None

    def _pass_over(self, header_size: int, length: int) -> bool:
        """Drop a record without keeping it in memory. False when another record is inside: the length is wrong."""
        self._fill(header_size + self._limit)
        if NEXT_RECORD.search(self._buffer, header_size) is not None:
            return False
        left = header_size + length
        while left > 0 and self._fill(1):
            step = min(left, len(self._buffer))
            del self._buffer[:step]
            left -= step
        return True

    def _skip_blanks(self) -> bool:
        """Whether anything but blanks is left before the next gap or the end."""
        while self._fill(1):
            rest = self._buffer.lstrip(BLANKS)
            if rest:
                del self._buffer[: len(self._buffer) - len(rest)]
                return True
            self._buffer.clear()
        return False

    def _skip_one(self) -> Damage:
        del self._buffer[: len(START)]
        return Damage(f"{len(START) + self._skip_to_record():,} bytes are no WARC record and were skipped")

    def _skip_to_record(self) -> int:
        """Drop everything before the next record. Returns the number of bytes."""
        skipped = 0
        while True:
            found = NEXT_RECORD.search(self._buffer)
            passed = found.end() if found is not None else max(0, len(self._buffer) - len(START))
            del self._buffer[:passed]
            skipped += passed
            if found is not None:
                return skipped
            before = len(self._buffer)
            if not self._fill(before + STEP_BYTES) and len(self._buffer) == before:
                skipped += before
                self._buffer.clear()
                return skipped

    def _cut(self) -> Damage:
        size = len(self._buffer)
        name = re.search(rb"^warc-target-uri:[ \t]*<?([^\r\n>]{1,500})", self._buffer, re.IGNORECASE | re.MULTILINE)
        uri = f" ({name[1].decode('utf8', 'replace')})" if name else ""
        self._buffer.clear()
        where = "before a damaged part" if self._gap is not None else "at the end of the archive"
        return Damage(f"a record{uri} is cut off after {size:,} bytes {where}")


def _with_length(header: bytes, length: int) -> bytes:
    """The header with the true length of its block, whatever it says."""
    lines = ANY_LENGTH.sub(b"", header).rstrip(b"\r\n")
    return lines + b"\r\nContent-Length: %d\r\n\r\n" % length
