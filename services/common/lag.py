"""Measures how far a consumer group is behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec


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
