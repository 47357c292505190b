"""A story: the articles that report one event."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from schemas.article import LanguageCode
from schemas.base import ArticleId, Record, ShortText, Timestamp


class StoryEntity(Record):
    """An entity and the number of the story's articles that name it."""

    id: ShortText
    articles: PositiveInt


class Story(Record):
    """What the lane puts on `stories`: the latest state of one story, keyed by its id."""

    schema_version: Literal[1] = 1
    story_id: ArticleId = Field(description="the id of the article that opened it; never changes")
    title: str | None
    languages: tuple[LanguageCode, ...]
    sources: tuple[ShortText, ...]
    first_seen_at: Timestamp
    last_seen_at: Timestamp
    articles: PositiveInt
    duplicates: NonNegativeInt
    entities: tuple[StoryEntity, ...]
    merged_into: ArticleId | None = None
    revision: Annotated[int, Field(ge=1, lt=2**63)] = Field(description="grows with each change; the document version")
