"""Makes raw articles from entries. The store gives identity and revision, the entry gives everything else."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ValidationError

from schemas.article import RawArticle
from services.common.messages import describe, encode
from services.producer.identity import article_id_of, content_hash_of
from services.producer.ledger.earlier import earlier_article_id, earlier_content_hash
from services.producer.ledger.store import Identified, Store
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.sources.documents import words_of

LARGEST_CHARACTER = 8
"""More bytes than a character takes as JSON. A text that is short enough need not be measured."""
ROOM = 64 * 1024
"""For the other fields, and for ids that the article gets later: the feeds that had it, and what it replaces."""


def content_hash(entry: Entry) -> str:
    """The hash of an entry: words, title, URL, stated date and language. A changed hash makes a new revision."""
    return content_hash_of(words_of(entry.content), entry.title, entry.url, entry.published_at, entry.declared_language)


def make_raw_article(
    entry: Entry, article_id: str, identified: Identified, fetched_at: datetime, replaces: tuple[str, ...] = ()
) -> RawArticle:
    """The record of an entry. ValidationError when the entry is not a valid record."""
    return RawArticle(
        article_id=article_id,
        source_id=entry.source_id,
        feeds=identified.feeds,
        url=entry.url,
        guid=entry.guid,
        content_type=entry.content_type,
        content=entry.content,
        title=entry.title,
        published_at=entry.published_at,
        declared_language=entry.declared_language,
        declared=entry.declared,
        fetched_at=fetched_at,
        content_hash=identified.content_hash,
        revision=identified.revision,
        replaces=replaces,
    )


def to_raw_article(
    entry: Entry,
    store: Store,
    max_bytes: int,
    feed: str | None = None,
    now: datetime | None = None,
    same_as: str | None = None,
) -> RawArticle | Problem:
    """The raw article of an entry, or the problem with it.

    Call it inside a transaction of the store. The transaction is committed before the send. A message of more than
    `max_bytes` would never be sent. `same_as` is the id of the article that this entry was before its address changed.
    """
    fetched_at = now or datetime.now(UTC)
    try:
        address_id = address_id_of(entry, store)
        # Validate before the store is changed: an invalid record must not get a revision.
        hashes = (content_hash(entry), earlier_content_hash(entry))
        article = make_raw_article(entry, address_id, Identified(1, hashes[0], (feed,) if feed else ()), fetched_at)
        problem = size_problem(entry, article, max_bytes)
        if problem is not None:
            return problem
    except ValidationError as error:
        return Problem(entry.source_id, entry.guid, ProblemKind.INVALID, describe(error))
    except ValueError as error:
        return Problem(entry.source_id, entry.guid, ProblemKind.INVALID, str(error))
    if same_as is not None:
        store.alias(address_id, same_as)
    article_id = settle_id(entry, store, address_id)
    replaces = store.replaced_by(article_id)
    identified = store.identify(article_id, hashes, feed, int(fetched_at.timestamp()))
    return make_raw_article(entry, article_id, identified, fetched_at, replaces)


def size_problem(entry: Entry, article: RawArticle, max_bytes: int) -> Problem | None:
    """The problem of an article whose message is too large. In JSON a control character takes six bytes."""
    if (len(entry.content) + len(entry.title or "")) * LARGEST_CHARACTER + ROOM < max_bytes:
        return None
    size = len(encode(article)) + ROOM
    if size <= max_bytes:
        return None
    reason = f"takes {size:,} bytes as a message; the limit is {max_bytes:,}"
    data = entry.content.encode("utf8", "replace")
    return Problem(entry.source_id, entry.guid, ProblemKind.TOO_LARGE, reason, data=data)


def address_id_of(entry: Entry, store: Store) -> str:
    """The id that the address of an entry gives: its URL, or its guid when several articles link to the URL.

    A URL that was shared once stays shared. ValueError when the URL is not a web address.
    """
    by_url = article_id_of(entry.source_id, entry.guid, entry.url)
    if entry.url is None:
        return by_url
    if entry.shares_url:
        store.share(by_url)
    is_shared = entry.shares_url or store.is_shared(by_url)
    return article_id_of(entry.source_id, entry.guid, None) if is_shared else by_url


def settle_id(entry: Entry, store: Store, address_id: str) -> str:
    """The id of the article. It is an earlier id when this entry has already been indexed under it.

    When two earlier ids turn out to be one article, the second one is replaced: its document and its place in a story
    go when this article is indexed.
    """
    article_id = store.resolve(address_id)
    earlier = earlier_article_id(entry.url)
    if earlier is None or earlier == article_id or not store.is_known(earlier):
        return article_id
    if not store.is_owner(earlier, entry.source_id, entry.guid, earlier_content_hash(entry)):
        return article_id
    if article_id == address_id and not store.is_known(address_id):
        store.alias(address_id, earlier)
        return earlier
    store.replace(earlier, article_id)
    return article_id
