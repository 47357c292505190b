"""Entries to raw articles: identity and revision from the store, everything else as stated."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ValidationError

from schemas.article import RawArticle
from services.common.messages import describe
from services.producer.identity import article_id_of, content_hash_of
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.store import Store


def to_raw_article(
    entry: Entry, store: Store, feed: str | None = None, now: datetime | None = None
) -> RawArticle | Problem:
    """The message of an entry; inside a transaction of the store, which is committed before the send."""
    fetched_at = now or datetime.now(UTC)
    try:
        article_id = article_id_of(entry.source_id, entry.guid, entry.url)
        content_hash = content_hash_of(
            entry.content, entry.title, entry.url, entry.published_at, entry.declared_language
        )
        revision, feeds = store.identify(article_id, content_hash, feed, int(fetched_at.timestamp()))
        return RawArticle(
            article_id=article_id,
            source_id=entry.source_id,
            feeds=feeds,
            url=entry.url,
            guid=entry.guid,
            content_type=entry.content_type,
            content=entry.content,
            title=entry.title,
            published_at=entry.published_at,
            declared_language=entry.declared_language,
            fetched_at=fetched_at,
            content_hash=content_hash,
            revision=revision,
        )
    except ValidationError as error:
        return Problem(entry.source_id, entry.guid, ProblemKind.INVALID, describe(error))
    except ValueError as error:
        return Problem(entry.source_id, entry.guid, ProblemKind.INVALID, str(error))
