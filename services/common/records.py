"""Reads whole topics and single records, for commands that need them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from schemas.topics import Topic
from services.common.kafka import client_options
from services.common.settings import Settings

READ_TIMEOUT_SECONDS = 30.0
"""If no record arrives for this long, the end of the topic cannot be reached."""


def read_records(settings: Settings, topic: Topic) -> Iterator[Any]:
    """Yield every record up to the current end, oldest first in each partition.

    Raises KafkaTimeoutError if the end is not reached.
    """
    yield from read_topic(settings, settings.topic(topic))


def read_topic(settings: Settings, name: str) -> Iterator[Any]:
    """The same for a topic by its name in Kafka."""
    consumer = make_reader(settings, settings.max_request_bytes)
    try:
        partitions = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or {0})]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        yield from read_to(consumer, ends)
    finally:
        consumer.close()


def read_to(consumer: Any, ends: Mapping[TopicPartition, int]) -> Iterator[Any]:
    """Yield every record from where the consumer stands to these offsets, and those that come with the last ones.

    Raises KafkaTimeoutError if nothing comes for a while.
    """
    deadline = time.monotonic() + READ_TIMEOUT_SECONDS
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        polled = consumer.poll(timeout_ms=1000)
        if polled:
            deadline = time.monotonic() + READ_TIMEOUT_SECONDS
        elif time.monotonic() > deadline:
            topics = ", ".join(sorted({partition.topic for partition in ends}))
            raise KafkaTimeoutError(f"{topics} could not be read to its end")
        for records in polled.values():
            yield from records


def read_record(settings: Settings, topic: str, partition: int, offset: int) -> Any | None:
    """The record at one place of a topic. None when it is not there any more."""
    place = TopicPartition(topic, partition)
    consumer = make_reader(settings, settings.max_request_bytes)
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


def make_reader(settings: Settings, partition_bytes: int) -> Any:
    """A consumer without a group. It fetches `partition_bytes` of a partition at a time, or one larger batch."""
    return KafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=partition_bytes,
        fetch_max_bytes=settings.max_request_bytes * 2,
        bootstrap_timeout_ms=10_000,
        check_crcs=False,
    )
