"""The halt rule: a bad deploy must not drain a topic into the dead letters.

A halted service waits, takes one message to try, and goes on when that succeeds. Nobody has to act.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from schemas.dead_letter import ErrorClass
from services.common.logging import get_logger
from services.common.metrics import HALTED
from services.common.settings import Settings

DEPLOY_FAULTS: Final = frozenset({ErrorClass.INVALID_MESSAGE, ErrorClass.STAGE_FAILED, ErrorClass.REJECTED_DOCUMENT})
"""The errors that a deploy can cause. An article without a text, or one that is too large, says nothing of a deploy."""
MIN_SOURCES: Final = 3
"""A deploy hits every source. Fewer sources than this are faulty themselves."""
FIRST_WAIT_SECONDS: Final = 30.0
LAST_WAIT_SECONDS: Final = 600.0
SOURCE: Final = re.compile(rb'"source_id"\s*:\s*"([^"]{1,300})"')
UNREADABLE: Final = b""
"""The source of messages that name none."""
log = get_logger(__name__)


def source_of(value: bytes | None) -> bytes:
    """The source that a message names, whether or not it can be decoded."""
    found = SOURCE.search(value or b"")
    return found[1] if found else UNREADABLE


@dataclass(slots=True)
class HaltRule:
    """`halts` returns true when faults of several sources make more than `percent` of the last `window` messages."""

    window: int
    percent: float
    _last: deque[bytes | None] = field(init=False, default_factory=deque)
    _faults: int = field(init=False, default=0)

    def halts(self, *, faulty: bytes | None) -> bool:
        """Count one message. `faulty` is its source when a deploy can have caused its death.

        Never true before the window is full.
        """
        self._last.append(faulty)
        self._faults += faulty is not None
        if len(self._last) > self.window:
            self._faults -= self._last.popleft() is not None
        is_over = len(self._last) == self.window and self._faults * 100 > self.percent * self.window
        return is_over and len({source for source in self._last if source is not None}) >= MIN_SOURCES

    def forget(self) -> None:
        """Start with an empty window."""
        self._last.clear()
        self._faults = 0


@dataclass(slots=True)
class Halt:
    """Whether a service has halted itself, and for how long. `now` is a clock in seconds."""

    settings: Settings
    service: str
    now: Callable[[], float] = time.monotonic
    _until: float | None = field(init=False, default=None)
    _wait: float = field(init=False, default=0.0)
    _rule: HaltRule = field(init=False)

    def __post_init__(self) -> None:
        self._rule = HaltRule(self.settings.halt_window, self.settings.halt_percent)
        HALTED.labels(self.service).set(0)

    @property
    def is_halted(self) -> bool:
        """Whether the service takes no messages now, or only one to try."""
        return self._until is not None

    def seconds_left(self) -> float:
        """Seconds until the next message may be taken. 0 when it may be taken now."""
        return 0.0 if self._until is None else max(0.0, self._until - self.now())

    def count(self, error: ErrorClass | None, source: bytes) -> bool:
        """Count the outcome of one message and return whether the service is halted. `error` is None for a success."""
        is_fault = error in DEPLOY_FAULTS
        if self._until is not None:
            if self.seconds_left() == 0.0:
                self._tried(is_fault=is_fault)
        elif self._rule.halts(faulty=source if is_fault else None):
            self._halt(FIRST_WAIT_SECONDS)
        return self.is_halted

    def _tried(self, *, is_fault: bool) -> None:
        """One message was tried after a halt."""
        if is_fault:
            self._halt(min(LAST_WAIT_SECONDS, self._wait * 2))
            return
        self._until = None
        self._rule.forget()
        HALTED.labels(self.service).set(0)
        log.info("the halt is over: a message could be handled")

    def _halt(self, seconds: float) -> None:
        self._wait, self._until = seconds, self.now() + seconds
        HALTED.labels(self.service).set(1)
        log.error(
            "halted: messages of several sources became dead letters. The next one is tried after the wait",
            percent=self.settings.halt_percent,
            window=self.settings.halt_window,
            seconds=seconds,
        )
