"""The digest of a row: what a rebuild needs of it, packed so that it is read in microseconds.

A row has the whole article, and most of what deciding needs is derived from its text. So the profile is kept beside the
row, on the local disk only: it follows from the row, and a store that was restored has none. A digest that is damaged,
or of another version, is derived again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from sys import intern
from typing import Any, Protocol
from zlib import crc32

import orjson

from schemas.article import EntityType
from services.dedup.names import NamedEntity, entities_of
from services.dedup.profiles import (
    ARRAYS,
    DAMPING,
    MOST_DIGITS,
    SAMPLE_MODULUS,
    SMALL_MODULUS,
    SMALL_SAMPLE,
    LiveArticle,
    Profile,
    to_profile,
)
from services.dedup.rows import ArticleRow

VERSION = 2
"""Raise it when `to_profile` derives anything else: then every digest is derived again, once."""
CONSTANTS = (LiveArticle.__slots__, ARRAYS, DAMPING, MOST_DIGITS, SAMPLE_MODULUS, SMALL_SAMPLE, SMALL_MODULUS)
RULES = crc32(repr((VERSION, CONSTANTS)).encode())
"""What a profile was derived with. It stands in each digest."""
TYPES = {kind.value: kind for kind in EntityType}
NUMBER = struct.Struct("<I")
"""A digest begins with the CRC-32 of what follows: the length of its JSON, the JSON, and the packed profile."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A live article, its profile as bytes (`Profile.pack`), and its entities."""

    article: LiveArticle
    profile: bytes
    entities: tuple[NamedEntity, ...]


class Digests(Protocol):
    """The digests of rows, by article id."""

    def prepare(self, article_id: str, digest: bytes) -> None:
        """Keep a digest with the next write of its row, which would remove it otherwise."""

    def keep(self, article_id: str, digest: bytes) -> None:
        """Keep a digest of a row that is there already."""

    def values(self) -> Iterable[bytes]:
        """Every digest that is known. A row without one has none yet."""


class NoDigests:
    """What a grouper without a store has: every digest is derived from its row."""

    def prepare(self, article_id: str, digest: bytes) -> None:
        """Keep nothing."""

    keep = prepare

    def values(self) -> Iterable[bytes]:
        """Nothing is known."""
        return ()


def digest_of(row: ArticleRow, profile: Profile | None = None) -> Digest:
    """The digest of a row. The profile is derived from the row, if it is not known."""
    packed = (profile or to_profile(row)).pack()
    return Digest(LiveArticle.of(row), packed, entities_of(row.article))


def pack(digest: Digest) -> bytes:
    """A digest as bytes."""
    head = orjson.dumps(
        {"rules": RULES, "article": asdict(digest.article), "entities": [tuple(entity) for entity in digest.entities]}
    )
    body = b"".join([NUMBER.pack(len(head)), head, digest.profile])
    return NUMBER.pack(crc32(body)) + body


def unpack(packed: bytes) -> Digest | None:
    """The digest of these bytes. None if they are damaged or of another version."""
    checksum, body = packed[: NUMBER.size], packed[NUMBER.size :]
    if not body or NUMBER.pack(crc32(body)) != checksum:
        return None
    end = NUMBER.size + NUMBER.unpack_from(body)[0]
    head: Mapping[str, Any] = orjson.loads(body[NUMBER.size : end])
    if head["rules"] != RULES:
        return None
    entities = tuple(
        NamedEntity(entity, TYPES[kind], name, country and intern(country), lat, lon)
        for entity, kind, name, country, lat, lon in head["entities"]
    )
    return Digest(LiveArticle(**head["article"]), body[end:], entities)
