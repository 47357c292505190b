"""One poll of one feed: fetch or read it, parse it, fetch missing pages, and hand everything to the writer."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from schemas.feed import Feed, FeedType
from services.common.logging import get_logger
from services.producer.feeds import schedule
from services.producer.feeds.file import expand
from services.producer.feeds.metrics import CHANGED, OVERRUNS, POLL_SECONDS, POLLS, UNCHANGED
from services.producer.feeds.pages import Look, PageReader, chunks, make_item, missing_pages, wants_pages
from services.producer.feeds.state import ChildFeed, FeedState
from services.producer.fetch.client import NO_VALIDATORS, Client, Failure, Fetched, FetchError, Validators
from services.producer.fetch.hosts import host_of
from services.producer.fetch.robots import Robots
from services.producer.identity import host_name
from services.producer.ledger.jobs import Counted, Item, ItemOutcome, Job, summarize
from services.producer.ledger.writer import OutboxWriter
from services.producer.settings import ProducerSettings
from services.producer.sources import SourceError, SourceOptions, open_source
from services.producer.sources.base import Entry, Problem, Source
from services.producer.sources.document_file import with_text
from services.producer.sources.documents import Document, NotThisFormatError, Parsed, scrub
from services.producer.sources.formats import parse_document
from services.producer.sources.page import article_text, page_title
from services.producer.sources.topic import TopicSource
from services.producer.sources.wall import find_wall

PAGE_CHUNK: Final = 16
"""Number of pages that are fetched and written together."""
CHUNK: Final = 256
"""Number of items of a file that are written together. It limits the memory and the work that a kill repeats."""
MAX_PARTS: Final = 30
"""Maximum number of parts of a sitemap index that one poll fetches. The last changed parts come first."""
MAX_DEPTH: Final = 3
"""How deep a sitemap index may lie inside other ones."""
TOPIC_MESSAGES: Final = 5000
UNCONDITIONAL_EVERY: Final = 20
"""One poll in this many asks for the whole document. Some servers always answer that nothing changed."""
NOTHING_TO_ASK_WITH: Final[dict[str, object]] = {"etag": None, "last_modified": None, "body_hash": None}
CHANGE_SLACK_SECONDS: Final = 2.0
log = get_logger(__name__)


@dataclass(slots=True)
class Gathered:
    """What a poll has collected so far."""

    items: list[Item] = field(default_factory=list)
    counts: Counted = field(default_factory=Counted)
    entries: int = 0
    updates: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    hint_seconds: int | None = None
    cut_off: str | None = None
    changed: bool = True
    more: bool = False


@dataclass(slots=True)
class Poller:
    """Polls feeds. One poller serves all feeds. Paths of feeds are relative to the folder `base`."""

    settings: ProducerSettings
    client: Client
    robots: Robots
    writer: OutboxWriter
    look: Look
    base: Path
    parsing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="parse"))
    reading: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="read"))
    jitter: Callable[[], float] = random.random
    pages: PageReader = field(init=False)

    def __post_init__(self) -> None:
        self.pages = PageReader(self.settings, self._get, self.look, self.parsing)

    async def poll(self, feed: Feed, state: FeedState) -> FeedState:
        """Poll a feed and return its new state. Everything from the poll is durable by then.

        Raises only when the writer has ended.
        """
        started = time.monotonic()
        if state.place != feed.place:
            state = FeedState(place=feed.place, gaps=state.gaps, last_new_at=state.last_new_at, rate=state.rate)
        try:
            gathered = await self._gather(feed, state)
            after, outcome = await self._conclude(feed, state, gathered)
        except FetchError as error:
            after, outcome = await self._fail(feed, state, error)
        except Exception as error:
            if self.writer.failed is not None:
                raise
            log.exception("a poll failed", feed=feed.id)
            bug = FetchError(Failure.BUG, f"{type(error).__name__}: {error}"[:300])
            after, outcome = await self._fail(feed, state, bug)
        POLLS.labels(outcome).inc()
        POLL_SECONDS.observe(time.monotonic() - started)
        return after

    async def _gather(self, feed: Feed, state: FeedState) -> Gathered:
        if feed.path is not None or feed.type is FeedType.TOPIC or (feed.url or "").startswith("kafka://"):
            return await self._read_locally(feed, state)
        return await self._fetch(feed, state)

    # --- over HTTP ----------------------------------------------------------------------------------------------------

    async def _fetch(self, feed: Feed, state: FeedState) -> Gathered:
        url, headers = addresses(feed)
        asked = state.moved_to or url
        is_doubtful = state.polls % UNCONDITIONAL_EVERY == 0
        validators = NO_VALIDATORS if is_doubtful else state.validators
        fetched = await self._get(feed, asked, validators, headers if host_of(asked) == host_of(url) else {})
        gathered = Gathered(hint_seconds=fetched.fresh_seconds, cut_off=fetched.cut_off)
        if fetched.moved_to is not None and url == feed.url:  # otherwise the state would contain a secret from the URL
            gathered.updates["moved_to"] = fetched.moved_to
        document = fetched.document
        if document is not None and fetched.cut_off is not None and document.is_ended:
            # The whole document is here: the server only ends its answers wrongly, and will do so at every poll.
            fetched = replace(fetched, cut_off=None)
            gathered.cut_off = None
            gathered.notes.append("the server ends its answer wrongly; the document is whole")
        if gathered.cut_off is not None and fetched.body_hash == state.cut_hash:
            gathered.changed, gathered.entries, gathered.cut_off = False, state.entries, None
            return gathered
        gathered.updates["cut_hash"] = fetched.body_hash if gathered.cut_off is not None else None
        gathered.notes += [f"{gathered.cut_off}; what came before was taken"] if gathered.cut_off else []
        if document is None or (fetched.body_hash == state.body_hash and fetched.cut_off is None):
            gathered.changed = False
            gathered.entries = state.entries
            return gathered
        if url != feed.url:
            document = replace(document, url=feed.url or "")
        try:
            parsed = await self._parse(feed, document)
            require_expected(feed, state, parsed)
        except FetchError:
            require_whole(fetched)
            raise
        if parsed.type is FeedType.OPML or parsed.children:
            require_whole(fetched)  # an incomplete list would remove the feeds of its missing part
        gathered.updates |= {
            "format": parsed.format,
            "title": parsed.title,
            "etag": fetched.validators.etag,
            "last_modified": fetched.validators.last_modified,
            "body_hash": fetched.body_hash,
        }
        gathered.hint_seconds = max(filter(None, (fetched.fresh_seconds, parsed.ttl_seconds)), default=None)
        gathered.notes += parsed.notes
        if parsed.type is FeedType.OPML:
            gathered.updates["children"] = to_children(parsed)
            gathered.entries = len(parsed.children)
        elif parsed.children:
            await self._fetch_parts(feed, state, parsed, headers, gathered)
        items = parsed.items[:-1] if fetched.cut_off and len(parsed.items) > 1 else parsed.items
        await self._take(feed, items, parsed, gathered)
        return gathered

    async def _get(self, feed: Feed, url: str, validators: Validators, headers: dict[str, str]) -> Fetched:
        check = self.robots.check if feed.respect_robots else None
        return await self.client.fetch(url, validators, headers, check)

    async def _parse(self, feed: Feed, document: Document) -> Parsed:
        loop = asyncio.get_running_loop()
        source = feed.source or host_name(document.url)
        try:
            return await loop.run_in_executor(self.parsing, parse_document, document, source, datetime.now(UTC))
        except NotThisFormatError as error:
            raise FetchError(Failure.UNREADABLE, f"cannot be read as a feed: {error}") from error

    async def _fetch_parts(
        self, feed: Feed, state: FeedState, index: Parsed, headers: dict[str, str], gathered: Gathered
    ) -> None:
        """Fetch the parts of a sitemap index that changed, and the parts of an index inside it.

        The index says when a part changed. If it does not, the bytes of the part are compared.
        """
        parts: dict[str, str] = {}
        owner = host_of(addresses(feed)[0])
        waiting = deque((child, 1) for child in index.children)
        seen = {child.url for child in index.children}
        fetches = 0
        while waiting and fetches < MAX_PARTS:
            child, depth = waiting.popleft()
            own = headers if host_of(child.url) == owner else {}
            known, stated = state.parts.get(child.url), child.changed_at.isoformat() if child.changed_at else None
            if stated is None:
                # An index without dates stays the same when its parts change, so it must be read at every poll.
                gathered.updates |= NOTHING_TO_ASK_WITH
            fetches += 1
            if stated is not None and known == stated:
                parts[child.url] = stated
                continue
            try:
                fetched = require_whole(await self._get(feed, child.url, NO_VALIDATORS, own))
                if fetched.document is None or fetched.body_hash == known:
                    parts[child.url] = known or ""
                    continue
                parsed = await self._parse(feed, fetched.document)
                require_expected(feed, state, parsed)
            except FetchError as error:
                gathered.notes.append(f"part {child.url}: {error.reason}"[:300])
                gathered.updates |= NOTHING_TO_ASK_WITH
                continue
            gathered.notes += parsed.notes
            if parsed.children and depth < MAX_DEPTH:
                # Nothing is kept for an index, so that its parts are looked at again at the next poll.
                new = [below for below in parsed.children if below.url not in seen]
                seen |= {below.url for below in new}
                waiting.extend((below, depth + 1) for below in new)
                gathered.updates |= NOTHING_TO_ASK_WITH
                continue
            if parsed.children:
                gathered.notes.append(f"part {child.url}: an index {depth} levels deep was left out"[:300])
            owed = gathered.counts.owed
            await self._take(feed, parsed.items, parsed, gathered)
            if gathered.counts.owed == owed:
                parts[child.url] = stated or fetched.body_hash or ""
        if waiting:
            gathered.notes.append(f"{len(waiting):,} older parts of the index were left out")
        gathered.updates["parts"] = parts

    async def _take(self, feed: Feed, found: Sequence[Entry | Problem], parsed: Parsed, gathered: Gathered) -> None:
        """Add entries with the values of the configuration. Fetch the pages of entries that need it."""
        gathered.entries += len(found)
        if parsed.type is FeedType.PAGE:
            require_article(found)
            loop, make_page = asyncio.get_running_loop(), partial(make_item, feed, is_page=True)
            items = [await loop.run_in_executor(self.parsing, make_page, item) for item in found]
        else:
            items = [make_item(feed, item) for item in found]
        if not wants_pages(feed, parsed.type):
            gathered.items += [replace(item, entry=with_text(item.entry)) for item in items]
            return
        ready, waiting = self.pages.split(feed, items)
        gathered.items += ready
        missing: Counter[str] = Counter()
        for chunk in chunks(waiting, PAGE_CHUNK):
            read = await self.pages.read(feed, chunk)
            missing += missing_pages(read)
            await self._write(feed, read, gathered)
        gathered.notes += [f"{count:,} × {reason}"[:300] for reason, count in missing.most_common(5)]

    # --- files and topics ---------------------------------------------------------------------------------------------

    async def _read_locally(self, feed: Feed, state: FeedState) -> Gathered:
        """Read a file, folder or topic in a thread and write its items in chunks."""
        loop = asyncio.get_running_loop()
        gathered = Gathered()
        started = time.time()
        try:
            source, signature = await loop.run_in_executor(self.reading, self._open, feed, state)
            if source is None:
                gathered.changed, gathered.entries = False, state.entries
                return gathered
            items = source.entries()
            while batch := await loop.run_in_executor(self.reading, lambda: list(islice(items, CHUNK))):
                gathered.entries += len(batch)
                await self._write(feed, [make_item(feed, item) for item in batch], gathered)
        except SourceError as error:
            raise FetchError(Failure.UNREADABLE, str(error)) from error
        except OSError as error:
            raise FetchError(Failure.UNREADABLE, f"cannot be read: {error.strerror}") from error
        gathered.updates |= {
            "format": str(feed.type or type(source).__name__),
            "body_hash": signature,
            "read_at": started,
        }
        if isinstance(source, TopicSource):
            gathered.updates["offsets"] = source.offsets
            gathered.more = gathered.entries >= TOPIC_MESSAGES
        return gathered

    def _open(self, feed: Feed, state: FeedState) -> tuple[Source | TopicSource | None, str | None]:
        options = SourceOptions(
            feed.source,
            self.settings.max_article_bytes,
            feed.columns,
            self.settings.max_document_bytes,
            kafka=self.settings,
        )
        if feed.path is None:
            url, _ = addresses(feed)
            return TopicSource(url, options, state.offsets, TOPIC_MESSAGES), None
        path = self.base / feed.path
        if path.is_dir():
            # Changes are found by the times of the files. Some file systems report wrong times, so every
            # UNCONDITIONAL_EVERY polls all files are read.
            is_doubtful = state.read_at is None or state.polls % UNCONDITIONAL_EVERY == 0
            since = None if is_doubtful else (state.read_at or 0) - CHANGE_SLACK_SECONDS
            options = replace(options, changed_since=since)
            return open_source(path, options, feed.type), None
        signature = file_signature(path, feed)
        if signature is not None and signature == state.body_hash:
            return None, None
        return open_source(path, options, feed.type), signature

    # --- into the store -----------------------------------------------------------------------------------------------

    async def _write(self, feed: Feed, items: list[Item], gathered: Gathered) -> None:
        """Make these items durable before the poll ends."""
        counted = await asyncio.wrap_future(self.writer.submit(Job(feed.id, items)))
        gathered.counts += counted

    async def _conclude(self, feed: Feed, state: FeedState, gathered: Gathered) -> tuple[FeedState, str]:
        """Write the last items and the next state of the feed in one transaction."""
        end = Polled(feed, state, gathered, self.settings.retry_seconds, self.jitter())
        is_whole = gathered.changed and gathered.cut_off is None and feed.path is None
        last = await asyncio.wrap_future(self.writer.submit(Job(feed.id, gathered.items, end, is_whole=is_whole)))
        after = saved_state(last)
        if gathered.cut_off is not None:
            return after, Failure.CUT_OFF.value
        result = end.result(last)
        if schedule.is_overrun(state, result) and feed.path is None:
            OVERRUNS.inc()
            log.warning("nearly all entries are new, so others may have been missed", feed=feed.id, new=result.new)
        return after, CHANGED if gathered.changed else UNCHANGED

    async def _fail(self, feed: Feed, state: FeedState, error: FetchError) -> tuple[FeedState, str]:
        end = PollFailed(state, error, self.settings.retry_seconds, self.jitter())
        last = await asyncio.wrap_future(self.writer.submit(Job(feed.id, (), end)))
        return saved_state(last), error.failure.value


@dataclass(frozen=True, slots=True)
class Polled:
    """The end of a poll that got a document or a part of one. `jitter` in [0, 1) spreads the next poll."""

    feed: Feed
    state: FeedState
    gathered: Gathered
    retry_seconds: float
    jitter: float

    def result(self, last: Counted) -> schedule.PollResult:
        """The result of the whole poll, including its last items."""
        counted = self.gathered.counts + last
        new = counted.counts[ItemOutcome.NEW]
        return schedule.PollResult(self.gathered.entries, new, self.gathered.hint_seconds)

    def state_after(self, last: Counted, now: datetime) -> FeedState:
        """The feed's next state."""
        gathered, counted = self.gathered, self.gathered.counts + last
        updates = dict(gathered.updates)
        if gathered.changed:
            updates["notes"] = tuple(dict.fromkeys(map(scrub, (*gathered.notes, *summarize(counted.problems)))))[:10]
        if counted.owed or gathered.cut_off is not None:
            # Something is missing. Without validators the next poll gets the whole document again.
            updates |= NOTHING_TO_ASK_WITH
        known = self.state.model_copy(update=updates)
        if gathered.cut_off is not None:
            error = FetchError(Failure.CUT_OFF, gathered.cut_off)
            return schedule.after_failure(known, error, self.retry_seconds, now.timestamp(), self.jitter)
        after = schedule.after_success(known, self.result(last), self.feed.interval, now.timestamp(), self.jitter)
        return after.model_copy(update={"next_poll_at": now.timestamp()}) if gathered.more else after


@dataclass(frozen=True, slots=True)
class PollFailed:
    """The end of a poll that failed."""

    state: FeedState
    error: FetchError
    retry_seconds: float
    jitter: float

    def state_after(self, last: Counted, now: datetime) -> FeedState:  # noqa: ARG002 - a failed poll has no items
        """The feed's next state."""
        return schedule.after_failure(self.state, self.error, self.retry_seconds, now.timestamp(), self.jitter)


def saved_state(counted: Counted) -> FeedState:
    """The state of the feed that was saved with the last items of a poll."""
    if not isinstance(counted.state, FeedState):
        raise TypeError("the job has no end, so no state was saved")
    return counted.state


def addresses(feed: Feed) -> tuple[str, dict[str, str]]:
    """URL and headers with the values of the environment. FetchError names a variable that is not set."""
    try:
        return expand(feed.url or ""), {name: expand(value) for name, value in feed.headers.items()}
    except KeyError as error:
        raise FetchError(Failure.CONFIGURATION, f"the environment variable {error.args[0]} is not set") from error


def require_expected(feed: Feed, state: FeedState, parsed: Parsed) -> None:
    """FetchError when the answer is a web page instead of a feed. A consent page or error page is not an article."""
    if parsed.type is not FeedType.PAGE or feed.type is FeedType.PAGE:
        return
    if feed.type is not None or state.format not in (None, "page"):
        raise FetchError(Failure.UNREADABLE, "a web page came instead of a feed (set `type: page` if that is intended)")


def require_article(found: Sequence[Entry | Problem]) -> None:
    """FetchError when a page is a wall. It would replace the article that was there before."""
    for page in found:
        if isinstance(page, Entry):
            wall = find_wall(article_text(page.content), page_title(page.content), "")
            if wall is not None:
                raise FetchError(Failure.WALL, str(wall.value))


def require_whole(fetched: Fetched) -> Fetched:
    """The answer. FetchError when the connection broke before the end."""
    if fetched.cut_off is not None:
        raise FetchError(Failure.CUT_OFF, fetched.cut_off)
    return fetched


def to_children(parsed: Parsed) -> tuple[ChildFeed, ...]:
    """The feeds of an OPML list."""
    return tuple(
        ChildFeed(url=child.url, title=child.title, tags=child.tags, language=child.language)
        for child in parsed.children
    )


def file_signature(path: Path, feed: Feed) -> str | None:
    """A value that changes when the file or the way to read it changes. The file itself is not read."""
    try:
        stat = path.stat()
    except OSError:
        return None
    how = hashlib.sha256(f"{feed.columns!r} {feed.source} {feed.type}".encode()).hexdigest()[:16]
    return f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}-{how}"
