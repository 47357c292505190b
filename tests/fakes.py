"""Stand-ins that behave: no mocks."""

from __future__ import annotations

from collections.abc import Callable

from services.common.producer import Delivered, DeliveryError


class FakeProducer:
    """Confirms what it was told to, in order, and fails from then on."""

    def __init__(self, confirms: int = 10**9) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None]] = []
        self._open: list[tuple[str, Callable[[Delivered], None] | None]] = []
        self._confirms = confirms

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,  # noqa: ARG002 - the real one's signature
        on_delivered: Callable[[Delivered], None] | None = None,
    ) -> None:
        self.sent.append((topic, key, value))
        self._open.append((topic, on_delivered))

    def settle(self, leave_open: int = 0) -> None:  # noqa: ARG002 - every send is done at once here
        while self._open:
            topic, on_delivered = self._open.pop(0)
            if self._confirms == 0:
                raise DeliveryError("gone")
            self._confirms -= 1
            if on_delivered:
                on_delivered(Delivered(topic, 0, 0))

    def flush(self) -> None:
        self.settle()

    def close(self) -> None:
        self._open.clear()
