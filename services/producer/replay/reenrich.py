"""Sends the raw articles that Kafka still keeps once more, so that the workers of today enrich them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from pydantic import BaseModel, ValidationError

from schemas.article import RawArticle
from schemas.topics import RAW
from services.common.messages import RejectedMessage, decode
from services.common.producer import SafeProducer
from services.common.records import make_reader, read_to
from services.producer.ledger.sender import LedgerSender
from services.producer.ledger.store import Store
from services.producer.replay.replayer import to_line
from services.producer.settings import ProducerSettings

STATE_FILE = "reenrich.json"
BATCH = 100
"""Messages after which Kafka confirms all, and the place is written down."""


class Run(BaseModel):
    """One run. `number` is the Unix second of its start, `ends` and `done` are offsets by partition.

    What is sent gets the number, so that dedup takes it for a newer enrichment of what it has.
    """

    number: int
    ends: dict[int, int]
    done: dict[int, int]

    def is_of(self, ends: Mapping[int, int]) -> bool:
        """Whether this run can go on in a topic with these ends. One that was made again has lower ones."""
        return self.ends.keys() <= ends.keys() and all(end <= ends[number] for number, end in self.ends.items())

    @property
    def left(self) -> int:
        """Messages that are still to be read, at most: some offsets of a topic have none."""
        return sum(max(0, end - self.done.get(partition, 0)) for partition, end in self.ends.items())


@dataclass(slots=True)
class Reenriched:
    """The revisions of what was sent, and how many messages are no current article: older, replaced or unreadable."""

    revisions: dict[str, int] = field(default_factory=dict)
    passed_over: int = 0


@dataclass(slots=True)
class Reenricher:
    """Reads `articles.raw` to the end that it has at the start. An interrupted run goes on where it stopped.

    `on_progress(left)` tells how many messages are left. DeliveryError or KafkaError when Kafka fails: nothing is lost.
    """

    settings: ProducerSettings
    store: Store
    producer: SafeProducer
    on_progress: Callable[[int], None] = lambda _: None
    result: Reenriched = field(default_factory=Reenriched)

    def run(self, *, restart: bool = False) -> Reenriched:
        """Send everything that is left."""
        consumer = make_reader(self.settings, self.settings.max_request_bytes)
        try:
            run = self._begin(consumer, restart=restart)
            self._send_all(consumer, run)
        finally:
            consumer.close()
        self._state.unlink(missing_ok=True)
        return self.result

    @property
    def _state(self) -> Path:
        return self.settings.home / STATE_FILE

    def _begin(self, consumer: Any, *, restart: bool) -> Run:
        """The run that was interrupted, or a new one. The consumer stands where it goes on."""
        name = self.settings.topic(RAW)
        partitions = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or ())]
        consumer.assign(partitions)
        starts: Mapping[TopicPartition, int] = consumer.beginning_offsets(partitions)
        ends: Mapping[TopicPartition, int] = consumer.end_offsets(partitions)
        run = None if restart else read_run(self._state)
        if run is None or not run.is_of({place.partition: end for place, end in ends.items()}):
            run = Run(
                number=int(time.time()),
                ends={place.partition: end for place, end in ends.items()},
                done={place.partition: start for place, start in starts.items()},
            )
            self._save(run)
        for place in partitions:
            run.done[place.partition] = max(run.done.get(place.partition, 0), starts[place])
            consumer.seek(place, run.done[place.partition])
        return run

    def _send_all(self, consumer: Any, run: Run) -> None:
        latest = {article_id: revision for article_id, revision, _ in self.store.latest()}
        sender = LedgerSender(self.settings, self.producer)
        name = self.settings.topic(RAW)
        ends = {TopicPartition(name, number): end for number, end in run.ends.items()}
        sent = 0
        for record in read_to(consumer, ends):
            if record.offset >= run.ends.get(record.partition, 0):
                continue
            run.done[record.partition] = record.offset + 1
            if self._send(sender, record, run.number, latest):
                sent += 1
                if sent % BATCH == 0:
                    self._settle(sender, run)
        run.done |= run.ends
        self._settle(sender, run)

    def _settle(self, sender: LedgerSender, run: Run) -> None:
        """Wait until everything that was sent is confirmed, and write down how far the run is."""
        self.producer.flush()
        sender.record(self.store, lambda *_: None)
        self._save(run)
        self.on_progress(run.left)

    def _send(self, sender: LedgerSender, record: Any, number: int, latest: Mapping[str, int]) -> bool:
        """Send one article again if it is the latest of its id that the ledger knows. Returns whether it did."""
        try:
            article = decode(RawArticle, record.value)
        except RejectedMessage:
            self.result.passed_over += 1
            return False
        if latest.get(article.article_id) != article.revision or article.article_id in self.result.revisions:
            self.result.passed_over += 1
            return False
        sender.send(to_line(article.model_copy(update={"enrichment": number}), 0))
        self.result.revisions[article.article_id] = article.revision
        return True

    def _save(self, run: Run) -> None:
        part = self._state.with_suffix(".part")
        part.write_text(run.model_dump_json(), encoding="ascii")
        part.replace(self._state)


def read_run(path: Path) -> Run | None:
    """The run that was interrupted. None if there is none, or if its file cannot be read."""
    try:
        return Run.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
