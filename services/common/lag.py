"""Measures how far a consumer group is behind, in messages and in seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec

from services.common.records import make_reader
from services.common.settings import Settings

AGE_PATIENCE_SECONDS = 5.0
"""The first unread message of each partition usually comes within 0.1 s."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition: what the group has committed and where the log ends."""

    topic: str
    partition: int
    committed: int
    end: int

    @property
    def messages(self) -> int:
        """Number of messages that are not processed yet."""
        return max(0, self.end - self.committed)


def read_lag(admin: KafkaAdminClient, group: str, topics: Iterable[str]) -> list[PartitionLag]:
    """The lag of every partition of these topics. Without a commit, the lag is counted from the start of the log."""
    found = admin.describe_topics(list(topics))
    partitions = [
        TopicPartition(item["name"], partition["partition_index"]) for item in found for partition in item["partitions"]
    ]
    if not partitions:
        return []
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    starts = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    committed = admin.list_group_offsets({group: partitions})[group]
    lags = []
    for partition in partitions:
        known = committed.get(partition)
        start = starts[partition].offset
        done = max(known.offset, start) if known is not None and known.offset >= 0 else start
        lags.append(PartitionLag(partition.topic, partition.partition, done, ends[partition].offset))
    return lags


def read_ages(settings: Settings, lags: Iterable[PartitionLag]) -> dict[str, float]:
    """Seconds since the oldest message of each topic that is not committed was written. Topics without lag: 0.

    A topic is left out when Kafka gives none of its messages in time.
    """
    known = list(lags)
    waiting = {lag.topic for lag in known if lag.messages}
    ages = {lag.topic: 0.0 for lag in known if lag.topic not in waiting}
    behind = {TopicPartition(lag.topic, lag.partition): lag.committed for lag in known if lag.messages}
    for topic, timestamp_ms in _first_timestamps(settings, behind):
        ages[topic] = max(ages.get(topic, 0.0), time.time() - timestamp_ms / 1000)
    return ages


def _first_timestamps(settings: Settings, places: dict[TopicPartition, int]) -> list[tuple[str, int]]:
    """Topic and timestamp in milliseconds of the first message from each offset on."""
    if not places:
        return []
    consumer = make_reader(settings, partition_bytes=1024)
    found: list[tuple[str, int]] = []
    try:
        consumer.assign(list(places))
        for partition, offset in places.items():
            consumer.seek(partition, offset)
        waiting, deadline = set(places), time.monotonic() + AGE_PATIENCE_SECONDS
        while waiting and time.monotonic() < deadline:
            for partition, records in consumer.poll(timeout_ms=500).items():
                if partition in waiting:
                    waiting.discard(partition)
                    found.append((partition.topic, records[0].timestamp))
                    consumer.pause(partition)
    finally:
        consumer.close()
    return found


def read_retention(admin: KafkaAdminClient, topics: Iterable[str]) -> dict[str, float]:
    """Seconds after which Kafka removes messages of each topic. Infinite where it keeps them, or does not say."""
    names = list(topics)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    described: Any = admin.describe_configs(resources, config_filter="all")
    found = {name: values for of_kind in described.values() for name, values in of_kind.items()}
    return {name: _retention(found.get(name, {})) for name in names}


def _retention(config: dict[str, Any]) -> float:
    """The retention of a topic with this configuration, in seconds. A compacted topic keeps the last of each key."""
    stated = {name: entry["value"] for name, entry in config.items()}
    milliseconds = int(stated.get("retention.ms", -1))
    removes = "delete" in stated.get("cleanup.policy", "delete")
    return milliseconds / 1000 if removes and milliseconds >= 0 else math.inf
