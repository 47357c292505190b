"""Configures faust for this project: raw bytes, an idempotent producer, static membership, no web server.

Every setting here has a reason that was measured in faust-streaming 0.15.3 (docs/adr/0002).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import Message

from services.common.logging import get_logger
from services.common.settings import Settings

SESSION_TIMEOUT_SECONDS = 10.0
HEARTBEAT_SECONDS = 3.0
MAX_POLL_INTERVAL_SECONDS = 900.0


class IdempotentProducer(driver.Producer):
    """An idempotent producer. Faust's own producer is idempotent only in transactions."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class GuardedConsumer(driver.Consumer):
    """Ignores acknowledgements that belong to an earlier assignment.

    Faust acknowledges the messages that it skips after a rebalance. If the partition comes back later, such an
    acknowledgement would commit an offset past messages that nobody processed.
    """

    def ack(self, message: Message) -> bool:
        """Mark a message as done if its assignment is still valid."""
        generation = getattr(message, "generation_id", None)
        if generation is not None and generation != self.app.consumer_generation_id:
            self._unacked_messages.discard(message)
            return False
        return bool(super().ack(message))


def make_app(settings: Settings, group: str, datadir: Path) -> faust.App:
    """A faust app with `group` as its id. Faust uses the id as the consumer group."""
    datadir.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        group,
        broker=f"aiokafka://{';'.join(settings.kafka_bootstrap.split(','))}",
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
    transport.Consumer = GuardedConsumer
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
