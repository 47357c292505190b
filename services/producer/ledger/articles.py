"""Makes raw articles from entries. The store gives identity and revision, the entry gives everything else."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ValidationError

from schemas.article import RawArticle
from services.common.messages import describe
from services.producer.identity import article_id_of, content_hash_of
from services.producer.ledger.store import Store
from services.producer.sources.base import Entry, Problem, ProblemKind


def content_hash(entry: Entry) -> str:
    """The hash of an entry. A changed hash makes a new revision."""
    return content_hash_of(entry.content, entry.title, entry.url, entry.published_at, entry.declared_language)


def make_raw_article(
    entry: Entry, article_id: str, revision: int, fetched_at: datetime, feeds: tuple[str, ...] = ()
) -> RawArticle:
    """The record of an entry. ValidationError when the entry is not a valid record."""
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
        declared=entry.declared,
        fetched_at=fetched_at,
        content_hash=content_hash(entry),
        revision=revision,
    )


def to_raw_article(
    entry: Entry, store: Store, feed: str | None = None, now: datetime | None = None, same_as: str | None = None
) -> RawArticle | Problem:
    """The raw article of an entry, or the problem with it.

    Call it inside a transaction of the store. The transaction is committed before the send. `same_as` is the id of the
    article that this entry was before its address changed.
    """
    fetched_at = now or datetime.now(UTC)
    try:
        address_id = article_id_of(entry.source_id, entry.guid, entry.url)
        # Validate before the store is changed: an invalid record must not get a revision.
        make_raw_article(entry, address_id, 1, fetched_at, (feed,) if feed else ())
    except ValidationError as error:
        return Problem(entry.source_id, entry.guid, ProblemKind.INVALID, describe(error))
    except ValueError as error:
        return Problem(entry.source_id, entry.guid, ProblemKind.INVALID, str(error))
    if same_as is not None:
        store.alias(address_id, same_as)
    article_id = store.resolve(address_id)
    revision, feeds = store.identify(article_id, content_hash(entry), feed, int(fetched_at.timestamp()))
    return make_raw_article(entry, article_id, revision, fetched_at, feeds)
