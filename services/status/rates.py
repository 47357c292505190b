"""Rates of outcomes over the last minute, from counts that are read again and again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

WINDOW_SECONDS: Final = 60.0
Outcomes = dict[str, dict[str, int]]
"""Counts by service and outcome."""


@dataclass(slots=True)
class Rates:
    """The counts of the last minute. `add` takes them at a time in seconds of a monotonic clock."""

    _seen: deque[tuple[float, Outcomes]] = field(default_factory=deque)

    def add(self, now: float, outcomes: Outcomes) -> None:
        """Note the counts of a moment. Counts that are older than a minute are forgotten, except the last of them."""
        self._seen.append((now, outcomes))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_SECONDS:
            self._seen.popleft()

    def per_second(self) -> dict[str, dict[str, float]]:
        """The rate of each outcome. A count that fell began anew with its process. Its rate is unknown and left out."""
        if len(self._seen) < 2:
            return {}
        (before, old), (now, new) = self._seen[0], self._seen[-1]
        seconds = max(now - before, 0.001)
        return {
            service: {
                name: (count - old.get(service, {}).get(name, 0)) / seconds
                for name, count in counts.items()
                if count >= old.get(service, {}).get(name, 0)
            }
            for service, counts in new.items()
        }

    def dead_per_minute(self) -> float:
        """Dead letters of all services per minute."""
        return 60 * sum(rates.get("dead", 0.0) for rates in self.per_second().values())
