"""The common types of all sources: entries, and problems for items that are not articles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from schemas.article import ContentType, Declared
from schemas.feed import Columns
from services.common.settings import KafkaSettings

NOTHING_DECLARED = Declared()
SAME_NAMES = Columns()


class SourceError(Exception):
    """A source that cannot be read at all. The message is for a person."""


class ProblemKind(StrEnum):
    """Why an item is not an article."""

    EMPTY = "empty"
    BINARY = "binary"
    UNDECODABLE = "undecodable"
    TOO_LARGE = "too_large"
    VANISHED = "vanished"
    UNREADABLE = "unreadable"
    OUTSIDE = "outside"
    INVALID = "invalid"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Entry:
    """One article as its source states it.

    `note` says what was guessed. `observed_at` is the time at which an archive stored it. `shares_url` is true if
    several articles of its document link to the same page. `shared_guid` is the guid that several entries of its
    document have; `guid` then tells them apart. `words_name` names an entry without guid and link by its words, because
    the date in its made guid may be that of each visit. `stamp` changes when the page must be looked at again.
    """

    source_id: str
    guid: str
    content: str
    content_type: ContentType
    url: str | None = None
    title: str | None = None
    published_at: datetime | None = None
    declared_language: str | None = None
    note: str | None = None
    declared: Declared = NOTHING_DECLARED
    observed_at: datetime | None = None
    shares_url: bool = False
    shared_guid: str | None = None
    words_name: str | None = None
    stamp: str | None = None

    @property
    def happened_at(self) -> datetime | None:
        """The time of publication, or else the time of archiving. A replay by time uses it."""
        return self.published_at or self.observed_at


@dataclass(frozen=True, slots=True)
class Problem:
    """One item that is not an article, with the reason in a sentence and its bytes if they must be kept.

    `kept_at` says where the bytes are already stored (an archive and the offset), so that no second copy is needed.
    """

    source_id: str
    guid: str
    kind: ProblemKind
    reason: str
    path: Path | None = None
    data: bytes | None = None
    kept_at: str | None = None


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """Options of the user for a source."""

    source_id: str | None
    max_article_bytes: int
    columns: Columns = SAME_NAMES
    max_document_bytes: int = 10 * 1024 * 1024
    """Largest feed document that is read into memory. Files of lines and archives are streamed."""
    changed_since: float | None = None
    """Unix seconds. Files of a folder that have not changed since then are left out."""
    kafka: KafkaSettings | None = None
    """How our own Kafka is reached. A topic on another one is read without a user."""


class Source(Protocol):
    """A source type. The progress bar uses `total`."""

    @property
    def total(self) -> int | None:
        """The number of items, or None if it is not known before the items are read."""

    def entries(self) -> Iterator[Entry | Problem]:
        """The items in order, one at a time. A bad item never stops the others."""
