"""Turns records into documents: the fields of the schema, and a few fields that only the index has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from schemas.article import DECISIONS, GroupedArticle
from schemas.dead_letter import ErrorClass
from schemas.story import Story
from services.common.dead_letters import Received
from services.common.languages import analyzer_for
from services.common.messages import REVISION_HEADER, RejectedMessage, decode, header_int
from services.indexer.bulk import Action, make_action

NOT_INDEXED = frozenset({"replaces"})
"""Fields of a grouped article that the index does not have: it holds nothing under the earlier ids of an article."""


def to_article_document(article: GroupedArticle, message: bytes) -> dict[str, Any]:
    """The document of an article. The vector is signed hex, and `localized` has only the analyzer of its language.

    `message` is the JSON of the article. Parsing it again costs a tenth of encoding the record.
    """
    document: dict[str, Any] = orjson.loads(message)
    for name in NOT_INDEXED:
        document.pop(name, None)
    document["embedding"] = article.embedding.hex() if article.embedding else None
    for place in document.get("places", ()):
        place["location"] = {"lat": place["lat"], "lon": place["lon"]}
    analyzer = analyzer_for(article.language.code)
    if analyzer:
        document["localized"] = {analyzer: {"title": article.title, "text": article.text}}
    return document


def to_story_document(story: Story) -> dict[str, Any]:
    """The document of a story, with its places also as points on the map."""
    document: dict[str, Any] = story.model_dump(mode="json")
    for entity in document["entities"]:
        if entity["lat"] is not None and entity["lon"] is not None:
            entity["location"] = {"lat": entity["lat"], "lon": entity["lon"]}
    return document


@dataclass(frozen=True, slots=True)
class Fetched:
    """When an article was fetched, and whether a feed had it."""

    at: datetime
    by_feed: bool


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
        article = decode(GroupedArticle, value)
        document = to_article_document(article, value or b"")
        fetched = Fetched(article.fetched_at, by_feed=bool(article.feeds))
        return make_action(index, article.article_id, article.document_version, document), fetched
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
