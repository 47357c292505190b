"""The halt rule: a bad deploy must not drain a topic into the dead letters."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class HaltRule:
    """True from `halts` once more than `percent` of the last `window` messages were dead letters."""

    window: int
    percent: float
    _last: deque[bool] = field(init=False, default_factory=deque)
    _dead: int = field(init=False, default=0)

    def halts(self, *, dead: bool) -> bool:
        """Count one message; never true before the window is full."""
        self._last.append(dead)
        self._dead += dead
        if len(self._last) > self.window:
            self._dead -= self._last.popleft()
        return len(self._last) == self.window and self._dead * 100 > self.percent * self.window
