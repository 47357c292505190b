"""The lane's one kind of state: a row per live article. Everything else is derived from the rows."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import NonNegativeInt, PositiveInt

from schemas.article import DuplicateReason, EnrichedArticle, Fingerprint, LanguageCode, Revision, StoryReason
from schemas.base import ArticleId, Record, ShortText, Timestamp

Hashes = npt.NDArray[np.uint32]


class Decision(Record):
    """What the lane decided on one article."""

    duplicate_of: ArticleId | None = None
    duplicate_score: float | None = None
    duplicate_reason: DuplicateReason | None = None
    story_id: ArticleId
    story_score: float
    story_reason: StoryReason


class Row(Record):
    """One live article: what grouping compares, what was decided, and which message was decided on.

    `arrival` numbers the articles in the order in which the lane took them; `owner_offset` is the source offset of the
    message behind the decision, so that a redelivery is known from a replay.
    """

    schema_version: PositiveInt = 1
    article_id: ArticleId
    arrival: NonNegativeInt
    owner_offset: NonNegativeInt
    revision: Revision
    decision_seq: NonNegativeInt
    story_revision: PositiveInt
    fetched_at: Timestamp
    published_at: Timestamp | None
    source_id: ShortText
    language: LanguageCode
    title: str | None
    fingerprint: Fingerprint
    embedding: bytes | None
    decision: Decision

    @cached_property
    def shingles(self) -> Hashes:
        """Hashes of word bigrams, sorted."""
        return np.frombuffer(self.fingerprint.shingles, dtype="<u4")

    @cached_property
    def words(self) -> Hashes:
        """Hashes of words, sorted."""
        return np.frombuffer(self.fingerprint.words, dtype="<u4")

    @cached_property
    def facts(self) -> Hashes:
        """Hashes of numbers and names, sorted."""
        return np.frombuffer(self.fingerprint.facts, dtype="<u4")

    @cached_property
    def vector(self) -> npt.NDArray[np.float32] | None:
        """The embedding, float32, (512,), L2-normalised; None where there is none."""
        if self.embedding is None:
            return None
        vector = np.frombuffer(self.embedding, dtype=np.int8).astype(np.float32)
        return vector / np.linalg.norm(vector)

    @property
    def told_at(self) -> datetime | None:
        """The day the article claims, for the time gap; None where it claims none."""
        return self.published_at


def to_row(article: EnrichedArticle, decision: Decision, **counters: int) -> Row:
    """The row of an article under a decision; `counters` are arrival, owner_offset, decision_seq, story_revision."""
    return Row(
        article_id=article.article_id,
        revision=article.revision,
        fetched_at=article.fetched_at,
        published_at=article.published_at,
        source_id=article.source_id,
        language=article.language.code,
        title=article.title,
        fingerprint=article.fingerprint,
        embedding=article.embedding,
        decision=decision,
        **counters,
    )
