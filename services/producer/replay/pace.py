"""How fast a replay goes: at an average rate, or as time passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Pace:
    """Keeps an average rate; time lost to a slow broker is made up for by a burst of at most a second."""

    rate: float | None
    _next: float = field(default_factory=time.monotonic)

    def wait(self, count: int) -> None:
        """Sleep until `count` more are due."""
        if self.rate is None:
            return
        now = time.monotonic()
        self._next = max(self._next, now - 1.0) + count / self.rate
        if self._next > now:
            time.sleep(self._next - now)


@dataclass(slots=True)
class Clock:
    """Time as it passed, `speed` times as fast; it starts with the first time that is asked for."""

    speed: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _first: datetime | None = None
    _started: float = 0.0

    def seconds_until(self, at: datetime | None) -> float:
        """Seconds from now, of real time; zero or less for what is due, or has no time."""
        if at is None:
            return 0.0
        if self._first is None:
            self._first, self._started = at, self.now()
        return self._started + (at - self._first).total_seconds() / self.speed - self.now()

    def wait(self, at: datetime | None) -> None:
        """Sleep until it is due."""
        seconds = self.seconds_until(at)
        if seconds > 0:
            self.sleep(seconds)
