"""The digest of a row: what a rebuild needs of it, packed so that it is read in microseconds.

A row has the whole article, and most of what deciding needs is derived from its text. So the profile and the sampled
bigrams are kept beside the row, on the local disk only: they follow from the row, and a store that was restored has
none. A digest that is damaged, or of another version, is derived again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from zlib import crc32

import numpy as np
import orjson

from schemas.article import EntityType
from services.dedup.names import NamedEntity
from services.dedup.profiles import (
    DAMPING,
    MOST_DIGITS,
    SAMPLE_MODULUS,
    SMALL_MODULUS,
    SMALL_SAMPLE,
    UNCASED,
    Hashes,
    Profile,
)

VERSION = 1
"""Raise it when `to_profile` derives anything else: then every digest is derived again, once."""
CONSTANTS = (sorted(UNCASED), DAMPING, MOST_DIGITS, SAMPLE_MODULUS, SMALL_SAMPLE, SMALL_MODULUS)
RULES = crc32(repr((VERSION, CONSTANTS)).encode())
"""What a profile was derived with. It stands in each digest."""
ARRAYS = (
    "keys",
    "key_weights",
    "key_flags",
    "terms",
    "term_weights",
    "term_flags",
    "shingles",
    "words",
    "facts",
    "digits",
)
"""The fields of a profile that are bytes, in the order of their sections."""
SCALARS = (
    "article_id",
    "title",
    "slot",
    "story_id",
    "is_duplicate",
    "language",
    "has_capitals",
    "source_id",
    "day",
    "fetched",
    "event",
    "opened",
    "story_revision",
)
TYPES = {kind.value: kind for kind in EntityType}
NUMBER = struct.Struct("<I")
"""A digest begins with the CRC-32 of what follows: the length of its JSON, the JSON, and the arrays."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The profile of a live article, its sampled bigrams, and its entities."""

    profile: Profile
    sampled: Hashes
    entities: tuple[NamedEntity, ...]


class Digests(Protocol):
    """The digests of rows, by article id."""

    def prepare(self, article_id: str, digest: bytes) -> None:
        """Keep a digest with the next write of its row, which would remove it otherwise."""

    def keep(self, article_id: str, digest: bytes) -> None:
        """Keep a digest of a row that is there already."""

    def get(self, article_id: str) -> bytes | None:
        """The digest of a row, if it is known."""

    def items(self) -> Iterable[tuple[str, bytes]]:
        """Every digest that is known, with its article id. A row without one has none yet."""


class NoDigests:
    """What a grouper without a store has: every digest is derived from its row."""

    def prepare(self, article_id: str, digest: bytes) -> None:
        """Keep nothing."""

    keep = prepare

    def get(self, article_id: str) -> bytes | None:
        """Nothing is known."""

    def items(self) -> Iterable[tuple[str, bytes]]:
        """Nothing is known."""
        return ()


def pack(digest: Digest) -> bytes:
    """A digest as bytes."""
    profile = digest.profile
    sections = [*(getattr(profile, name) for name in ARRAYS), profile.vector or b"", digest.sampled.tobytes()]
    head = orjson.dumps(
        {
            "rules": RULES,
            "lengths": [len(section) for section in sections],
            "entities": [tuple(entity) for entity in digest.entities],
            **{name: getattr(profile, name) for name in SCALARS},
        }
    )
    body = b"".join([NUMBER.pack(len(head)), head, *sections])
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
    *arrays, vector, sampled = _cut(body, end, head["lengths"])
    scalars = {name: head[name] for name in SCALARS}
    packed_arrays: dict[str, Any] = dict(zip(ARRAYS, arrays, strict=True))
    profile = Profile(**scalars, **packed_arrays, vector=vector or None)
    entities = tuple(NamedEntity(entity, TYPES[kind], *rest) for entity, kind, *rest in head["entities"])
    return Digest(profile, np.frombuffer(sampled, "<u4"), entities)


def _cut(body: bytes, start: int, lengths: Iterable[int]) -> Iterator[bytes]:
    for length in lengths:
        yield body[start : start + length]
        start += length
