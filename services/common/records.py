"""Reads a whole topic with one partition, for commands that need all of its records."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from schemas.topics import Topic
from services.common.settings import Settings

READ_TIMEOUT_SECONDS = 30.0
"""If no record arrives for this long, the end of the topic cannot be reached."""


def read_records(settings: Settings, topic: Topic) -> Iterator[Any]:
    """Yield every record up to the current end, oldest first. Raises KafkaTimeoutError if the end is not reached."""
    partition = TopicPartition(settings.topic(topic), 0)
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap.split(","),
        enable_auto_commit=False,
        max_partition_fetch_bytes=settings.max_request_bytes,
        fetch_max_bytes=settings.max_request_bytes * 2,
        bootstrap_timeout_ms=10_000,
        check_crcs=False,
    )
    deadline = time.monotonic() + READ_TIMEOUT_SECONDS
    try:
        consumer.assign([partition])
        end = consumer.end_offsets([partition])[partition]
        consumer.seek_to_beginning(partition)
        while consumer.position(partition) < end:
            records = consumer.poll(timeout_ms=1000).get(partition, ())
            if records:
                deadline = time.monotonic() + READ_TIMEOUT_SECONDS
            elif time.monotonic() > deadline:
                raise KafkaTimeoutError(f"{partition.topic} could not be read to its end")
            yield from records
    finally:
        consumer.close()


def read_record(settings: Settings, topic: str, partition: int, offset: int) -> Any | None:
    """The record at one place of a topic. None when it is not there any more."""
    place = TopicPartition(topic, partition)
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap.split(","),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=settings.max_request_bytes * 2,
        fetch_max_bytes=settings.max_request_bytes * 2,
        bootstrap_timeout_ms=10_000,
    )
    try:
        consumer.assign([place])
        if not consumer.beginning_offsets([place])[place] <= offset < consumer.end_offsets([place])[place]:
            return None
        consumer.seek(place, offset)
        deadline = time.monotonic() + READ_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            for record in consumer.poll(timeout_ms=1000).get(place, ()):
                return record if record.offset == offset else None
    finally:
        consumer.close()
    return None
