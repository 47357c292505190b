"""A producer in memory, with `SafeProducer`'s surface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

from services.common.producer import Delivered, DeliveryError
from tests.fakes.kafka import FakeKafka

Headers = list[tuple[str, bytes]]


class FakeProducer:
    """Confirms what it was told to, in order, and fails from then on; what is confirmed lies in `kafka`."""

    def __init__(self, confirms: int = 10**9, kafka: FakeKafka | None = None) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None]] = []
        self.headers: list[Headers] = []
        self.kafka = kafka
        self._open: list[tuple[int, Callable[[Delivered], None] | None]] = []
        self._confirms = confirms

    def warm_up(self, topics: Iterable[str]) -> None:
        """Know every topic."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        on_delivered: Callable[[Delivered], None] | None = None,
    ) -> None:
        self._open.append((len(self.sent), on_delivered))
        self.sent.append((topic, key, value))
        self.headers.append(headers or [])

    def settle(self, leave_open: int = 0) -> None:  # noqa: ARG002 - every send is done at once here
        while self._open:
            number, on_delivered = self._open.pop(0)
            if self._confirms == 0:
                raise DeliveryError("gone")
            self._confirms -= 1
            topic, key, value = self.sent[number]
            offset = self.kafka.append(topic, key, value, self.headers[number]).offset if self.kafka else 0
            if on_delivered:
                on_delivered(Delivered(topic, 0, offset))

    def flush(self) -> None:
        self.settle()
        if self.kafka is not None:
            self.kafka.journal.append("flush")

    def close(self) -> None:
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
