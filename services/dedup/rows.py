"""The lane's one kind of state: a row per live article. Everything else is derived from the rows."""

from __future__ import annotations

from collections.abc import MutableMapping

from pydantic import NonNegativeInt, PositiveInt

from schemas.article import DuplicateLink, DuplicateReason, EnrichedArticle, GroupedArticle, StoryReason
from schemas.base import ArticleId, Record, ShortText, Timestamp


class Decision(Record):
    """What the lane decided on one article."""

    duplicate_of: ArticleId | None = None
    duplicate_score: float | None = None
    duplicate_reason: DuplicateReason | None = None
    duplicate_links: tuple[DuplicateLink, ...] = ()
    supersedes: ArticleId | None = None
    story_id: ArticleId
    story_score: float
    story_reason: StoryReason


class Row(Record):
    """One live article, whole, and what was decided, so that a changed decision can be sent again with the article.

    `arrival` numbers the articles in the order in which the lane took them; `owner_offset` is the source offset of the
    message behind the decision. `story_opened_at` is when the story's first article was fetched: with it the story
    leaves the window. `absorbed` are the stories that this article's coming merged into its own; `moved_by` names the
    article or the edit that moved this one here, `moved_from` the story that it left: a redelivery finishes with them
    what a crash left half done.
    """

    schema_version: PositiveInt = 2
    article: EnrichedArticle
    arrival: NonNegativeInt
    owner_offset: NonNegativeInt
    decision: Decision
    decision_seq: NonNegativeInt = 0
    story_revision: PositiveInt = 1
    story_opened_at: Timestamp
    absorbed: tuple[ArticleId, ...] = ()
    moved_by: ShortText | None = None
    moved_from: ArticleId | None = None

    @property
    def article_id(self) -> str:
        """The article's id, the row's key."""
        return self.article.article_id


Rows = MutableMapping[str, Row]
"""Rows by article id: a dict, or the faust table behind `RowStore`."""


def to_grouped(row: Row, version: int) -> GroupedArticle:
    """The row's article under its decision, as it is indexed."""
    decision = row.decision
    article = {name: getattr(row.article, name) for name in EnrichedArticle.model_fields if name != "fingerprint"}
    return GroupedArticle.model_construct(
        **article,
        **{name: getattr(decision, name) for name in Decision.model_fields},
        duplicate_group=decision.duplicate_of or row.article_id,
        grouping_version=version,
        decision_seq=row.decision_seq,
    )
