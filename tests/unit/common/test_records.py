"""A whole topic is read from its beginning to its end, or the reader says that it was not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from schemas.topics import DEAD
from services.common import records
from services.common.records import READ_TIMEOUT_SECONDS, read_records
from services.common.settings import Settings
from tests.fakes import FakeConsumer, FakeKafka

PARTITION = TopicPartition("articles.dead", 0)


class Consumers:
    """Makes consumers and keeps them."""

    def __init__(self, kafka: FakeKafka) -> None:
        self.kafka = kafka
        self.made: list[FakeConsumer] = []
        self.options: list[dict[str, Any]] = []

    def __call__(self, **options: Any) -> FakeConsumer:
        self.options.append(options)
        self.made.append(FakeConsumer(self.kafka, on_poll=self.polled))
        return self.made[-1]

    def polled(self, _: int) -> None:
        """Somebody else writes while we read."""
        if len(self.kafka.logs[PARTITION]) < 2000:
            self.kafka.append("articles.dead", b"later", b"v")


@pytest.fixture
def consumers(monkeypatch: pytest.MonkeyPatch) -> Consumers:
    made = Consumers(FakeKafka())
    made.kafka.make_topic("articles.dead")
    monkeypatch.setattr(records, "KafkaConsumer", made)
    return made


def test_every_record_up_to_the_end_comes_in_order(consumers: Consumers, tmp_path: Path) -> None:
    """Two polls' worth; what comes meanwhile may be left, and never keeps the reader there for ever."""
    for number in range(700):
        consumers.kafka.append("articles.dead", str(number).encode(), b"v")
    read = [record.offset for record in read_records(Settings(home=tmp_path), DEAD)]
    assert read[:700] == list(range(700))
    assert len(read) <= 702
    assert consumers.made[0].closed


def test_an_empty_topic_has_no_records(consumers: Consumers, tmp_path: Path) -> None:
    assert list(read_records(Settings(home=tmp_path), DEAD)) == []
    assert consumers.made[0].closed


def test_the_reader_joins_no_group_and_commits_nothing(consumers: Consumers, tmp_path: Path) -> None:
    """A committed offset would hide letters from the next reader."""
    settings = Settings(home=tmp_path)
    consumers.kafka.append("articles.dead", b"k", b"v")
    for _ in range(2):
        assert next(read_records(settings, DEAD)).offset == 0
    assert consumers.kafka.committed == {}
    for options in consumers.options:
        assert "group_id" not in options
        assert options["enable_auto_commit"] is False
        assert options["max_partition_fetch_bytes"] >= settings.max_request_bytes


def test_who_stops_reading_leaves_no_consumer(consumers: Consumers, tmp_path: Path) -> None:
    consumers.kafka.append("articles.dead", b"k", b"v")
    reader = read_records(Settings(home=tmp_path), DEAD)
    next(reader)
    reader.close()  # type: ignore[attr-defined]  # a generator
    assert consumers.made[0].closed


def test_a_broker_that_gives_no_more_is_an_error_and_no_end(
    consumers: Consumers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the letters must not pass for all of them."""
    consumers.kafka.append("articles.dead", b"k", b"v")
    monkeypatch.setattr(FakeConsumer, "poll", lambda *_, **__: {})
    moments = iter((0.0, READ_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS + 1))
    monkeypatch.setattr(records, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    with pytest.raises(KafkaTimeoutError, match=r"articles\.dead could not be read to its end"):
        list(read_records(Settings(home=tmp_path), DEAD))
    assert consumers.made[0].closed
