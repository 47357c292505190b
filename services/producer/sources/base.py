"""What every source type gives: entries, and what was wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from schemas.article import ContentType, Declared
from schemas.feed import Columns

NOTHING_DECLARED = Declared()
SAME_NAMES = Columns()


class SourceError(Exception):
    """A source that cannot be read at all; the message is for a person."""


class ProblemKind(StrEnum):
    """Why an item gives no article."""

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
    """One article as its source states it; `note` says what was guessed, `observed_at` when an archive took it."""

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

    @property
    def happened_at(self) -> datetime | None:
        """When it was published, else when the archive saw it: what a replay by time goes by."""
        return self.published_at or self.observed_at


@dataclass(frozen=True, slots=True)
class Problem:
    """One item that gives no article: which, why in a sentence, and its bytes where they must be kept.

    `kept_at` says where those bytes lie already (an archive and the offset), so that they need no second copy.
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
    """What the user may say of a source."""

    source_id: str | None
    max_article_bytes: int
    columns: Columns = SAME_NAMES
    max_document_bytes: int = 10 * 1024 * 1024
    """Largest feed document that is read into memory; files of lines and archives are streamed."""
    changed_since: float | None = None
    """Unix seconds: files of a folder that have not changed since then are left out."""


class Source(Protocol):
    """A source type. `total` is the number of items where it is known, for the progress bar."""

    @property
    def total(self) -> int | None:
        """How many items there are, as far as that can be told without reading them."""

    def entries(self) -> Iterator[Entry | Problem]:
        """The items in their order, one at a time; one bad item never stops the others."""
