"""Turns records into documents: the fields of the schema, and a few fields that only the index has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, NonNegativeInt

from schemas.article import (
    DECISIONS,
    DecisionNumber,
    Declared,
    DuplicateReason,
    Entity,
    EntityType,
    GroupedArticle,
    Language,
    LanguageCode,
    Mention,
    Revision,
    StatedDate,
    StoryReason,
    Unlinked,
)
from schemas.base import ArticleId, ShortText, Timestamp
from schemas.dead_letter import ErrorClass
from schemas.story import Story
from services.common.dead_letters import Received
from services.common.languages import analyzer_for
from services.common.messages import REVISION_HEADER, RejectedMessage, decode, encode, header_int
from services.indexer.bulk import Action, make_action

NOT_INDEXED = frozenset({"replaces"})
"""Fields of a grouped article that the index does not have: it holds nothing under the earlier ids of an article."""
NAMED = {EntityType.PERSON: "persons", EntityType.ORGANISATION: "organisations", EntityType.LOCATION: "places_named"}
UNLISTED = "name:"
"""What the id of a name begins with that no list holds (docs/adr/0013)."""


def _defaults(record: type[BaseModel]) -> dict[str, Any]:
    defaults: dict[str, Any] = record.model_construct().model_dump(mode="json")
    return defaults


COMPLETE = {name: value for name, value in _defaults(GroupedArticle).items() if name not in NOT_INDEXED}
"""The fields of an article that have a default. A message leaves those out, and readers of the index expect them."""
PARTS = {
    "language": _defaults(Language),
    "declared": _defaults(Declared),
    "story_reason": _defaults(StoryReason),
    "duplicate_reason": _defaults(DuplicateReason),
}
LISTS = {"entities": _defaults(Entity), "unlinked": _defaults(Unlinked), "dates": _defaults(StatedDate)}
MENTION = _defaults(Mention)


Fields = dict[str, object]
"""Fields that go into the document as they are."""


class Part(BaseModel):
    """Some fields of a record. The others are left unread."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, ser_json_bytes="base64", val_json_bytes="base64"
    )


class LanguagePart(Part):
    """What the index needs of a language."""

    code: LanguageCode


class EntityPart(Part):
    """What the index needs of an entity."""

    id: ShortText
    type: EntityType
    name: str
    country: str | None = None
    mentions: tuple[Fields, ...]


class PlacePart(Part):
    """What the index needs of a place."""

    lat: float
    lon: float


class ArticlePart(Part):
    """What the index needs of a grouped article of the current version. The rest goes into the document as it is.

    It has every field that `to_article_document` reads or completes, so that no message can be an error there.
    """

    schema_version: Literal[2]
    article_id: ArticleId
    feeds: tuple[ShortText, ...] = ()
    fetched_at: Timestamp
    revision: Revision
    enrichment: NonNegativeInt = 0
    title: str | None
    text: str
    language: LanguagePart
    entities: tuple[EntityPart, ...]
    places: tuple[PlacePart, ...] = ()
    unlinked: tuple[Fields, ...] = ()
    dates: tuple[Fields, ...] = ()
    declared: Fields = {}
    story_reason: Fields
    duplicate_reason: Fields | None = None
    embedding: bytes | None = None
    story_id: ArticleId
    decision_seq: DecisionNumber


def read_article(message: bytes) -> tuple[ArticlePart, dict[str, Any]]:
    """What the index needs of an article, and the whole article as JSON.

    A message without these fields is decoded in full: it may be of an older version. RejectedMessage: it is no article.
    """
    try:
        return ArticlePart.model_validate_json(message), orjson.loads(message)
    except ValueError:  # ValidationError and JSONDecodeError
        value = encode(decode(GroupedArticle, message))
        return ArticlePart.model_validate_json(value), orjson.loads(value)


def completed(article: dict[str, Any]) -> dict[str, Any]:
    """An article as JSON with every field that the index has, and without the others."""
    document = {**COMPLETE, **article}
    for name in NOT_INDEXED:
        document.pop(name, None)
    for name, defaults in PARTS.items():
        if document[name] is not None:
            document[name] = {**defaults, **document[name]}
    for name, defaults in LISTS.items():
        document[name] = [{**defaults, **item} for item in document[name]]
    for entity in document["entities"]:
        entity["mentions"] = [{**MENTION, **mention} for mention in entity["mentions"]]
    return document


def to_article_document(article: ArticlePart, document: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The document of an article, made from its JSON.

    The vector is signed hex. `localized` has only the analyzer of its language; it is searched and not stored.
    """
    document = completed(document)
    document["embedding"] = article.embedding.hex() if article.embedding else None
    for place in document.get("places", ()):
        place["location"] = {"lat": place["lat"], "lon": place["lon"]}
    document["entity_ids"] = [entity.id for entity in article.entities]
    for kind, field in NAMED.items():
        document[field] = _distinct(entity.name for entity in article.entities if entity.type is kind)
    document["unlisted_names"] = _distinct(entity.name for entity in article.entities if entity.id.startswith(UNLISTED))
    document["countries"] = sorted({entity.country for entity in article.entities if entity.country})
    document["indexed_at"] = now.isoformat()
    analyzer = analyzer_for(article.language.code)
    if analyzer:
        document["localized"] = {analyzer: {"title": article.title, "text": article.text}}
    return document


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def to_story_document(story: Story) -> dict[str, Any]:
    """The document of a story, with its places also as points on the map."""
    document: dict[str, Any] = story.model_dump(mode="json")
    document["article_count"], document["outlet_count"] = story.articles, len(story.sources)
    for entity in document["entities"]:
        if entity["lat"] is not None and entity["lon"] is not None:
            entity["location"] = {"lat": entity["lat"], "lon": entity["lon"]}
    return document


@dataclass(frozen=True, slots=True)
class Fetched:
    """When an article was fetched, whether a feed had it, and whether it was enriched once more long after that."""

    at: datetime
    by_feed: bool
    again: bool = False


def to_action(message: Received, index: str, *, is_story: bool) -> tuple[Action, Fetched | None]:
    """The write for a grouped article or a story, and when the article was fetched (None for a story).

    A tombstone of an article becomes a delete. Raises RejectedMessage if the message is none of these.
    """
    value = message.value
    if not is_story and value is None:
        return to_removal(message, index), None
    try:
        if is_story:
            story = decode(Story, value)
            return make_action(index, story.story_id, story.revision, to_story_document(story)), None
        article, fields = read_article(value or b"")
        document = to_article_document(article, fields, datetime.now(UTC))
        fetched = Fetched(article.fetched_at, by_feed=bool(article.feeds), again=article.enrichment > 0)
        version = article.revision * DECISIONS + article.decision_seq
        return make_action(index, article.article_id, version, document), fetched
    except (TypeError, ValueError, OverflowError) as error:  # a number over 64 bits, for example
        raise RejectedMessage("document", ErrorClass.INVALID_MESSAGE, f"cannot be written as JSON: {error}") from error


def is_removal(message: Received) -> bool:
    """Whether a tombstone deletes an article: it has a key, and the revision of the article that replaces it."""
    return message.value is None and message.key is not None and _revision_of(message) is not None


def _revision_of(message: Received) -> int | None:
    return header_int(message.header_map(), REVISION_HEADER)


def to_removal(message: Received, index: str) -> Action:
    """The delete of an article that has another id now. The header has the revision of the article that replaces it."""
    revision = _revision_of(message)
    if revision is None or message.key is None:
        raise RejectedMessage("decode", ErrorClass.INVALID_MESSAGE, "the message has no value")
    return Action(index, message.key.decode("utf8", "replace"), revision * DECISIONS, None)
