"""A producer that loses nothing: a delivery is told once it is confirmed, in order, and a failure is never silent."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from services.common import producer as module
from services.common.producer import Delivered, DeliveryError, SafeProducer
from services.common.settings import Settings

CLOSING_SECONDS = 5


class Future:
    """kafka-python's future of a send; waiting for it is noted."""

    def __init__(self, kafka: BareKafka, offset: int) -> None:
        self.is_done = False
        self.error: Exception | None = None
        self._kafka = kafka
        self._offset = offset

    def get(self, timeout: float) -> Any:
        assert timeout > 120, "longer than Kafka's own delivery timeout"
        if not self.is_done:
            self._kafka.waits.append(self._offset)
        if self.error is not None:
            raise self.error
        return SimpleNamespace(topic="raw", partition=0, offset=self._offset)


class BareKafka:
    """kafka-python's producer; a future is done when the test says so, or somebody waits for it."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.futures: list[Future] = []
        self.sent: list[tuple[str, Any]] = []
        self.waits: list[int] = []
        self.refuses: deque[Exception] = deque()
        self.flush_error: Exception | None = None
        self.closed = False

    def __call__(self, **options: Any) -> BareKafka:
        self.options = options
        return self

    def send(self, topic: str, **message: Any) -> Future:
        if self.refuses:
            raise self.refuses.popleft()
        self.sent.append((topic, message))
        self.futures.append(Future(self, len(self.futures)))
        return self.futures[-1]

    def flush(self, timeout: float) -> None:
        assert timeout > 120 or timeout == CLOSING_SECONDS
        if self.flush_error is not None:
            raise self.flush_error
        for future in self.futures:
            future.is_done = True

    def close(self, timeout: float) -> None:
        assert timeout == CLOSING_SECONDS
        self.flush(timeout)  # as kafka-python's does
        self.closed = True


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> BareKafka:
    made = BareKafka()
    monkeypatch.setattr(module, "KafkaProducer", made)
    return made


@pytest.fixture
def producer(kafka: BareKafka, tmp_path: Path) -> SafeProducer:
    del kafka
    return SafeProducer(Settings(home=tmp_path, kafka_bootstrap="a:1,b:2"))


@pytest.mark.usefixtures("producer")
def test_the_producer_is_idempotent_and_waits_for_all(kafka: BareKafka) -> None:
    options = kafka.options
    assert (options["acks"], options["enable_idempotence"]) == ("all", True)
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert "retries" not in options


def test_messages_are_sent_whole(producer: SafeProducer, kafka: BareKafka) -> None:
    producer.send("raw", b"k", b"v", [("h", b"1")])
    producer.send("raw", b"k", None)
    assert kafka.sent == [
        ("raw", {"key": b"k", "value": b"v", "headers": [("h", b"1")]}),
        ("raw", {"key": b"k", "value": None, "headers": []}),
    ]


def test_deliveries_are_told_in_order_and_only_when_confirmed(producer: SafeProducer, kafka: BareKafka) -> None:
    told: list[int] = []
    for _ in range(3):
        producer.send("raw", b"k", b"v", on_delivered=lambda delivered: told.append(delivered.offset))
    kafka.futures[1].is_done = True
    producer.settle(leave_open=3)
    assert told == []
    kafka.futures[0].is_done = True
    producer.settle(leave_open=3)
    assert told == [0, 1]
    assert kafka.waits == []
    producer.flush()
    assert told == [0, 1, 2]


def test_a_delivery_says_where_the_message_lies(producer: SafeProducer) -> None:
    told: list[Delivered] = []
    producer.send("raw", b"k", b"v", on_delivered=told.append)
    producer.flush()
    assert told == [Delivered("raw", 0, 0)]


def test_too_many_open_sends_wait_for_the_oldest(
    producer: SafeProducer, kafka: BareKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory, and what a crash repeats, stay bounded."""
    monkeypatch.setattr(module, "MAX_IN_FLIGHT", 3)
    told: list[int] = []
    for _ in range(5):
        producer.send("raw", b"k", b"v", on_delivered=lambda delivered: told.append(delivered.offset))
    assert kafka.waits == told == [0, 1]
    assert len(producer._open) == 3


def test_a_message_that_is_not_confirmed_is_an_error_and_nothing_after_it_is_told(
    producer: SafeProducer, kafka: BareKafka
) -> None:
    told: list[int] = []
    for _ in range(3):
        producer.send("raw", b"k", b"v", on_delivered=lambda delivered: told.append(delivered.offset))
    kafka.futures[1].error = KafkaTimeoutError("no answer")
    with pytest.raises(DeliveryError, match="did not confirm"):
        producer.flush()
    assert told == [0]


def test_a_failure_shows_at_the_next_send(producer: SafeProducer, kafka: BareKafka) -> None:
    """Nobody has to flush to hear of it."""
    producer.send("raw", b"k", b"v")
    kafka.futures[0].error = KafkaTimeoutError("no answer")
    kafka.futures[0].is_done = True
    with pytest.raises(DeliveryError, match="did not confirm"):
        producer.send("raw", b"k", b"v")


def test_a_message_that_kafka_does_not_take_is_an_error(producer: SafeProducer, kafka: BareKafka) -> None:
    kafka.refuses.append(MessageSizeTooLargeError("large"))
    with pytest.raises(DeliveryError, match="does not take messages for raw"):
        producer.send("raw", b"k", b"v")
    assert not producer._open


def test_a_flush_that_is_not_answered_confirms_nothing(producer: SafeProducer, kafka: BareKafka) -> None:
    told: list[Delivered] = []
    producer.send("raw", b"k", b"v", on_delivered=told.append)
    kafka.flush_error = KafkaTimeoutError("no answer")
    with pytest.raises(DeliveryError):
        producer.flush()
    assert told == []


def test_leaving_gives_the_connections_back(producer: SafeProducer, kafka: BareKafka) -> None:
    """What is not confirmed by then was not promised: nobody waits for it."""
    with producer as entered:
        assert entered is producer
        producer.send("raw", b"k", b"v")
    assert kafka.closed
    assert kafka.waits == []


def test_closing_without_kafka_is_no_error_and_leaves_nothing_open(producer: SafeProducer, kafka: BareKafka) -> None:
    """kafka-python flushes at its close. Where that fails, its thread stays, and `__del__` prints a stack trace."""
    kafka.flush_error = KafkaTimeoutError("nobody is there")
    producer.close()
    assert kafka.closed
