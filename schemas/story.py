"""A story: the articles that report one event."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from schemas.article import EntityType, LanguageCode
from schemas.base import ArticleId, Record, ShortText, Timestamp


class StoryEntity(Record):
    """An entity and the number of the story's articles that name it; where it is, for a place (WGS 84 degrees)."""

    id: ShortText
    articles: PositiveInt
    name: str | None = None
    type: EntityType | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None


class Edition(Record):
    """A story in one language: its most central article there, and the sentence that says most of it."""

    language: LanguageCode
    articles: PositiveInt
    article_id: ArticleId
    title: str | None
    sentence: str | None


class Bucket(Record):
    """An hour (UTC) and how many articles were fetched in it."""

    start_at: Timestamp
    articles: PositiveInt


class RelatedStory(Record):
    """Another event of the same actors."""

    story_id: ArticleId
    title: str | None
    shared: tuple[str, ...] = Field(description="ids of the entities of both")


class Story(Record):
    """What the lane puts on `stories`: the latest state of one story, keyed by its id."""

    schema_version: Literal[1] = 1
    story_id: ArticleId = Field(description="the id of the article that opened it; never changes")
    title: str | None = Field(description="the most central article's")
    languages: tuple[LanguageCode, ...]
    sources: tuple[ShortText, ...] = Field(description="outlets, each once however many feeds it has")
    first_seen_at: Timestamp
    last_seen_at: Timestamp
    articles: NonNegativeInt = Field(description="0 in a story that was merged into another")
    duplicates: NonNegativeInt
    entities: tuple[StoryEntity, ...]
    editions: tuple[Edition, ...] = ()
    timeline: tuple[Bucket, ...] = ()
    related: tuple[RelatedStory, ...] = ()
    merged_into: ArticleId | None = Field(default=None, description="where its articles are now")
    grouping_version: PositiveInt = 1
    revision: Annotated[int, Field(ge=1, lt=2**63)] = Field(description="grows with each change; the document version")


class EditAction(StrEnum):
    """What a person can say of stories."""

    MERGE = "merge"
    SPLIT = "split"
    PIN = "pin"


class StoryEdit(Record):
    """A person's decision, which no score overrules; keyed by `edit_id`, and applied again by every replay.

    `merge`: `articles` belong to one story. `split`: `articles` do not belong to the story of `other`.
    `pin`: `articles` belong to the story of `other`. Of two that contradict each other the later one counts.
    """

    schema_version: Literal[1] = 1
    edit_id: ShortText
    action: EditAction
    articles: tuple[ArticleId, ...] = Field(min_length=1, max_length=1000)
    other: ArticleId | None = Field(default=None, description="an article that stands for a story")
    made_at: Timestamp
    made_by: ShortText
    reason: str | None = Field(default=None, max_length=1000)
