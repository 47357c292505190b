"""Topics of another Kafka, in memory, and what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import TopicPartition


@dataclass(frozen=True)
class Record:
    """One message."""

    partition: int
    offset: int
    value: bytes | None


@dataclass
class FakeTopics:
    """Messages by topic and partition.

    Those before `first` are deleted, behind the last one stand `ghosts` that are never given, and `error` is what every
    poll raises.
    """

    messages: dict[str, dict[int, list[bytes | None]]] = field(default_factory=dict)
    first: int = 0
    ghosts: int = 0
    error: Exception | None = None
    options: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0

    def consumer(self, **options: Any) -> FakeConsumer:
        """What stands in for `KafkaConsumer`."""
        self.options.append(options)
        return FakeConsumer(self)


class FakeConsumer:
    """Reads the partitions that it was given, from where it was told to."""

    def __init__(self, topics: FakeTopics) -> None:
        self._topics = topics
        self._at: dict[TopicPartition, int] = {}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(self._topics.messages.get(topic, {})) or None

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._at = dict.fromkeys(partitions, 0)

    def beginning_offsets(self, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, self._topics.first)

    def end_offsets(self, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        ghosts = self._topics.ghosts
        return {one: len(self._topics.messages[one.topic][one.partition]) + ghosts for one in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._at[partition] = offset

    def position(self, partition: TopicPartition) -> int:
        return self._at[partition]

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        del timeout_ms
        if self._topics.error is not None:
            raise self._topics.error
        found: dict[TopicPartition, list[Record]] = {}
        for one, at in self._at.items():
            values = self._topics.messages[one.topic][one.partition][at : at + max_records]
            if values:
                found[one] = [Record(one.partition, at + index, value) for index, value in enumerate(values)]
                self._at[one] = at + len(values)
        return found

    def close(self) -> None:
        self._topics.closed += 1
