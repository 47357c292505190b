"""Lag is what a group has still to do, partition by partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.structs import OffsetAndTimestamp

from services.common.lag import PartitionLag, read_lag
from tests.fakes import FakeAdmin, FakeKafka

FIRST, SECOND = TopicPartition("raw", 0), TopicPartition("raw", 1)


class TrimmedAdmin(FakeAdmin):
    """An admin client of a broker whose retention has removed the first three messages."""

    def list_partition_offsets(self, specs: Mapping[TopicPartition, Any]) -> dict[TopicPartition, OffsetAndTimestamp]:
        offsets = super().list_partition_offsets(specs)
        return {
            partition: OffsetAndTimestamp(3, -1, -1) if specs[partition] == OffsetSpec.EARLIEST else offset
            for partition, offset in offsets.items()
        }


def filled() -> FakeKafka:
    kafka = FakeKafka()
    for partition, count in ((0, 10), (1, 4)):
        for _ in range(count):
            kafka.append("raw", b"k", b"v", partition=partition)
    return kafka


def test_lag_counts_from_the_committed_offset_or_the_logs_start() -> None:
    kafka = filled()
    kafka.committed["worker", FIRST] = 7
    kafka.committed["another", SECOND] = 4
    assert read_lag(FakeAdmin(kafka), "worker", ["raw"]) == [
        PartitionLag("raw", 0, committed=7, end=10),
        PartitionLag("raw", 1, committed=0, end=4),
    ]


def test_a_commit_of_the_first_offset_is_a_commit() -> None:
    kafka = filled()
    kafka.committed["worker", FIRST] = 0
    assert read_lag(TrimmedAdmin(kafka), "worker", ["raw"])[0].messages == 7


def test_what_retention_has_removed_is_nobodys_work() -> None:
    kafka = filled()
    kafka.committed["worker", FIRST] = 1
    lags = read_lag(TrimmedAdmin(kafka), "worker", ["raw"])
    assert [(lag.committed, lag.messages) for lag in lags] == [(3, 7), (3, 1)]


def test_topics_that_are_not_there_have_no_lag() -> None:
    assert read_lag(FakeAdmin(FakeKafka()), "worker", ["raw", "stories"]) == []


def test_a_group_ahead_of_a_log_that_was_made_anew_is_not_behind() -> None:
    assert PartitionLag("raw", 0, committed=9, end=2).messages == 0
