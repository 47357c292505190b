"""The state of dedup: one row per live article, and the edits. Everything else is derived from them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt

from schemas.article import DuplicateLink, DuplicateReason, StoryReason
from schemas.base import ArticleId, Record, ShortText, Timestamp
from services.dedup.articles import ArticlePart, GroupedPart, ReadablePart

Dropped = Annotated[None, BeforeValidator(lambda _: None)]
"""A field of an older row: any value is accepted, and none is kept."""


class Decision(Record):
    """What dedup decided on one article."""

    duplicate_of: ArticleId | None = None
    duplicate_score: float | None = None
    duplicate_reason: DuplicateReason | None = None
    duplicate_links: tuple[DuplicateLink, ...] = ()
    supersedes: ArticleId | None = None
    story_id: ArticleId
    story_score: float
    story_reason: StoryReason


class ArticleRow(Record):
    """One live article and the decision on it. The whole article is kept, to send it again when the decision changes.

    `arrival` numbers the articles in the order in which dedup took them. `story_opened_at` is the time at which the
    story's first article was fetched. When that time leaves the window, the story is closed. `absorbed` are the stories
    that were merged into this article's story when this article came. `grouped_at` is the time at which this revision
    came to dedup. `moved_by` names the article or the edit that moved this article into its story, and `moved_from`
    names the story that it left. With these fields, a redelivered message completes the work that a crash interrupted.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")  # as in the article; without it, NaN becomes null

    article: ArticlePart
    arrival: NonNegativeInt
    decision: Decision
    decision_seq: NonNegativeInt = 0
    story_revision: PositiveInt = 1
    story_opened_at: Timestamp
    absorbed: tuple[ArticleId, ...] = ()
    grouped_at: Timestamp | None = None
    moved_by: ShortText | None = None
    moved_from: ArticleId | None = None

    # Rows that an older version wrote have these two fields. They are needed until all such rows have left the window:
    # DRAGOMAN_WINDOW_DAYS after the upgrade. They are fields and not the work of a `model_validator(mode="before")`,
    # because such a validator turns the JSON into Python objects, and a strict record then refuses lists and dates.
    owner_offset: Dropped = Field(default=None, exclude=True, repr=False)
    schema_version: Dropped = Field(default=None, exclude=True, repr=False)

    @property
    def article_id(self) -> str:
        """The id of the article, which is the key of the row."""
        return self.article.article_id


Rows = MutableMapping[str, ArticleRow]
"""Rows by article id: a dict, or a `RecordTable` of faust."""


def to_grouped(row: ArticleRow, version: int) -> GroupedPart:
    """The row's article with the decision on it, as it is indexed."""
    decision = row.decision
    article = {name: getattr(row.article, name) for name in ReadablePart.model_fields}
    return GroupedPart.model_construct(
        **article,
        **(row.article.model_extra or {}),
        **{name: getattr(decision, name) for name in Decision.model_fields},
        duplicate_group=decision.duplicate_of or row.article_id,
        grouped_at=row.grouped_at,
        grouping_version=version,
        decision_seq=row.decision_seq,
    )
