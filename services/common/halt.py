"""The halt rule: a bad deploy must not drain a topic into the dead letters."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from services.common.logging import get_logger
from services.common.metrics import HALTED
from services.common.settings import Settings

log = get_logger(__name__)


@dataclass(slots=True)
class HaltRule:
    """`halts` returns true when more than `percent` of the last `window` messages were dead letters."""

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


@dataclass(slots=True)
class Halt:
    """Whether a service has halted itself. It stays halted until a person restarts the process."""

    settings: Settings
    service: str
    is_halted: bool = field(init=False, default=False)
    _rule: HaltRule = field(init=False)

    def __post_init__(self) -> None:
        self._rule = HaltRule(self.settings.halt_window, self.settings.halt_percent)

    def count(self, *, dead: bool) -> bool:
        """Count the outcome of one message and return whether the service is halted. The first time is logged."""
        if self._rule.halts(dead=dead) and not self.is_halted:
            self.is_halted = True
            HALTED.labels(self.service).set(1)
            log.error(
                "halted: too many dead letters. Fix the cause and restart the service",
                percent=self.settings.halt_percent,
                window=self.settings.halt_window,
            )
        return self.is_halted
