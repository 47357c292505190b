"""A consumer with manual commits: it polls, writes, sends dead letters, and commits only messages with an outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from elasticsearch import ApiError, Elasticsearch, TransportError
from kafka import TopicPartition
from prometheus_client import Histogram

from schemas.dead_letter import ErrorClass
from schemas.topics import DEAD, GROUPED, STORIES
from services.common.consumer import commit, make_consumer, run_service, stay_in_group
from services.common.dead_letters import Received, bury, make_letter, to_received
from services.common.elastic import make_client
from services.common.halt import UNREADABLE, Halt, source_of
from services.common.logging import get_logger
from services.common.messages import RejectedMessage
from services.common.metrics import (
    DEAD_LETTERS,
    LATENCY_BUCKETS,
    OUTCOMES,
    RETRIES,
    STAGE_SECONDS,
    begin_at_zero,
)
from services.common.producer import SafeProducer
from services.common.refusals import elasticsearch_refusal
from services.common.retries import Backoff
from services.common.stream import prepare
from services.indexer.bulk import Action, ItemAnswer, Verdict, is_passing
from services.indexer.documents import Fetched, to_action
from services.indexer.indices import ARTICLES, ensure_indices, write_alias
from services.indexer.indices import STORIES as STORIES_ALIAS
from services.indexer.settings import IndexerSettings
from services.indexer.writer import BulkWriter

SERVICE = "indexer"
STORY_SERVICE = "indexer_stories"
"""The service label of stories in metrics. It is separate, so that `indexer` counts articles only."""
POLL_MS = 500
LATENCY = Histogram(
    "dragoman_end_to_end_seconds",
    "Seconds from fetching an article to writing it to Elasticsearch (searchable after the next refresh), by origin.",
    ["origin"],
    buckets=LATENCY_BUCKETS,
)
FEED, OTHER = "feed", "other"
"""Origins of an article: a feed that is read as it grows, or a replay or a push."""
KNOWN_LETTERS = (
    (SERVICE, "decode", ErrorClass.INVALID_MESSAGE),
    (SERVICE, "document", ErrorClass.INVALID_MESSAGE),
    (SERVICE, "elasticsearch", ErrorClass.REJECTED_DOCUMENT),
    (SERVICE, "elasticsearch", ErrorClass.TOO_LARGE),
)
"""Service, stage and error class of the dead letters that the indexer can make."""
log = get_logger(__name__)


def known_outcomes() -> Iterator[tuple[str, ...]]:
    """Service and outcome of everything that the indexer counts."""
    for service in (SERVICE, STORY_SERVICE):
        for outcome in (Verdict.INDEXED, Verdict.UNCHANGED, "dead"):
            yield service, outcome


@dataclass(slots=True)
class Indexer:
    """One process of the consumer group."""

    settings: IndexerSettings
    consumer: Any
    producer: SafeProducer
    client: Elasticsearch
    writer: BulkWriter = field(init=False)
    stopping: threading.Event = field(default_factory=threading.Event)
    halt: Halt = field(init=False)

    def __post_init__(self) -> None:
        self.halt = Halt(self.settings, SERVICE)
        self.writer = BulkWriter(
            self.client,
            SERVICE,
            self.settings.bulk_documents,
            self.settings.bulk_bytes,
            wait=self._stay_in_group,
            requests=self.settings.bulk_requests,
        )

    def run(self) -> None:
        """Run until `stopping` is set. Polled messages are processed and committed first."""
        while not self.stopping.is_set():
            polled = self._poll()
            records = [record for partition in polled.values() for record in partition]
            if not records:
                continue
            self._process([to_received(record, record.timestamp) for record in records])
            if not commit(self.consumer, polled):
                log.warning(
                    "partitions were reassigned before the commit; indexing their messages again changes nothing"
                )
            if seconds := self.halt.seconds_left():
                self._stay_in_group(seconds)

    def _poll(self) -> dict[TopicPartition, list[Any]]:
        """The records for one bulk request: those that are there, and those that come within `bulk_linger_seconds`."""
        gathered: dict[TopicPartition, list[Any]] = {}
        # After a halt, one message is tried before the others are put at risk.
        missing, deadline = 1 if self.halt.is_halted else self.settings.bulk_documents, None
        while missing > 0:
            left = POLL_MS if deadline is None else int((deadline - time.monotonic()) * 1000)
            if left <= 0:
                break
            for partition, records in self.consumer.poll(timeout_ms=left, max_records=missing).items():
                gathered.setdefault(partition, []).extend(records)
                missing -= len(records)
            if not gathered:
                break
            deadline = deadline or time.monotonic() + self.settings.bulk_linger_seconds
        return gathered

    def _process(self, received: Sequence[Received]) -> None:
        """Give every message its outcome, in the order of the messages, because the halt rule depends on the order."""
        made: list[tuple[Action, Fetched | None] | RejectedMessage] = []
        with STAGE_SECONDS.labels(SERVICE, "document").time():
            for message in received:
                try:
                    made.append(self._action(message))
                except RejectedMessage as rejected:
                    made.append(rejected)
        with STAGE_SECONDS.labels(SERVICE, "bulk").time():
            answers = iter(
                self.writer.write([document[0] for document in made if not isinstance(document, RejectedMessage)])
            )
        now = datetime.now(UTC)
        for message, document in zip(received, made, strict=True):
            if isinstance(document, RejectedMessage):
                self._bury(message, document)
                continue
            answer, fetched = next(answers), document[1]
            self._settle(message, answer)
            if fetched is not None and not fetched.again and answer.verdict is Verdict.INDEXED:
                seconds = max(0.0, (now - fetched.at).total_seconds())
                LATENCY.labels(FEED if fetched.by_feed else OTHER).observe(seconds)
        self.producer.flush()

    def _action(self, message: Received) -> tuple[Action, Fetched | None]:
        is_story = message.topic == self.settings.topic(STORIES)
        index = write_alias(self.settings, STORIES_ALIAS if is_story else ARTICLES)
        return to_action(message, index, is_story=is_story)

    def _settle(self, message: Received, answer: ItemAnswer) -> None:
        if answer.verdict in (Verdict.DEAD, Verdict.TOO_LARGE):
            too_large = answer.verdict is Verdict.TOO_LARGE
            error_class = ErrorClass.TOO_LARGE if too_large else ErrorClass.REJECTED_DOCUMENT
            self._bury(message, RejectedMessage("elasticsearch", error_class, answer.reason))
        else:
            self._count(message, answer.verdict.value)

    def _bury(self, message: Received, rejected: RejectedMessage) -> None:
        outgoing = bury(self.settings, make_letter(message, rejected, SERVICE))
        self.producer.send(outgoing.topic, outgoing.key, outgoing.value)
        self._count(message, "dead", rejected.error_class)

    def _count(self, message: Received, outcome: str, error: ErrorClass | None = None) -> None:
        is_story = message.topic == self.settings.topic(STORIES)
        OUTCOMES.labels(STORY_SERVICE if is_story else SERVICE, outcome).inc()
        self.halt.count(error, source_of(message.value) if error else UNREADABLE)

    def _stay_in_group(self, seconds: float) -> None:
        stay_in_group(self.consumer, seconds, self.stopping)

    def health(self) -> tuple[bool, dict[str, object]]:
        """Healthy while articles can be written. A temporary outage shows in the details but is not unhealthy."""
        details: dict[str, object] = {"service": SERVICE, "waiting": self.writer.waiting}
        if self.writer.stopped_reason:
            details["stopped"] = self.writer.stopped_reason
        return not self.halt.is_halted and self.writer.stopped_reason is None, details


def wait_for_elasticsearch(settings: IndexerSettings) -> None:
    """Wait until Elasticsearch answers, then create templates, indices and aliases."""
    backoff = Backoff(cap_seconds=10)
    while True:
        client = make_client(settings)
        try:
            ensure_indices(client, settings)
        except (ApiError, TransportError) as error:
            refusal = elasticsearch_refusal(settings, error)
            if refusal is not None:
                log.error("Elasticsearch refuses this service; waiting for a person", reason=refusal)  # noqa: TRY400 - no bug
            elif isinstance(error, ApiError) and not is_passing(error.status_code):
                log.error("Elasticsearch refuses to make the indices; trying again", error=str(error)[:300])  # noqa: TRY400 - a traceback would not help
            else:
                log.warning("Elasticsearch does not answer yet", error=str(error)[:200])
            time.sleep(backoff.next_seconds())
        else:
            return
        finally:
            client.close()


def main() -> None:
    """Run until SIGTERM."""
    settings = IndexerSettings()
    prepare(settings, SERVICE, GROUPED, STORIES, DEAD)
    wait_for_elasticsearch(settings)
    topics = (settings.topic(GROUPED), settings.topic(STORIES))
    consumer = make_consumer(settings, settings.group(SERVICE), *topics)
    indexer = Indexer(settings, consumer, SafeProducer(settings), make_client(settings))
    begin_at_zero(OUTCOMES, known_outcomes())
    begin_at_zero(DEAD_LETTERS, KNOWN_LETTERS)
    begin_at_zero(RETRIES, ((SERVICE, "elasticsearch"),))
    for origin in (FEED, OTHER):
        LATENCY.labels(origin)
    try:
        run_service(settings, SERVICE, topics, indexer, lambda: indexer.halt.is_halted or indexer.writer.waiting)
    finally:
        indexer.producer.close()
