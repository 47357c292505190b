"""A broker in memory, and the parts of kafka-python's consumer and admin client that Dragoman uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CommitFailedError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata, OffsetAndTimestamp

Headers = list[tuple[str, bytes]]
TIMESTAMP_MS = 1_685_620_800_000


@dataclass(slots=True)
class FakeKafka:
    """Topics and committed offsets. `journal` tells in order what was done; `refuse_commits` as after a rebalance."""

    logs: dict[TopicPartition, list[Any]] = field(default_factory=dict)
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)
    refuse_commits: bool = False

    def make_topic(self, name: str, partitions: int = 1) -> None:
        """Make a topic, empty."""
        for number in range(partitions):
            self.logs.setdefault(TopicPartition(name, number), [])

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers | None = None, partition: int = 0
    ) -> Any:
        """Put one message at the end of a partition; the record as a consumer gets it."""
        self.make_topic(topic, partition + 1)
        log = self.logs[TopicPartition(topic, partition)]
        values = {
            "topic": topic,
            "partition": partition,
            "offset": len(log),
            "timestamp": TIMESTAMP_MS + len(log),
            "key": key,
            "value": value,
            "headers": headers or [],
        }
        log.append(ConsumerRecord(**(dict.fromkeys(ConsumerRecord._fields) | values)))
        return log[-1]

    def partitions(self, topic: str) -> list[TopicPartition]:
        """The partitions of a topic."""
        return sorted(partition for partition in self.logs if partition.topic == topic)


class FakeConsumer:
    """kafka-python's consumer; `on_poll` is called at each poll with the number of records it gave."""

    def __init__(
        self,
        kafka: FakeKafka,
        *topics: str,
        group_id: str | None = None,
        on_poll: Callable[[int], object] = lambda _: None,
        **_: object,
    ) -> None:
        self._kafka = kafka
        self._group = group_id
        self._on_poll = on_poll
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self.closed = False
        self.assign([partition for topic in topics for partition in kafka.partitions(topic)])

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._positions = {
            partition: self._kafka.committed.get((self._group, partition), 0) for partition in partitions
        }

    def assignment(self) -> set[TopicPartition]:
        return set(self._positions)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {partition.partition for partition in self._kafka.partitions(topic)} or None

    def poll(self, timeout_ms: int = 0, max_records: int | None = None) -> dict[TopicPartition, list[Any]]:  # noqa: ARG002 - nothing is waited for
        left = 500 if max_records is None else max_records
        polled: dict[TopicPartition, list[Any]] = {}
        for partition, position in self._positions.items():
            if partition in self._paused or left <= 0:
                continue
            records = self._kafka.logs.get(partition, [])[position : position + left]
            if records:
                polled[partition] = list(records)
                self._positions[partition] = records[-1].offset + 1
                left -= len(records)
        count = sum(map(len, polled.values()))
        if count:
            self._kafka.journal.append(f"poll {count}")
        self._on_poll(count)
        return polled

    def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        for partition in partitions or tuple(self._positions):
            self._positions[partition] = 0

    def beginning_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: len(self._kafka.logs.get(partition, [])) for partition in partitions}

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused.difference_update(partitions)

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        if self._kafka.refuse_commits:
            self._kafka.journal.append("commit refused")
            raise CommitFailedError
        assert self._group is not None, "a consumer without a group commits nothing"
        for partition, stated in offsets.items():
            self._kafka.committed[self._group, partition] = stated.offset
        places = ", ".join(f"{p.topic}/{p.partition}@{stated.offset}" for p, stated in sorted(offsets.items()))
        self._kafka.journal.append(f"commit {places}")

    def committed(self, partition: TopicPartition) -> int | None:
        return self._kafka.committed.get((self._group or "", partition))

    def close(self) -> None:
        self.closed = True


class FakeAdmin:
    """kafka-python's admin client."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self.configs: dict[str, dict[str, str]] = {}
        self.altered: dict[str, dict[str, str]] = {}
        self.closed = False

    def create_topics(self, topics: Mapping[str, Any], *, wait_for_metadata: bool = False) -> None:  # noqa: ARG002 - at once
        for name, wanted in topics.items():
            if self._kafka.partitions(name):
                raise TopicAlreadyExistsError
            self._kafka.make_topic(name, wanted["num_partitions"])
            self.configs[name] = wanted["configs"]

    def alter_configs(self, resources: Iterable[Any]) -> None:
        for resource in resources:
            self.altered[resource.name] = resource.configs

    def describe_configs(self, resources: Iterable[Any], config_filter: str = "modified") -> dict[str, Any]:  # noqa: ARG002 - all
        known = {resource.name: self.configs.get(resource.name, {}) for resource in resources}
        entries = {name: config | self.altered.get(name, {}) for name, config in known.items()}
        return {
            "topic": {
                name: {key: {"value": value} for key, value in config.items()} for name, config in entries.items()
            }
        }

    def describe_topics(self, topics: Iterable[str]) -> list[dict[str, Any]]:
        return [
            {"name": name, "partitions": [{"partition_index": p.partition} for p in self._kafka.partitions(name)]}
            for name in topics
        ]

    def list_partition_offsets(self, specs: Mapping[TopicPartition, Any]) -> dict[TopicPartition, OffsetAndTimestamp]:
        unknown = [partition for partition in specs if partition not in self._kafka.logs]
        if unknown:
            raise UnknownTopicOrPartitionError
        return {
            partition: OffsetAndTimestamp(len(self._kafka.logs[partition]) if spec == OffsetSpec.LATEST else 0, -1, -1)
            for partition, spec in specs.items()
        }

    def list_group_offsets(self, specs: Mapping[str, Any]) -> dict[str, dict[TopicPartition, OffsetAndMetadata]]:
        return {
            group: {
                partition: OffsetAndMetadata(self._kafka.committed.get((group, partition), -1), "", -1)
                for partition in partitions
            }
            for group, partitions in specs.items()
        }

    def close(self) -> None:
        self.closed = True
