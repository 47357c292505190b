"""What dedup reads of an article. The fields that it does not need are carried along unread."""

from __future__ import annotations

from collections.abc import Sized
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from schemas.article import (
    DecisionNumber,
    DuplicateLink,
    DuplicateReason,
    EnrichedArticle,
    EntityType,
    EventSource,
    Fingerprint,
    LanguageCode,
    RemovedLine,
    Revision,
    StoryReason,
)
from schemas.base import ArticleId, Record, ShortText, Timestamp
from services.common.messages import decode, encode


class Part(Record):
    """Some fields of a record. The others are kept as they came, and written again."""

    model_config = ConfigDict(extra="allow", ser_json_inf_nan="constants")


class LanguagePart(Part):
    """What dedup reads of a language."""

    code: LanguageCode


class EntityPart(Part):
    """What dedup reads of an entity."""

    id: ShortText
    type: EntityType
    name: str
    country: ShortText | None = None


class PlacePart(Part):
    """What dedup reads of a place."""

    id: ShortText
    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]


class ReadablePart(Part):
    """What the enriched and the grouped article share."""

    schema_version: Literal[2] = 2
    article_id: ArticleId
    source_id: ShortText
    fetched_at: Timestamp
    revision: Revision
    enrichment: NonNegativeInt = 0
    replaces: tuple[ArticleId, ...] = ()
    title: str | None
    headline: ShortText
    text: str = Field(min_length=1)
    removed: tuple[RemovedLine, ...] = ()
    agency: ShortText | None = None
    published_at: Timestamp | None
    event_at: Timestamp
    event_at_source: EventSource
    language: LanguagePart
    entities: tuple[EntityPart, ...]
    places: tuple[PlacePart, ...] = ()
    embedding: bytes | None = Field(default=None, min_length=512, max_length=512)


class ArticlePart(ReadablePart):
    """What dedup reads of an enriched article of the current version.

    A field that no enriched article has is refused, as everywhere: it would be a typo. A field that every one has must
    be there. What dedup computes with must fit together, because an error there would come again with the message.
    """

    fingerprint: Fingerprint

    @model_validator(mode="after")
    def _has_the_fields_of_an_article(self) -> Self:
        carried = (self.model_extra or {}).keys()
        if unknown := carried - EnrichedArticle.model_fields.keys():
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        if absent := REQUIRED - carried - self.model_fields_set:
            raise ValueError(f"absent fields: {', '.join(sorted(absent))}")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        keys, found = self.fingerprint.keys, self.fingerprint
        check_lengths("keys", keys.hashes, keys.counts, keys.flags, keys.labels)
        check_lengths("terms", found.terms, found.term_counts, found.term_flags)
        if self.embedding is not None and not any(self.embedding):
            raise ValueError("embedding: a vector without a direction")
        return self


class GroupedPart(ReadablePart):
    """A grouped article: what was read of the enriched one, what was carried along, and the decision."""

    duplicate_of: ArticleId | None = None
    duplicate_score: float | None = None
    duplicate_reason: DuplicateReason | None = None
    duplicate_group: ArticleId
    duplicate_links: tuple[DuplicateLink, ...] = ()
    supersedes: ArticleId | None = None
    story_id: ArticleId
    story_score: float
    story_reason: StoryReason
    grouped_at: Timestamp | None = None
    grouping_version: PositiveInt
    decision_seq: DecisionNumber


class InRow(Part):
    """An article as deep as it stands in its row. A JSON parser has a limit of depth, and a row must be readable."""

    article: ArticlePart


REQUIRED = {name for name, field in EnrichedArticle.model_fields.items() if field.is_required()}


def check_lengths(name: str, hashes: bytes, counts: bytes, *others: Sized) -> None:
    """Raise ValueError unless there is one count, and one of everything else, for each hash of four bytes."""
    count, rest = divmod(len(hashes), 4)
    if rest or any(len(other) != count for other in (counts, *others)) or 0 in counts:
        raise ValueError(f"{name}: hashes, counts and flags do not fit together")


def read_article(message: bytes | None) -> ArticlePart:
    """What dedup reads of a message.

    A message that lacks it is decoded in full: it may be of an older version. RejectedMessage: it is no article.
    """
    try:
        return InRow.model_validate_json(b'{"article":%b}' % (message or b"")).article
    except ValidationError:
        return part_of(decode(EnrichedArticle, message))


def part_of(article: EnrichedArticle) -> ArticlePart:
    """What dedup reads of an enriched article. RejectedMessage: it does not fit together."""
    return decode(ArticlePart, encode(article))
