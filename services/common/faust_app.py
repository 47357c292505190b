"""Configures faust for this project: raw bytes, an idempotent producer, static membership, no web server.

Every setting here has a reason that was measured in faust-streaming 0.15.3 (docs/adr/0002).
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message

from schemas.topics import TOPICS
from services.common.exits import EXIT_TEMPORARY
from services.common.kafka import faust_options
from services.common.logging import get_logger
from services.common.settings import Settings

SESSION_TIMEOUT_SECONDS = 10.0
HEARTBEAT_SECONDS = 3.0
MAX_POLL_INTERVAL_SECONDS = 900.0
MISSING_SECONDS = 10.0
"""Acknowledgements come in the order of the offsets: a message that is missing for so long does not come any more."""
log = get_logger(__name__)


class IdempotentProducer(driver.Producer):
    """An idempotent producer. Faust's own producer is idempotent only in transactions."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class GuardedConsumer(driver.Consumer):
    """Commits nothing past a message that was not acknowledged by the assignment that holds now.

    Faust has four faults here. After a rebalance it acknowledges the messages that it skips. It drops messages that it
    has fetched when the flow stops, and takes the hole for a compacted one, which counts as acknowledged. The end of
    such a hole includes the message behind it, which nobody has processed yet. And it lets the first message after the
    committed offset be missing. Each of them can commit past an article.
    """

    compacted: ClassVar[frozenset[str]] = frozenset()
    """Topics whose offsets have holes that mean nothing."""

    def ack(self, message: Message) -> bool:
        """Mark a message as done if its assignment is still valid."""
        generation = getattr(message, "generation_id", None)
        if generation is not None and generation != self.app.consumer_generation_id:
            self._unacked_messages.discard(message)
            return False
        return bool(super().ack(message))

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Let a hole in front of the message at `offset_to` count as acknowledged, where Kafka has no messages in it.

        That is so for a compacted topic, and for what retention has removed. Other holes are messages that were lost
        on the way here: they stay open. Faust takes the offset that it sought to for one that it has read, so that a
        hole right behind a seek begins one earlier than it says.
        """
        before, _ = self._fetched.get(tp, (None, offset_to))
        first = offset_from if before == offset_from - 1 else offset_from - 1
        last = offset_to - 1
        if tp.topic not in self.compacted:
            starts = await self.earliest_offsets(tp)
            last = min(last, starts[tp] - 1)
        if first <= last:
            holes = self._gap[tp]
            holes.addi(first, last + 1)  # without its end
            holes.merge_overlaps()

    async def follows(self, message: Message) -> bool:
        """Whether a message is the next one of its partition, so that none before it was lost on the way here.

        Faust drops what it has fetched when the flow stops, and gives what comes after it. For a topic that is not
        compacted, a hole means that, unless retention has removed what was in it.
        """
        tp, generation = message.tp, getattr(message, "generation_id", None)
        last_generation, last = self._taken.get(tp, (None, None))
        if last is not None and last_generation == generation:
            expected: int | None = last + 1
        else:
            expected = self._begins_at(tp)
        if expected is not None and message.offset > expected:
            starts = await self.earliest_offsets(tp)
            if message.offset > max(expected, starts[tp]):
                return False
        self._taken[tp] = (generation, message.offset)
        return True

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit; None while a message in front of the acknowledged ones is missing."""
        if self._is_missing(tp):
            self._give_up_waiting(tp)
            return None
        self._missing_since.pop(tp, None)
        offset: int | None = super()._new_offset(tp)
        return offset

    def _is_missing(self, tp: TP) -> bool:
        acked, first = self._acked[tp], self._begins_at(tp)
        if not acked or first is None:
            return False
        holes = self._gap[tp]
        return any(not holes.overlaps_point(offset) for offset in range(first, min(acked)))

    def _begins_at(self, tp: TP) -> int | None:
        """The first offset that is not committed. While nothing is, the first one that was fetched."""
        committed = self._committed_offset[tp]
        return self._first.get(tp) if committed is None else committed

    def _give_up_waiting(self, tp: TP) -> None:
        """End the process when a message is missing for long: it comes again at the next start."""
        since = self._missing_since.setdefault(tp, time.monotonic())
        if time.monotonic() - since > MISSING_SECONDS:
            log.error(
                "a message was fetched and never handled; starting again from it",
                topic=tp.topic,
                partition=tp.partition,
                offset=self._committed_offset[tp],
            )
            os._exit(EXIT_TEMPORARY)

    def _to_message(self, tp: TP, record: Any) -> Any:
        """Faust's message of a record. The first offset of a partition is remembered, and the last two."""
        self._first.setdefault(tp, record.offset)
        _, before = self._fetched.get(tp, (None, None))
        self._fetched[tp] = (before, record.offset)
        return super()._to_message(tp, record)

    @cached_property
    def _taken(self) -> dict[TP, tuple[int | None, int]]:
        return {}

    @cached_property
    def _first(self) -> dict[TP, int]:
        return {}

    @cached_property
    def _fetched(self) -> dict[TP, tuple[int | None, int | None]]:
        return {}

    @cached_property
    def _missing_since(self) -> dict[TP, float]:
        return {}


def make_app(settings: Settings, group: str, datadir: Path, client_id: str = "dragoman") -> faust.App:
    """A faust app with `group` as its id. Faust uses the id as the consumer group.

    `client_id` names the process to Kafka.
    """
    datadir.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        group,
        **faust_options(settings),
        broker_client_id=client_id,
        env={},
        autodiscover=False,
        web_enabled=False,
        datadir=str(datadir),
        store="rocksdb://",
        key_serializer="raw",
        value_serializer="raw",
        topic_disable_leader=True,
        topic_allow_declare=True,
        topic_replication_factor=settings.replication,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{group}-{settings.instance}" if settings.instance else None,
        consumer_max_fetch_size=settings.max_request_bytes,
        broker_commit_interval=1.0,
        broker_commit_every=1000,
        broker_max_poll_records=500,
        broker_max_poll_interval=MAX_POLL_INTERVAL_SECONDS,
        broker_session_timeout=SESSION_TIMEOUT_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        broker_request_timeout=90.0,
        stream_buffer_maxsize=256,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        producer_linger=0.01,
        producer_max_batch_size=256 * 1024,
        producer_max_request_size=settings.max_request_bytes,
        producer_request_timeout=90.0,
        producer_compression_type="lz4",
        table_standby_replicas=0,
        loghandlers=[],
    )
    transport: Any = app.transport
    transport.Producer = IdempotentProducer
    compacted = frozenset(settings.topic(topic) for topic in TOPICS if topic.compacted)
    transport.Consumer = type("GuardedConsumer", (GuardedConsumer,), {"compacted": compacted})
    return app


def run_app(app: faust.App) -> None:
    """Run until SIGTERM or a crash. The process ends here."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(
        app,
        loop=loop,
        quiet=True,
        override_logging=False,
        redirect_stdouts=False,
        loglevel="WARNING",
        stdout=sys.stderr,
    )
    worker.spinner = None  # writes terminal codes into the JSON log
    get_logger("services.worker").info("started", group=app.conf.id)
    worker.execute_from_commandline()
