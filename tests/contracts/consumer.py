"""kafka-python's consumer and admin client, as Dragoman uses them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

from services.common.lag import read_lag, read_retention


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker with one topic of one partition: ways to write to it and to read from it."""

    topic: str
    group: str
    append: Callable[[bytes, bytes | None], object]
    consumer: Callable[[], Any]
    admin: Callable[[], Any]

    @property
    def partition(self) -> TopicPartition:
        """The topic's partition."""
        return TopicPartition(self.topic, 0)


def _soon(read: Callable[[], object], expected: object) -> bool:
    """Whether something becomes so within a few seconds."""
    deadline = time.monotonic() + 10
    while read() != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return read() == expected


def take(consumer: Any, count: int, max_records: int | None = None) -> list[Any]:
    """Poll until so many records have come, or for a while."""
    records: list[Any] = []
    for _ in range(100):
        polled = consumer.poll(timeout_ms=200, max_records=max_records)
        records += [record for part in polled.values() for record in part]
        if len(records) >= count:
            break
    return records


class ConsumerContract:
    """Subclasses give the fixture `broker`."""

    def test_records_come_in_order_with_offsets_from_zero(self, broker: Broker) -> None:
        for number in range(3):
            broker.append(b"key", b"%d" % number)
        records = take(broker.consumer(), 3)
        assert [(record.offset, record.value) for record in records] == [(0, b"0"), (1, b"1"), (2, b"2")]
        assert {(record.topic, record.partition, record.key) for record in records} == {(broker.topic, 0, b"key")}

    def test_a_tombstone_has_no_value(self, broker: Broker) -> None:
        broker.append(b"key", None)
        (record,) = take(broker.consumer(), 1)
        assert record.value is None

    def test_max_records_limits_a_poll(self, broker: Broker) -> None:
        for number in range(5):
            broker.append(b"key", b"%d" % number)
        consumer = broker.consumer()
        assert len(take(consumer, 1, max_records=2)) <= 2
        assert len(take(consumer, 3, max_records=2)) >= 3

    def test_the_next_consumer_of_the_group_begins_at_the_committed_offset(self, broker: Broker) -> None:
        """A committed offset is that of the next message to read."""
        for number in range(3):
            broker.append(b"key", b"%d" % number)
        first = broker.consumer()
        take(first, 3)
        first.commit({broker.partition: OffsetAndMetadata(2, "", -1)})
        assert first.committed(broker.partition) == 2
        first.close()
        assert [record.value for record in take(broker.consumer(), 1)] == [b"2"]

    def test_what_was_polled_and_not_committed_comes_again(self, broker: Broker) -> None:
        broker.append(b"key", b"0")
        first = broker.consumer()
        take(first, 1)
        first.close()
        assert [record.value for record in take(broker.consumer(), 1)] == [b"0"]

    def test_a_paused_partition_gives_nothing_until_it_is_resumed(self, broker: Broker) -> None:
        broker.append(b"key", b"0")
        consumer = broker.consumer()
        take(consumer, 1)
        consumer.pause(broker.partition)
        broker.append(b"key", b"1")
        assert consumer.poll(timeout_ms=200) == {}
        consumer.resume(broker.partition)
        assert [record.value for record in take(consumer, 1)] == [b"1"]

    def test_seek_moves_the_position(self, broker: Broker) -> None:
        for number in range(3):
            broker.append(b"key", b"%d" % number)
        consumer = broker.consumer()
        take(consumer, 3)
        assert consumer.position(broker.partition) == 3
        consumer.seek(broker.partition, 1)
        assert [record.value for record in take(consumer, 2)] == [b"1", b"2"]

    def test_ends_and_partitions_are_known(self, broker: Broker) -> None:
        broker.append(b"key", b"0")
        consumer = broker.consumer()
        assert consumer.end_offsets([broker.partition]) == {broker.partition: 1}
        assert consumer.partitions_for_topic(broker.topic) == {0}
        assert not consumer.partitions_for_topic(f"{broker.topic}-nowhere")

    def test_lag_is_what_was_not_committed(self, broker: Broker) -> None:
        for number in range(3):
            broker.append(b"key", b"%d" % number)
        consumer = broker.consumer()
        take(consumer, 3)
        consumer.commit({broker.partition: OffsetAndMetadata(1, "", -1)})
        admin = broker.admin()
        (lag,) = read_lag(admin, broker.group, [broker.topic])
        assert (lag.committed, lag.end, lag.messages) == (1, 3, 2)
        admin.close()

    def test_a_group_that_committed_nothing_lags_by_everything(self, broker: Broker) -> None:
        broker.append(b"key", b"0")
        admin = broker.admin()
        (lag,) = read_lag(admin, f"{broker.group}-new", [broker.topic])
        assert (lag.committed, lag.messages) == (0, 1)
        admin.close()

    def test_the_retention_of_a_topic_is_what_was_set(self, broker: Broker) -> None:
        admin = broker.admin()
        for config, seconds in (
            ({"retention.ms": "5000", "cleanup.policy": "delete"}, 5.0),
            ({"retention.ms": "-1", "cleanup.policy": "delete"}, math.inf),
            ({"retention.ms": "5000", "cleanup.policy": "compact"}, math.inf),
        ):
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, broker.topic, configs=config)])
            assert _soon(lambda: read_retention(admin, [broker.topic]), {broker.topic: seconds})
        admin.close()

    def test_a_topic_that_is_there_is_not_made_again(self, broker: Broker) -> None:
        admin = broker.admin()
        wanted = {broker.topic: {"num_partitions": 1, "replication_factor": 1, "configs": {}}}
        with pytest.raises(TopicAlreadyExistsError):
            admin.create_topics(wanted)
        (found,) = admin.describe_topics([broker.topic])
        assert [partition["partition_index"] for partition in found["partitions"]] == [0]
        admin.close()
