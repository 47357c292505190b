"""The state of a feed between two polls. It is kept as JSON in the producer's store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from schemas.feed import AUTO_MIN_SECONDS
from services.producer.fetch.client import Failure, Validators

FIRST_INTERVAL_SECONDS = 3 * AUTO_MIN_SECONDS
GAPS_KEPT = 30


class ChildFeed(BaseModel):
    """A feed of an OPML list."""

    url: str
    title: str | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None


class FeedState(BaseModel):
    """The state of one feed. Times are Unix seconds, which makes arithmetic simple.

    `rate` is the number of new entries per second. `gaps` are the seconds between polls with new entries, latest last.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    place: str = ""
    format: str | None = None
    title: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None
    cut_hash: str | None = None
    """The hash of a document that broke off. While the same part comes again, that is not told again."""
    moved_to: str | None = None
    last_poll_at: float | None = None
    last_success_at: float | None = None
    next_poll_at: float = 0.0
    read_at: float | None = None
    last_new_at: float | None = None
    entries: int = 0
    polls: int = 0
    rate: float | None = None
    interval_seconds: float = FIRST_INTERVAL_SECONDS
    gaps: tuple[float, ...] = ()
    error_streak: int = 0
    failure: Failure | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    children: tuple[ChildFeed, ...] = ()
    parts: dict[str, str] = {}
    offsets: dict[str, int] = {}

    @property
    def validators(self) -> Validators:
        """The validators for the next request."""
        return Validators(self.etag, self.last_modified)


def parse_states(texts: Mapping[str, str]) -> dict[str, FeedState]:
    """The state of each feed, by feed id, from the JSON in the store."""
    return {feed_id: FeedState.model_validate_json(text) for feed_id, text in texts.items()}


def to_time(seconds: float | None) -> datetime | None:
    """Unix seconds as a time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
