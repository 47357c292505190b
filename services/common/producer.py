"""A kafka-python producer that loses nothing: it is idempotent, uses acks=all and checks every future."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from services.common.kafka import client_options
from services.common.settings import Settings

MAX_IN_FLIGHT = 2000
"""Maximum number of sends without a confirmation. It limits memory and the work that is repeated after a crash."""


class DeliveryError(Exception):
    """Kafka did not confirm a message. The message may or may not be stored, so send it again."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a confirmed message is stored."""

    topic: str
    partition: int
    offset: int


@dataclass(slots=True)
class SafeProducer:
    """Sends in order. It calls `on_delivered` only after the broker has confirmed."""

    settings: Settings
    _producer: Any = field(init=False)
    _open: deque[tuple[Any, Callable[[Delivered], None] | None]] = field(init=False, default_factory=deque)

    def __post_init__(self) -> None:
        self._producer = KafkaProducer(
            **client_options(self.settings),
            client_id=self.settings.name("dragoman-producer"),
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=10,
            batch_size=256 * 1024,
            max_request_size=self.settings.max_request_bytes,
            max_block_ms=15_000,
            delivery_timeout_ms=120_000,
            request_timeout_ms=30_000,
        )

    def warm_up(self, topics: Iterable[str]) -> None:
        """Read the partitions of topics, so that `send` need not wait for them. Raises KafkaError if Kafka is away."""
        for topic in topics:
            self._producer.partitions_for(topic)

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,
        on_delivered: Callable[[Delivered], None] | None = None,
    ) -> None:
        """Hand over one message. Raises DeliveryError if an earlier message failed."""
        try:
            future = self._producer.send(topic, key=key, value=value, headers=headers or [])
        except KafkaError as error:
            raise DeliveryError(f"Kafka does not take messages for {topic}: {error}") from error
        self._open.append((future, on_delivered))
        self.settle(MAX_IN_FLIGHT)

    def settle(self, leave_open: int = 0) -> None:
        """Check finished sends, oldest first, until at most `leave_open` are open. A failed send: DeliveryError."""
        while self._open and (len(self._open) > leave_open or self._open[0][0].is_done):
            future, on_delivered = self._open.popleft()
            try:
                metadata = future.get(timeout=130)
            except KafkaError as error:
                raise DeliveryError(f"Kafka did not confirm a message: {error}") from error
            if on_delivered is not None:
                on_delivered(Delivered(metadata.topic, metadata.partition, metadata.offset))

    def flush(self) -> None:
        """Wait until every message is confirmed."""
        try:
            self._producer.flush(timeout=130)
        except KafkaError as error:
            raise DeliveryError(f"Kafka did not confirm a message: {error}") from error
        self.settle()

    def close(self) -> None:
        """Close the connections. Messages that are not confirmed yet may be lost: `flush` tells of those."""
        with suppress(KafkaError):
            self._producer.flush(timeout=5)
        # close() flushes again. Where that fails it leaves its thread behind, and fails once more when it is collected.
        self._producer.flush = lambda timeout=None: None  # noqa: ARG005 - the signature of kafka-python
        self._producer.close(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
