"""Replays sources onto `articles.raw`: identify, commit, send. The ledger line follows the broker's acknowledgement."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from schemas.article import RawArticle
from services.common.messages import encode
from services.common.producer import SafeProducer
from services.producer.ledger.articles import to_raw_article
from services.producer.ledger.kept import OutboxLine
from services.producer.ledger.quarantine import is_kept, quarantine_letter
from services.producer.ledger.sender import NO_PLACE, Confirmed, LedgerSender
from services.producer.ledger.store import Store
from services.producer.replay.origin import ReplayOrigin, items_of
from services.producer.replay.pace import Clock, Pace
from services.producer.replay.timeline import by_time
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem, Source

BATCH = 256
"""Number of articles that are identified in one transaction before they are sent."""
PACED_BATCH_SECONDS = 0.1


@dataclass(slots=True)
class Replayed:
    """The result of a replay: the confirmed revision of each article, and every item that is not an article.

    `skipped` counts items that an earlier, interrupted run of the same replay has confirmed.
    """

    sent: int = 0
    skipped: int = 0
    revisions: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Replayer:
    """Sends entries. `on_progress(done, at)` is called as items are read, with their original time if known.

    With an `origin`, an interrupted replay continues where it stopped, and each ledger line notes the position of its
    item in the files. Without one it starts from the beginning, and what it sends is kept until it is indexed.
    """

    settings: ProducerSettings
    store: Store
    producer: SafeProducer
    on_progress: Callable[[int, datetime | None], None] = lambda _, __: None
    origin: ReplayOrigin | None = None
    result: Replayed = field(default_factory=Replayed)
    checkpoint: str | None = field(init=False, default=None)
    _sender: LedgerSender = field(init=False)
    _read: int = 0

    def __post_init__(self) -> None:
        if self.origin is not None:
            self.checkpoint = self.origin.name()
        self._sender = LedgerSender(self.settings, self.producer, self.checkpoint or NO_PLACE)

    def replay(
        self, sources: Iterable[Source], rate: float | None = None, loops: int = 1, speed: float | None = None
    ) -> Replayed:
        """Send every entry `loops` times. DeliveryError when Kafka fails.

        Sends at most `rate` articles per second, or oldest first and `speed` times as fast as the original time.
        """
        items = items_of(sources, loops)
        if self.origin is not None and self.checkpoint is not None:
            with self.store.transaction():
                self.store.note_replay(self.checkpoint, self.origin.model_dump_json())
        try:
            if speed is None:
                self._replay_at_rate(items, rate)
            else:
                self._replay_by_time(items, speed)
            self.producer.flush()
        finally:
            self._write_ledger()
        if self.checkpoint is not None:
            with self.store.transaction():
                self.store.drop_checkpoint(self.checkpoint)
        return self.result

    def _skip(self, items: Iterator[object]) -> None:
        """Skip the items that were confirmed before."""
        done = self.store.checkpoint(self.checkpoint) if self.checkpoint is not None else 0
        self.result.skipped = sum(1 for _ in islice(items, done))
        self._read = self.result.skipped
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
            limit = self.settings.max_raw_bytes
            made = [to_raw_article(item, self.store, limit) if isinstance(item, Entry) else item for item in batch]
            if self.origin is None:
                lines = (to_line(article, 0) for article in made if isinstance(article, RawArticle))
                self.store.kept.add(lines, int(time.time()))
        self.result.notes.update(item.note for item in batch if isinstance(item, Entry) and item.note)
        for article in made:
            self._read += 1
            if not isinstance(article, Problem):
                self._sender.send(to_line(article, self._read))
                continue
            self.result.problems.append(article)
            if is_kept(article):
                letter = quarantine_letter(article, self.settings)
                self._sender.send(letter_line(letter.letter_id, encode(letter), self._read))
        self._sender.settle()
        self._write_ledger()

    def _write_ledger(self) -> None:
        """Write ledger lines and the checkpoint in one transaction.

        Kafka confirms sends in order, so everything up to the last confirmed item is done.
        """
        for confirmed in self._sender.record(self.store, self._save_place):
            line = confirmed.line
            if not line.is_letter:
                self.result.sent += 1
                known = self.result.revisions.get(line.article_id, 0)
                self.result.revisions[line.article_id] = max(line.revision, known)

    def _save_place(self, store: Store, confirmed: Sequence[Confirmed]) -> None:
        if self.checkpoint is not None:
            store.save_checkpoint(self.checkpoint, confirmed[-1].line.line)


def to_line(article: RawArticle, position: int) -> OutboxLine:
    """An article as a line to send. `position` is its place in the replay."""
    identity = (article.article_id, article.guid, article.source_id, article.revision, article.content_hash)
    return OutboxLine(position, *identity, message=encode(article))


def letter_line(letter_id: str, message: bytes, position: int) -> OutboxLine:
    """A dead letter as a line to send."""
    return OutboxLine(position, letter_id, guid="", source_id="", revision=0, content_hash="", message=message)


def count_items(sources: Iterable[Source], loops: int) -> int | None:
    """The number of items that a replay will read. None when a source does not know its number."""
    totals = [source.total for source in sources]
    return None if any(total is None for total in totals) else sum(filter(None, totals)) * loops


def iterate_problems(result: Replayed) -> Iterator[str]:
    """A sentence for each item that is not an article."""
    for problem in result.problems:
        yield f"{problem.source_id}/{problem.guid} {problem.reason}"
