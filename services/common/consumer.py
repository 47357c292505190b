"""A service on a consumer of kafka-python, which commits on request and waits without leaving its group."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import CommitFailedError, KafkaError
from kafka.structs import OffsetAndMetadata

from services.common.kafka import client_options
from services.common.liveness import LivenessProbe
from services.common.logging import get_logger
from services.common.metrics import serve_metrics
from services.common.settings import Settings

log = get_logger(__name__)


class ConsumerService(Protocol):
    """A service that reads topics with a consumer until `stopping` is set."""

    consumer: Any
    stopping: threading.Event

    def run(self) -> None:
        """Run until `stopping` is set."""

    def health(self) -> tuple[bool, dict[str, object]]:
        """Whether all is well, and details."""


def run_service(
    settings: Settings, name: str, topics: tuple[str, ...], service: ConsumerService, is_excused: Callable[[], bool]
) -> None:
    """Run a service until SIGTERM, with its metrics page and its liveness probe, and close its consumer.

    SystemExit with code 1 when Kafka fails: the supervisor starts it again, and nothing is lost.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stopping.set())
    serve_metrics(settings.metrics_host, settings.metrics_port, service.health, allowed_hosts=settings.allowed_hosts)
    assigned = lambda: {(part.topic, part.partition) for part in service.consumer.assignment()}  # noqa: E731
    LivenessProbe(settings, name, settings.group(name), topics, assigned, is_excused).start()
    try:
        service.run()
    except KafkaError:
        log.exception("Kafka failed; exiting for a restart, nothing is lost")
        raise SystemExit(1) from None
    finally:
        service.consumer.close()


def make_consumer(settings: Settings, group: str, *topics: str) -> KafkaConsumer:
    """A consumer of these topics, from their beginning. It commits only on request.

    A process with DRAGOMAN_INSTANCE is a static member: its restart costs no rebalance.
    """
    return KafkaConsumer(
        *topics,
        **client_options(settings),
        group_id=group,
        group_instance_id=f"{group}-{settings.instance}" if settings.instance else None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
        heartbeat_interval_ms=3_000,
        max_poll_interval_ms=900_000,
        max_partition_fetch_bytes=settings.max_request_bytes,
        fetch_max_bytes=max(50 * 1024 * 1024, settings.max_request_bytes),
        fetch_max_wait_ms=200,
    )


def commit(consumer: Any, polled: Mapping[TopicPartition, Sequence[Any]]) -> bool:
    """Commit what was polled. False if the partitions were reassigned before: then their messages come once more."""
    offsets = {partition: OffsetAndMetadata(records[-1].offset + 1, "", -1) for partition, records in polled.items()}
    try:
        consumer.commit(offsets)
    except CommitFailedError:
        return False
    return True


def stay_in_group(consumer: Any, seconds: float, stopping: threading.Event) -> None:
    """Poll paused partitions, so that a wait causes no rebalance. Records that still come are read again.

    SystemExit when `stopping` is set meanwhile.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if stopping.is_set():
            raise SystemExit(0)
        consumer.pause(*consumer.assignment())
        for partition, records in consumer.poll(timeout_ms=200).items():
            consumer.seek(partition, records[0].offset)
        time.sleep(0.1)
    consumer.resume(*consumer.assignment())
