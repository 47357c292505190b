"""Replays sources onto `articles.raw`: identify, commit, send, and a ledger line only after the broker's ack."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from schemas.article import RawArticle
from schemas.topics import DEAD, RAW
from services.common.messages import REVISION_HEADER, encode
from services.common.producer import Delivered, SafeProducer
from services.producer.articles import to_raw_article
from services.producer.quarantine import is_kept, quarantine, quarantine_letter
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem, Source
from services.producer.store import LedgerLine, Store
from services.producer.timeline import by_time

BATCH = 256
"""Articles identified in one transaction before they are sent."""
PACED_BATCH_SECONDS = 0.1


@dataclass(slots=True)
class Replayed:
    """What a replay did: the confirmed revision of each article, and every item that gave none.

    `skipped` items were confirmed before an earlier run of the same replay was cut off.
    """

    sent: int = 0
    skipped: int = 0
    revisions: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Replayer:
    """Sends entries; `on_progress(done, at)` is called as items are read, with the time they happened at where known.

    `checkpoint` names the replay, so that one that is cut off goes on where it stopped; without a name it starts anew.
    """

    settings: ProducerSettings
    store: Store
    producer: SafeProducer
    on_progress: Callable[[int, datetime | None], None] = lambda _, __: None
    checkpoint: str | None = None
    result: Replayed = field(default_factory=Replayed)
    _confirmed: list[LedgerLine] = field(default_factory=list)
    _read: int = 0
    _position: int = 0

    def replay(
        self, sources: Iterable[Source], rate: float | None = None, loops: int = 1, speed: float | None = None
    ) -> Replayed:
        """Every entry, `loops` times; DeliveryError when Kafka fails.

        At most `rate` articles a second, or `speed` times as fast as they happened, oldest first.
        """
        sources = list(sources)
        items = (item for _ in range(loops) for source in sources for item in source.entries())
        try:
            if speed is None:
                self._replay_at_rate(items, rate)
            else:
                self._replay_by_time(items, speed)
            self.producer.flush()
            self._position = self._read
        finally:
            self._write_ledger()
        if self.checkpoint is not None:
            with self.store.transaction():
                self.store.drop_checkpoint(self.checkpoint)
        return self.result

    def _skip(self, items: Iterator[object]) -> None:
        """Leave out what was confirmed before."""
        done = self.store.checkpoint(self.checkpoint) if self.checkpoint is not None else 0
        self.result.skipped = sum(1 for _ in islice(items, done))
        self._read = self._position = self.result.skipped
        if self.result.skipped:
            self.on_progress(self.result.skipped, None)

    def _replay_at_rate(self, items: Iterator[Entry | Problem], rate: float | None) -> None:
        self._skip(items)
        pace = Pace(rate)
        size = BATCH if rate is None else max(1, min(BATCH, int(rate * PACED_BATCH_SECONDS)))
        while batch := list(islice(items, size)):
            self._send(batch)
            self.on_progress(len(batch), None)
            pace.wait(len(batch))

    def _replay_by_time(self, items: Iterator[Entry | Problem], speed: float) -> None:
        with by_time(items, self.settings.home) as timeline:
            self._skip(timeline)
            clock = Clock(speed)
            batch: list[Entry | Problem] = []
            for timed in timeline:
                if batch and (len(batch) >= BATCH or clock.seconds_until(timed.at) > 0):
                    self._send(batch)
                    batch = []
                clock.wait(timed.at)
                batch.append(timed.item)
                self.on_progress(1, timed.at)
            if batch:
                self._send(batch)

    def _send(self, batch: list[Entry | Problem]) -> None:
        with self.store.transaction():
            made = [to_raw_article(item, self.store) if isinstance(item, Entry) else item for item in batch]
        self.result.notes.update(item.note for item in batch if isinstance(item, Entry) and item.note)
        topic = self.settings.topic(RAW)
        for article in made:
            self._read += 1
            if isinstance(article, Problem):
                self._keep(article)
                continue
            headers = [(REVISION_HEADER, str(article.revision).encode())]
            self.producer.send(topic, article.article_id.encode(), encode(article), headers, self._on_ack(article))
        self.producer.settle(leave_open=10**9)
        self._write_ledger()

    def _on_ack(self, article: RawArticle) -> Callable[[Delivered], None]:
        """Only what the ledger needs is kept while the send is open, not the article.

        Sends are confirmed in their order, so everything up to this item is done with it.
        """
        identity = (article.article_id, article.guid, article.source_id, article.revision, article.content_hash)
        position = self._read

        def confirm(delivered: Delivered) -> None:
            self._confirmed.append(LedgerLine(*identity, delivered.topic, delivered.partition, delivered.offset))
            self._position = position
            self.result.sent += 1
            self.result.revisions[identity[0]] = max(identity[3], self.result.revisions.get(identity[0], 0))

        return confirm

    def _write_ledger(self) -> None:
        """Ledger lines and the place in the replay, together."""
        if self._confirmed:
            with self.store.transaction():
                self.store.append(self._confirmed)
                if self.checkpoint is not None:
                    self.store.save_checkpoint(self.checkpoint, self._position)
            self._confirmed.clear()

    def _keep(self, problem: Problem) -> None:
        """Remember a problem; what is too large or undecodable goes to quarantine, with a dead letter that names it."""
        self.result.problems.append(problem)
        if not is_kept(problem):
            return
        kept = quarantine(problem, self.settings.quarantine_folder)
        letter = quarantine_letter(problem, kept, self.settings.topic(RAW))
        self.producer.send(self.settings.topic(DEAD), letter.letter_id.encode(), encode(letter))


@dataclass(slots=True)
class Pace:
    """Keeps an average rate; time lost to a slow broker is made up for by a burst of at most a second."""

    rate: float | None
    _next: float = field(default_factory=time.monotonic)

    def wait(self, count: int) -> None:
        """Sleep until `count` more are due."""
        if self.rate is None:
            return
        now = time.monotonic()
        self._next = max(self._next, now - 1.0) + count / self.rate
        if self._next > now:
            time.sleep(self._next - now)


@dataclass(slots=True)
class Clock:
    """Time as it passed, `speed` times as fast; it starts with the first time that is asked for."""

    speed: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _first: datetime | None = None
    _started: float = 0.0

    def seconds_until(self, at: datetime | None) -> float:
        """Seconds from now, of real time; zero or less for what is due, or has no time."""
        if at is None:
            return 0.0
        if self._first is None:
            self._first, self._started = at, self.now()
        return self._started + (at - self._first).total_seconds() / self.speed - self.now()

    def wait(self, at: datetime | None) -> None:
        """Sleep until it is due."""
        seconds = self.seconds_until(at)
        if seconds > 0:
            self.sleep(seconds)


def name_of(places: Iterable[str], options: object) -> str:
    """A name for a replay: the same paths with the same content, replayed in the same way, have the same.

    A changed file is another replay: a place in the old one would mean nothing in it.
    """
    signatures = [_signature(Path(place)) if "://" not in place else place for place in places]
    return hashlib.sha256(json.dumps([signatures, options], default=str, sort_keys=True).encode()).hexdigest()


def _signature(path: Path) -> list[object]:
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    stats = [(str(one), one.stat()) for one in files]
    return [str(path.absolute()), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]]


def count_items(sources: Iterable[Source], loops: int) -> int | None:
    """How many items a replay will read, None where a source cannot tell."""
    totals = [source.total for source in sources]
    return None if any(total is None for total in totals) else sum(filter(None, totals)) * loops


def iterate_problems(result: Replayed) -> Iterator[str]:
    """A sentence for each item that gave no article."""
    for problem in result.problems:
        yield f"{problem.source_id}/{problem.guid} {problem.reason}"
