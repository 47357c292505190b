"""Operations of the feed commands: list feeds with their state, add feeds to the file, preview a feed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.comments import CommentedSeq

from schemas.feed import Feed, FeedsFile, FeedType
from services.common.messages import describe
from services.producer.feeds import schedule
from services.producer.feeds.collect import feed_condition
from services.producer.feeds.discovery import FoundFeed
from services.producer.feeds.file import add_feed, edit_feeds, free_id
from services.producer.feeds.lists import with_children
from services.producer.feeds.pages import make_item, wants_pages
from services.producer.feeds.state import FeedState, parse_states, to_time
from services.producer.identity import host_name
from services.producer.ledger.store import Store
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem
from services.producer.sources.document_file import with_text
from services.producer.sources.documents import Child

WEEK_SECONDS = 7 * 86400


@contextmanager
def _open_store(settings: ProducerSettings) -> Iterator[Store | None]:
    """The producer's store. None when nothing was collected yet."""
    if not settings.store_file.exists():
        yield None
        return
    with closing(Store(settings.store_file)) as store:
        yield store


def read_states(settings: ProducerSettings) -> dict[str, FeedState]:
    """The state of each feed in the producer's store, by feed id. Empty when nothing was collected yet."""
    with _open_store(settings) as store:
        return parse_states(store.feed_states()) if store is not None else {}


def feed_rows(settings: ProducerSettings, file: FeedsFile) -> list[dict[str, Any]]:
    """One row for each feed with its state, including the feeds of OPML lists."""
    now = time.time()
    rows = []
    with _open_store(settings) as store:
        states = parse_states(store.feed_states()) if store is not None else {}
        for feed in with_children(file, states):
            week = store.count_first_seen(feed.id, int(now - WEEK_SECONDS)) if store is not None else 0
            rows.append(_to_row(feed, states.get(feed.id, FeedState()), week, now))
    return rows


def _to_row(feed: Feed, state: FeedState, week: int, now: float) -> dict[str, Any]:
    """The row of one feed. `week` is the number of entries that were first seen in the last seven days."""
    return {
        "id": feed.id,
        "place": feed.place,
        "state": feed_condition(feed, state, now),
        "format": state.format,
        "title": state.title,
        "interval": feed.interval,
        "learned_interval_seconds": round(state.interval_seconds),
        "last_poll_at": to_time(state.last_poll_at),
        "last_success_at": to_time(state.last_success_at),
        "next_poll_at": None if feed.paused else to_time(state.next_poll_at or None),
        "last_new_at": to_time(state.last_new_at),
        "silent_since": to_time(schedule.silent_since(state, now)),
        "entries_a_day": round(week / 7, 1),
        "error_streak": state.error_streak,
        "failure": state.failure,
        "error": state.error,
        "moved_to": state.moved_to,
        "notes": list(state.notes),
        "tags": list(feed.tags),
    }


def append_feeds(settings: ProducerSettings, feeds: Iterable[Feed]) -> None:
    """Add feeds to the feeds file. FeedsFileError or OSError says why that failed."""

    def change(listed: CommentedSeq) -> None:
        for feed in feeds:
            add_feed(listed, feed)

    edit_feeds(settings.feeds, change)


def feeds_to_add(
    found: Sequence[FoundFeed], feed_id: str | None, known: Iterable[Feed], options: Mapping[str, Any]
) -> list[Feed]:
    """Make a feed for each found address that the file does not have yet. The first one gets the id `feed_id`.

    ValidationError when an option is wrong.
    """
    listed = list(known)
    urls, taken = {feed.url for feed in listed}, {feed.id for feed in listed}
    stated = {name: value for name, value in options.items() if value is not None}
    feeds: list[Feed] = []
    for candidate in found:
        if candidate.url in urls:
            continue
        name = feed_id if feed_id and not feeds else free_id(feed_id or host_name(candidate.url), taken)
        kind = {"type": FeedType.OPML} if candidate.parsed.type is FeedType.OPML else {}
        feeds.append(Feed(id=name, url=candidate.url.replace("${", "%24%7B"), **kind, **stated))
        taken.add(name)
    return feeds


@dataclass(slots=True)
class Import:
    """The new feeds of a list, and a sentence for each child that is not a valid feed."""

    feeds: list[Feed] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def feeds_to_import(children: Iterable[Child], tags: Sequence[str], known: Iterable[Feed]) -> Import:
    """Make a feed for each child of an OPML document that the file does not have yet. Folders become tags."""
    listed = list(known)
    urls, taken = {feed.url for feed in listed}, {feed.id for feed in listed}
    made = Import()
    for child in children:
        if child.url in urls:
            continue
        name = free_id(child.title or host_name(child.url), taken)
        labels = tuple(dict.fromkeys((*tags, *child.tags)))
        try:
            feed = Feed(id=name, url=child.url, source=child.title, language=child.language, tags=labels)
        except ValidationError as error:
            made.problems.append(f"{child.url}: {describe(error)}")
            continue
        made.feeds.append(feed)
        taken.add(name)
        urls.add(child.url)
    return made


def as_collected(feed: Feed, item: Entry | Problem) -> Entry | Problem:
    """The item as the collector would store it."""
    taken = make_item(feed, item).entry
    return taken if wants_pages(feed, feed.type or _type_of(item)) else with_text(taken)


def _type_of(item: Entry | Problem) -> FeedType:
    """SITEMAP when the entry has no text of its own. The collector would fetch its page."""
    is_bare = isinstance(item, Entry) and not item.content and item.guid == item.url
    return FeedType.SITEMAP if is_bare else FeedType.FEED
