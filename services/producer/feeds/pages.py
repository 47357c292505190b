"""Fetches the pages of entries when the feed does not contain the whole text."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from schemas.feed import Feed, FeedType
from services.producer.feeds import schedule
from services.producer.fetch.client import NO_VALIDATORS, Fetched, FetchError, Validators
from services.producer.ledger.earlier import earlier_entry_hash
from services.producer.ledger.jobs import Item
from services.producer.ledger.store import SeenEntry
from services.producer.ledger.writer import owes_look
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem
from services.producer.sources.document_file import with_text
from services.producer.sources.documents import Document, add_declared, entry_hash, words_of
from services.producer.sources.page import article_text, page_title, read_page
from services.producer.sources.wall import Wall, find_wall

WITHOUT_PAGE: Final = "without its page:"
LEAST_SHARE: Final = 0.8
"""A page whose text is shorter than this share of the feed's text does not replace it."""
Look = Callable[[str, str], SeenEntry | None]
"""Maps (feed id, guid) to what the store knows about the entry."""
Fetch = Callable[[Feed, str, Validators, dict[str, str]], Awaitable[Fetched]]
"""Maps (feed, URL, validators, headers) to an answer. FetchError says why there is no answer."""


@dataclass(frozen=True, slots=True)
class PageReader:
    """Adds the text of their pages to entries."""

    settings: ProducerSettings
    fetch: Fetch
    look: Look
    parsing: ThreadPoolExecutor

    def split(self, feed: Feed, items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
        """The items that need no page, with their text, and the items whose page must be fetched."""
        ready: list[Item] = []
        waiting: list[Item] = []
        for item in items:
            seen = self.look(feed.id, item.entry.guid)
            is_due = (
                isinstance(item.entry, Entry)
                and item.entry.url is not None
                and owes_look(seen, item.hash, item.earlier_hash)
            )
            (waiting if is_due else ready).append(item)
        return [replace(item, entry=with_text(item.entry)) for item in ready], waiting

    async def read(self, feed: Feed, items: Iterable[Item]) -> list[Item]:
        """The items with the text of their pages. All pages are fetched at the same time.

        An item whose page cannot be fetched keeps the text of the feed.
        """
        return list(await asyncio.gather(*(self._with_page(feed, item) for item in items)))

    async def _with_page(self, feed: Feed, item: Item) -> Item:
        entry = item.entry
        if not isinstance(entry, Entry) or entry.url is None:
            return item
        try:
            fetched = await self.fetch(feed, entry.url, NO_VALIDATORS, {})
        except FetchError as error:
            note = f"{WITHOUT_PAGE} {error.reason}"
            is_lasting = error.failure in schedule.HARD
            return replace(item, entry=with_text(replace(entry, note=note)), owes_page=not is_lasting)
        if fetched.document is None or fetched.cut_off is not None:
            return replace(item, entry=with_text(replace(entry, note=f"{WITHOUT_PAGE} cut off")), owes_page=True)
        loop = asyncio.get_running_loop()
        shown = await loop.run_in_executor(self.parsing, choose_text, entry, fetched.document)
        limit = self.settings.max_article_bytes
        if isinstance(shown, Wall):
            return replace(item, entry=with_text(replace(entry, note=f"{WITHOUT_PAGE} {shown}")), owes_page=True)
        if shown is None or len(shown.content.encode("utf8", "replace")) > limit:
            return replace(item, entry=with_text(entry))
        return replace(item, entry=with_page(entry, shown))


def choose_text(entry: Entry, document: Document) -> Entry | Wall | None:
    """The page of an entry if its text is better than that of the feed, or the wall in front of it, or None."""
    page = read_page(document, entry.source_id)
    if isinstance(page, Problem):
        return None
    text, words = article_text(page.content), words_of(entry.content)
    wall = find_wall(text, page_title(page.content), f"{entry.title or ''}\n{words}")
    if wall is not None:
        return wall
    return page if len(text) >= len(words) * LEAST_SHARE else None


def missing_pages(items: Iterable[Item]) -> Counter[str]:
    """Why pages are missing, with the number of pages for each reason."""
    notes = (item.entry.note for item in items if isinstance(item.entry, Entry))
    return Counter(note for note in notes if note and note.startswith(WITHOUT_PAGE))


def with_page(entry: Entry, page: Entry) -> Entry:
    """The entry with the text and languages of its page. Dates, authors and tags stay as the feed states them."""
    declared = page.declared.model_copy(
        update={
            "languages": (*entry.declared.languages, *page.declared.languages),
            "dates": entry.declared.dates,
            "authors": entry.declared.authors,
            "tags": entry.declared.tags,
        }
    )
    return replace(
        entry,
        content=page.content,
        content_type=page.content_type,
        declared=declared,
        declared_language=entry.declared_language or page.declared_language,
    )


def make_item(feed: Feed, item: Entry | Problem, *, is_page: bool = False) -> Item:
    """An item for the writer, with the tags and the language of the feed.

    The hash of a page covers the article text only, because the rest of a page changes at every visit.
    """
    if isinstance(item, Problem):
        return Item(item)
    entry = add_declared(item, feed.tags, feed.language)
    if not is_page:
        return Item(entry, entry_hash(entry), earlier_hash=earlier_entry_hash(entry))
    hashed = hashlib.sha256(article_text(entry.content).encode("utf8", "replace")).hexdigest()
    return Item(entry, hashed, earlier_hash=hashed)


def wants_pages(feed: Feed, kind: FeedType) -> bool:
    """Whether the page of each entry is fetched. The user decides with `full_text`.

    Without `full_text`, pages are fetched for sitemaps only, because sitemaps have no text.
    """
    return kind is FeedType.SITEMAP if feed.full_text is None else feed.full_text and kind is not FeedType.PAGE


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of at most `size` items."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
