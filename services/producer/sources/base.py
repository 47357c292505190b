"""What every source type gives: entries, and what was wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from schemas.article import ContentType


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One article as its source states it; `note` says what had to be guessed about it."""

    source_id: str
    guid: str
    content: str
    content_type: ContentType
    url: str | None = None
    title: str | None = None
    published_at: datetime | None = None
    declared_language: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One item that gives no article: which, why in a sentence, and its bytes where they must be kept."""

    source_id: str
    guid: str
    kind: ProblemKind
    reason: str
    path: Path | None = None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the user may say of a source."""

    source_id: str | None
    max_article_bytes: int


class Source(Protocol):
    """A source type. `total` is the number of items where it is known, for the progress bar."""

    @property
    def total(self) -> int | None:
        """How many items there are, as far as that can be told without reading them."""

    def entries(self) -> Iterator[Entry | Problem]:
        """The items in their order, one at a time; one bad item never stops the others."""
