"""What a user writes about feeds: the records of `seeds/feeds.yaml`. They are closed and have a JSON Schema."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from schemas.article import LanguageCode
from schemas.base import ShortText

MIN_INTERVAL_SECONDS = 1
AUTO_MIN_SECONDS = 5 * 60
AUTO_MAX_SECONDS = 24 * 60 * 60
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(\d{1,6})\s*([smhd])")
ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class FeedType(StrEnum):
    """How a feed is read. If it is missing, the name of the path or the answer of the URL decides."""

    FEED = "feed"
    SITEMAP = "sitemap"
    PAGE = "page"
    OPML = "opml"
    FOLDER = "folder"
    JSONL = "jsonl"
    CSV = "csv"
    WARC = "warc"
    TOPIC = "topic"


LOCAL_TYPES = frozenset({FeedType.FOLDER, FeedType.JSONL, FeedType.CSV, FeedType.WARC})


def to_seconds(value: object) -> object:
    """The seconds of a duration: 900 for `15m`. Other types are returned unchanged, and pydantic refuses them."""
    if isinstance(value, str):
        match = DURATION.fullmatch(value.strip().lower())
        if match:
            return int(match[1]) * UNITS[match[2]]
        if value != "auto":
            raise ValueError("write a duration like 90s, 15m, 2h or 1d, or auto")
    elif isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"write the unit too: {value}s, {value}m or {value}h")  # noqa: TRY004 - pydantic reports a ValueError
    return value


Interval = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=MIN_INTERVAL_SECONDS, le=30 * 86400)],
    BeforeValidator(to_seconds, json_schema_input_type=str),
]
"""`auto`, or seconds. Users write a duration (`15m`)."""

FeedId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]*$", max_length=200)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]


class Closed(BaseModel):
    """A part of the file. Unknown keys are refused, so that a typo is an error and not an ignored setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(Closed):
    """The column of a CSV file, or the key of a JSON object, for each value. `meta.body` is a key inside an object."""

    guid: str = "guid"
    content: str = "content"
    title: str = "title"
    url: str = "url"
    published_at: str = "published_at"
    declared_language: str = "declared_language"
    content_type: str = "content_type"
    source_id: str = "source_id"
    authors: str = "authors"
    tags: str = "tags"


class Feed(Closed):
    """One feed: its address, and how to read it."""

    id: FeedId = Field(description="the name of the feed in articles, metrics and commands; never change it")
    url: str | None = Field(
        default=None,
        max_length=8000,
        description="http(s)://…, or kafka://host:port/topic; ${NAME} is read from the environment",
    )
    path: str | None = Field(default=None, max_length=4000, description="file or folder, relative to this file")
    type: FeedType | None = Field(default=None, description="detected automatically if absent")
    source: ShortText | None = Field(
        default=None, description="publisher (default: the host of the URL, or the name of the path)"
    )
    language: LanguageCode | None = Field(
        default=None, description="a hint (BCP 47), used if the feed states no language"
    )
    interval: Interval = Field(default="auto", description="auto (learned, 5m to 24h), or like 90s, 15m, 2h, 1d")
    full_text: bool | None = Field(
        default=None, description="fetch the page of each entry (default: only for sitemaps, because they have no text)"
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="request headers; write secrets as ${NAME}, which is read from the environment",
    )
    tags: tuple[Tag, ...] = Field(default=(), description="your own labels; every article of the feed gets them")
    columns: Columns = Field(default_factory=Columns, description="for CSV, JSONL and topics")
    respect_robots: bool = Field(default=True, description="false only if the publisher has agreed")
    paused: bool = Field(default=False, description="true: the feed stays in the file but is not collected")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.path is None):
            raise ValueError("give either url or path")
        if self.url is not None:
            self._check_url(self.url)
        elif self.type is FeedType.TOPIC:
            raise ValueError("a topic needs url: kafka://host:port/topic")
        if self.url is not None and self.type in LOCAL_TYPES:
            raise ValueError(f"type {self.type.value} needs path, not url")
        if self.path is not None and (self.full_text or self.headers):
            raise ValueError("full_text and headers are for URLs")
        return self

    def _check_url(self, url: str) -> None:
        try:
            parts = urlsplit(ENVIRONMENT.sub("x", url))
            host = parts.hostname
            parts.port  # noqa: B018 - raises if the port is not valid
        except ValueError as error:
            raise ValueError(f"url is not valid: {error}") from error
        if parts.scheme not in ("http", "https", "kafka") or not host:
            raise ValueError("url must begin with http://, https:// or kafka:// and name a host")
        if "@" in parts.netloc:
            raise ValueError("url holds a user or password: put them into headers, as ${NAME} from the environment")
        if self.type is not None and (parts.scheme == "kafka") != (self.type is FeedType.TOPIC):
            raise ValueError("type topic and kafka:// belong together")

    @property
    def place(self) -> str:
        """The URL or the path, as written."""
        return self.url or self.path or ""


class FeedsFile(Closed):
    """The complete file."""

    feeds: tuple[Feed, ...] = Field(default=(), description="all feeds; ids must be unique")

    @model_validator(mode="after")
    def _unique(self) -> Self:
        seen: dict[str, int] = {}
        for number, feed in enumerate(self.feeds):
            if feed.id in seen:
                raise ValueError(f"feeds {seen[feed.id] + 1} and {number + 1} have the same id {feed.id!r}")
            seen[feed.id] = number
        return self
