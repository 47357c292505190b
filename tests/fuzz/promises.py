"""What every reader promises about its results."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from schemas.article import RawArticle
from services.common.messages import decode, encode
from services.producer.identity import article_id_of
from services.producer.ledger.articles import make_raw_article
from services.producer.ledger.store import Identified
from services.producer.sources.base import Entry, Problem
from services.producer.sources.document_file import with_text
from services.producer.sources.documents import Child, Parsed, entry_hash

NOW: Final = datetime(2026, 3, 5, 12, tzinfo=UTC)
MAX_NAME: Final = 2000
"""Largest number of characters in the name of a problem."""


class BrokenPromiseError(AssertionError):
    """A result that a reader must never give."""


IDENTIFIED = Identified(1, "0" * 64, ())


def demand(is_kept: bool, promise: str) -> None:  # noqa: FBT001 - it reads like an assertion
    """BrokenPromiseError unless the promise is kept. Unlike `assert` it is a fault of its own kind."""
    if not is_kept:
        raise BrokenPromiseError(promise)


def check_text(text: str, what: str) -> None:
    """A text must be valid Unicode, because the store, the log and the terminal encode it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BrokenPromiseError(f"{what} is not valid Unicode") from error


def check_parsed(parsed: Parsed) -> None:
    """A document has a format, its texts are valid, its children have addresses, and its items are checked."""
    demand(bool(parsed.format), "a document has a format")
    for text in filter(None, (parsed.format, parsed.title, parsed.language, *parsed.notes)):
        check_text(text, "a text of the document")
    demand(parsed.ttl_seconds is None or parsed.ttl_seconds > 0, "a ttl is positive")
    for child in parsed.children:
        check_child(child)
    check_items([with_text(item) if parsed.format != "sitemap" else item for item in parsed.items])


def check_child(child: Child) -> None:
    """A child has the address of a web page and valid texts."""
    check_address(child.url)
    for text in filter(None, (child.title, child.language, *child.tags)):
        check_text(text, "a text of a child")
    check_time(child.changed_at)


def check_address(url: str) -> None:
    """An address begins with http or https and has a host."""
    demand(
        urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname), f"an address is of the web: {url}"
    )


def check_time(at: datetime | None) -> None:
    """A time has a zone."""
    demand(at is None or at.utcoffset() is not None, "a time has a zone")


def check_items(items: Iterable[Entry | Problem]) -> None:
    """Every item is a good entry or a problem with a name and a reason."""
    for item in items:
        if isinstance(item, Problem):
            check_problem(item)
        else:
            check_entry(item)


def check_problem(problem: Problem) -> None:
    """A problem has a name and a reason, and both can be stored."""
    demand(bool(problem.reason and problem.source_id), "a problem has a reason and a source")
    demand(len(problem.guid) <= MAX_NAME, "the name of a problem is short")
    for text in (problem.source_id, problem.guid, problem.reason, problem.kept_at or ""):
        check_text(text, "a text of a problem")


def check_entry(entry: Entry) -> None:
    """An entry can be stored, and it is an article that survives its way over Kafka, or the ledger refuses it."""
    demand(bool(entry.guid), "an entry has a guid")
    check_text(entry.guid, "a guid")
    check_time(entry.happened_at)
    demand(len(entry_hash(entry)) == 64, "an entry has a hash")
    try:
        article = make_raw_article(entry, article_id_of(entry.source_id, entry.guid, entry.url), IDENTIFIED, NOW)
    except ValueError as error:
        check_text(str(error), "the reason of a refusal")
        return
    demand(decode(RawArticle, encode(article)) == article, "an article survives its encoding")
    demand(article.published_at is None or article.published_at.utcoffset() == timedelta(0), "a time is in UTC")
