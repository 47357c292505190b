"""A consumer of kafka-python that commits on request, and waits without leaving its group."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import CommitFailedError
from kafka.structs import OffsetAndMetadata

from services.common.settings import Settings


def make_consumer(settings: Settings, group: str, *topics: str) -> KafkaConsumer:
    """A consumer of these topics, from their beginning. It commits only on request.

    A process with DRAGOMAN_INSTANCE is a static member: its restart costs no rebalance.
    """
    return KafkaConsumer(
        *topics,
        bootstrap_servers=settings.kafka_bootstrap.split(","),
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
