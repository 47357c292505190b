"""The seeds: small valid examples of each format, in `corpus/`, and the examples of the schemas."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Final

import zstandard

import schemas

FOLDER: Final = Path(__file__).with_name("corpus")
EXAMPLES: Final = Path(schemas.__file__).with_name("examples")
DICTIONARY: Final = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n"


def seed(name: str) -> bytes:
    """A file of the corpus."""
    return (FOLDER / name).read_bytes()


def lines(name: str) -> tuple[bytes, ...]:
    """The lines of a file of the corpus, each a seed of its own."""
    return tuple(seed(name).splitlines())


def messages(topic: str) -> tuple[bytes, ...]:
    """The examples of a topic, good and bad."""
    return tuple(path.read_bytes() for path in sorted((EXAMPLES / topic).glob("*/*.json")))


def records(archive: bytes) -> list[bytes]:
    """The records of a plain archive."""
    mark = b"WARC/1.0\r\n"
    return [mark + part for part in archive.split(mark)[1:]]


def gzipped(archive: bytes) -> bytes:
    """The archive with a gzip member for each record, as archives must be."""
    return b"".join(gzip.compress(record, mtime=0) for record in records(archive) or [archive])


def zstd(archive: bytes) -> bytes:
    """The archive with a zstd frame for each record."""
    compressor = zstandard.ZstdCompressor()
    return b"".join(compressor.compress(record) for record in records(archive) or [archive])


def zstd_with_dictionary(archive: bytes) -> bytes:
    """The archive with its dictionary in a skippable frame in front."""
    head = struct.pack("<II", 0x184D2A5D, len(DICTIONARY)) + DICTIONARY
    compressor = zstandard.ZstdCompressor(dict_data=zstandard.ZstdCompressionDict(DICTIONARY))
    return head + compressor.compress(archive)


ARCHIVE: Final = seed("archive.warc")
