"""Polls all feeds until the producer stops. It keeps a heap of due times and runs a task for each poll.

The feeds file is read again when it changes.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Gauge

from schemas.feed import Feed
from services.common.logging import get_logger
from services.producer.feeds import schedule
from services.producer.feeds.file import FeedsFileError, load_feeds, missing_variables
from services.producer.feeds.lists import with_children
from services.producer.feeds.metrics import FAILING, FEEDS, FILE_VALID, LATE_SECONDS, PAUSED, SILENT
from services.producer.feeds.poll import Poller
from services.producer.feeds.state import FeedState
from services.producer.feeds.watch import FILE_CHECK_SECONDS, FolderWatch, file_mark
from services.producer.ledger.writer import OutboxWriter
from services.producer.settings import ProducerSettings

GAUGES_SECONDS: Final = 5.0
FULL_WAIT_SECONDS: Final = 1.0
UNWRITTEN_SECONDS: Final = 60.0
MAX_TASKS: Final = 10_000
"""Maximum number of polls that run or wait for their turn at a host. Other due feeds wait in the heap."""
log = get_logger(__name__)


@dataclass(slots=True)
class Collector:
    """The feeds of one file. `states` are loaded from the store and kept up to date by the polls."""

    settings: ProducerSettings
    poller: Poller
    writer: OutboxWriter
    states: dict[str, FeedState]
    feeds: dict[str, Feed] = field(default_factory=dict)
    file_error: FeedsFileError | None = None
    _heap: list[tuple[float, str]] = field(default_factory=list)
    _due_at: dict[str, float] = field(default_factory=dict)
    """When each feed is due. Heap entries that differ from this are out of date."""
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _again: set[str] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _file_mark: tuple[int, int] | None = None
    _folders: FolderWatch = field(init=False)

    def __post_init__(self) -> None:
        self._folders = FolderWatch(self.poller.base, self._listed, self.poller.reading, self.poll_now)

    async def run(self, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set, then cancel the polls that still run. RuntimeError when the writer has ended."""
        self.reload()
        helpers = [asyncio.create_task(task) for task in (self._watch_file(), self._folders.run(), self._publish())]
        stopper = asyncio.create_task(stopping.wait())
        try:
            while not stopping.is_set():
                self._start_due()
                wake = asyncio.create_task(self._wake.wait())
                await asyncio.wait({stopper, wake}, timeout=self._pause(), return_when=asyncio.FIRST_COMPLETED)
                wake.cancel()
                self._wake.clear()
                if self.writer.failed is not None:
                    raise RuntimeError("the writer has ended") from self.writer.failed
        finally:
            stopper.cancel()
            await self._end(helpers)

    def _listed(self) -> Iterable[Feed]:
        return self.feeds.values()

    async def _end(self, helpers: list[asyncio.Task[None]]) -> None:
        tasks = [*helpers, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the feeds file -----------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Read the feeds file. While the file has errors, the feeds of the last valid file continue."""
        self._file_mark = file_mark(self.settings.feeds)
        if self._file_mark is None and not self.feeds:
            log.info("there is no feeds file yet", path=str(self.settings.feeds))
            return
        try:
            loaded = load_feeds(self.settings.feeds)
        except FeedsFileError as error:
            self.file_error = error
            FILE_VALID.set(0)
            problems = str(error)[:2000]
            log.error("the feeds file has errors; the feeds of the last valid file continue", problems=problems)  # noqa: TRY400 - not a bug
            return
        self.file_error = None
        self._take_over({feed.id: feed for feed in with_children(loaded, self.states)})

    def _take_over(self, wanted: dict[str, Feed]) -> None:
        for feed in wanted.values():
            if feed.paused or feed == self.feeds.get(feed.id):
                continue
            state = self.states.get(feed.id, FeedState())
            known = self.feeds.get(feed.id)
            # An edited or moved feed is polled now. A feed that is only new to this process keeps its due time.
            is_edited = known is not None or state.place != feed.place
            self._schedule(feed.id, time.time() if is_edited else state.next_poll_at)
            for name in missing_variables(feed):
                log.warning("an environment variable is not set", feed=feed.id, variable=name)
        self.feeds = wanted
        FILE_VALID.set(1)
        self._wake.set()

    async def _watch_file(self) -> None:
        while True:
            await asyncio.sleep(FILE_CHECK_SECONDS)
            if file_mark(self.settings.feeds) != self._file_mark:
                self.reload()

    # --- polls --------------------------------------------------------------------------------------------------------

    def poll_now(self, feed_id: str) -> None:
        """Poll a feed as soon as possible: now, or after the poll that runs at the moment."""
        if feed_id in self._running:
            self._again.add(feed_id)
        else:
            self._schedule(feed_id, time.time())

    def _schedule(self, feed_id: str, at: float) -> None:
        """Set the only time at which a feed is due, in Unix seconds."""
        self._due_at[feed_id] = at
        heapq.heappush(self._heap, (at, feed_id))
        self._wake.set()

    def _next_due(self) -> float | None:
        """When the next feed is due. Removes outdated entries from the top of the heap."""
        while self._heap:
            at, feed_id = self._heap[0]
            if self._due_at.get(feed_id) == at and feed_id in self.feeds and feed_id not in self._running:
                return at
            heapq.heappop(self._heap)
        return None

    def _start_due(self) -> None:
        now = time.time()
        PAUSED.set(self.writer.is_full)
        while len(self._running) < MAX_TASKS and not self.writer.is_full:
            at = self._next_due()
            if at is None or at > now:
                return
            _, feed_id = heapq.heappop(self._heap)
            del self._due_at[feed_id]
            feed = self.feeds[feed_id]
            if not feed.paused:
                self._running[feed_id] = asyncio.create_task(self._poll(feed))

    def _pause(self) -> float:
        """Seconds until the next feed is due."""
        if self.writer.is_full:
            return FULL_WAIT_SECONDS
        at = self._next_due()
        if at is None or len(self._running) >= MAX_TASKS:
            return GAUGES_SECONDS
        return min(max(at - time.time(), 0.0), GAUGES_SECONDS)

    async def _poll(self, feed: Feed) -> None:
        state = self.states.get(feed.id, FeedState())
        next_at = time.time() + UNWRITTEN_SECONDS
        try:
            after = self.states[feed.id] = await self.poller.poll(feed, state)
            next_at = after.next_poll_at
            if after.children != state.children:
                self.reload()
        except Exception:
            # The store cannot be written, for example because the disk is full. Nothing of this poll was saved, so the
            # feed is polled again.
            log.exception("a poll could not be written", feed=feed.id)
        finally:
            self._running.pop(feed.id, None)
        # The feed was edited, or its folder changed, while the poll ran: poll again at once.
        is_edited = self.feeds.get(feed.id, feed) != feed
        self._schedule(feed.id, time.time() if is_edited or feed.id in self._again else next_at)
        self._again.discard(feed.id)

    # --- gauges -------------------------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        while True:
            self.publish(time.time())
            await asyncio.sleep(GAUGES_SECONDS)

    def publish(self, now: float) -> None:
        """Set the gauges of feeds. Only feeds that fail or are silent have a series of their own."""
        counts: Counter[str] = Counter(dict.fromkeys(("ok", "failing", "silent", "paused", "new"), 0))
        failing: dict[tuple[str, ...], float] = {}
        silent: dict[tuple[str, ...], float] = {}
        for feed in self.feeds.values():
            state = self.states.get(feed.id, FeedState())
            kind = feed_condition(feed, state, now)
            counts[kind] += 1
            if kind == "failing" and state.failure is not None:
                failing[feed.id, state.failure.value] = state.error_streak
            elif kind == "silent" and state.last_new_at is not None:
                silent[(feed.id,)] = now - state.last_new_at
        replace_series(FAILING, failing)
        replace_series(SILENT, silent)
        for kind, count in counts.items():
            FEEDS.labels(kind).set(count)
        # A feed that was never polled is due from the moment it was read from the file, so it can be late too.
        at = self._next_due()
        LATE_SECONDS.set(max(0.0, now - at) if at else 0.0)


def replace_series(gauge: Gauge, wanted: Mapping[tuple[str, ...], float]) -> None:
    """Give a gauge exactly these series. No wanted series is missing at any moment."""
    samples = [sample for family in gauge.collect() for sample in family.samples]
    for labels in {tuple(sample.labels.values()) for sample in samples} - wanted.keys():
        gauge.remove(*labels)
    for labels, value in wanted.items():
        gauge.labels(*labels).set(value)


def feed_condition(feed: Feed, state: FeedState, now: float) -> str:
    """One word for a feed: paused, failing, silent, new or ok."""
    if feed.paused:
        return "paused"
    if state.error_streak:
        return "failing"
    if schedule.silent_since(state, now) is not None:
        return "silent"
    return "ok" if state.last_success_at is not None else "new"
