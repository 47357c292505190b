"""A story: the articles that report one event."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from schemas.article import EntityType, LanguageCode
from schemas.base import ArticleId, Record, ShortText, Timestamp


class StoryEntity(Record):
    """An entity, and the number of the story's articles that name it. A place has coordinates (WGS 84 degrees)."""

    id: ShortText
    articles: PositiveInt
    name: str | None = None
    type: EntityType | None = None
    country: str | None = Field(default=None, description="ISO 3166-1 alpha-2")
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None


class Edition(Record):
    """A story in one language: its most central article in it, and the sentence that says most about the story."""

    language: LanguageCode
    articles: PositiveInt
    article_id: ArticleId
    title: str | None
    headline: ShortText = Field(description="the title of the article, or the beginning of its text")
    sentence: str | None


class Bucket(Record):
    """An hour (UTC), and the number of articles that were fetched in it."""

    start_at: Timestamp
    articles: PositiveInt


class RelatedStory(Record):
    """Another story with the same actors."""

    story_id: ArticleId
    title: str | None
    shared: tuple[str, ...] = Field(description="ids of the entities that both stories have")


class Story(Record):
    """What dedup writes to `stories`: the latest state of one story, with the story id as key."""

    schema_version: Literal[2] = 2
    story_id: ArticleId = Field(description="the id of the article that opened the story; it never changes")
    title: str | None = Field(description="title of the most central article")
    headline: ShortText = Field(description="headline of the most central article")
    languages: tuple[LanguageCode, ...]
    sources: tuple[ShortText, ...] = Field(description="outlets; an outlet with several feeds is listed once")
    first_seen_at: Timestamp
    last_seen_at: Timestamp
    first_event_at: Timestamp = Field(description="the earliest `event_at` of its articles")
    last_event_at: Timestamp = Field(description="the latest `event_at` of its articles")
    growth: Annotated[float, Field(ge=0)] = Field(
        description="articles of the hour up to `last_seen_at`, divided by the mean of the 24 hours up to it"
    )
    countries: tuple[ShortText, ...] = Field(default=(), description="ISO 3166-1 alpha-2, of the entities")
    articles: NonNegativeInt = Field(description="0 for a story that was merged into another")
    duplicates: NonNegativeInt
    entities: tuple[StoryEntity, ...]
    editions: tuple[Edition, ...] = ()
    timeline: tuple[Bucket, ...] = ()
    related: tuple[RelatedStory, ...] = ()
    merged_into: ArticleId | None = Field(default=None, description="the story in which its articles are now")
    grouping_version: PositiveInt = 1
    revision: Annotated[int, Field(ge=1, lt=2**63)] = Field(
        description="grows with each change; it is the document version"
    )


class EditAction(StrEnum):
    """What a person can decide about stories."""

    MERGE = "merge"
    SPLIT = "split"
    PIN = "pin"


class StoryEdit(Record):
    """A decision of a person. No score overrules it, and every replay applies it again. The key is `edit_id`.

    `merge`: `articles` belong to one story. `split`: `articles` do not belong to the story of `other`.
    `pin`: `articles` belong to the story of `other`. If two edits contradict each other, the later one wins.
    """

    schema_version: Literal[1] = 1
    edit_id: ShortText
    action: EditAction
    articles: tuple[ArticleId, ...] = Field(min_length=1, max_length=1000)
    other: ArticleId | None = Field(default=None, description="an article that stands for a story")
    made_at: Timestamp
    made_by: ShortText
    reason: str | None = Field(default=None, max_length=1000)
