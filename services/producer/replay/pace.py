"""The speed of a replay: an average rate, or the original time between articles."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Pace:
    """Keeps an average rate. After a slow broker it catches up with a burst of at most one second."""

    rate: float | None
    _next: float = field(default_factory=time.monotonic)

    def wait(self, count: int) -> None:
        """Sleep until `count` more articles are due."""
        if self.rate is None:
            return
        now = time.monotonic()
        self._next = max(self._next, now - 1.0) + count / self.rate
        if self._next > now:
            time.sleep(self._next - now)


@dataclass(slots=True)
class Clock:
    """A clock of the original time that runs `speed` times as fast. It starts at the first requested time."""

    speed: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _first: datetime | None = None
    _started: float = 0.0

    def seconds_until(self, at: datetime | None) -> float:
        """Seconds of real time until `at`. Zero or less when `at` is due or None."""
        if at is None:
            return 0.0
        if self._first is None:
            self._first, self._started = at, self.now()
        return self._started + (at - self._first).total_seconds() / self.speed - self.now()

    def wait(self, at: datetime | None) -> None:
        """Sleep until `at` is due."""
        seconds = self.seconds_until(at)
        if seconds > 0:
            self.sleep(seconds)
