"""Notices a consumer that has work and does not do it, and ends the process so that it is started again.

The probe has a Kafka client of its own: what it watches may be stuck in the service's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from services.common.exits import EXIT_TEMPORARY
from services.common.lag import PartitionLag, read_lag
from services.common.logging import get_logger
from services.common.metrics import LAG, PROGRESS
from services.common.settings import Settings
from services.common.topics import admin_client

INTERVAL_SECONDS = 5.0
START_SECONDS = 40.0
"""A service that Kafka answers has joined its group and begun by then (usually in 4 s), or never will."""
log = get_logger(__name__)


@dataclass(slots=True)
class StallDetector:
    """Tells when there was lag and no commit for `limit_seconds`; an excused moment starts the clock anew."""

    limit_seconds: float
    _committed: int = -1
    _since: float = field(default=0.0)

    def is_stalled(self, lags: Iterable[PartitionLag], now: float, *, excused: bool) -> bool:
        """Look at one measurement, taken at `now` seconds of a monotonic clock."""
        own = list(lags)
        committed = sum(lag.committed for lag in own)
        behind = any(lag.messages for lag in own)
        if excused or not behind or committed != self._committed:
            self._committed = committed
            self._since = now
            return False
        return now - self._since > self.limit_seconds


@dataclass(slots=True)
class StartDetector:
    """Tells when a service had `limit_seconds` with an answering Kafka and has never begun."""

    limit_seconds: float
    _waited: float = field(default=0.0)
    _last: float | None = field(default=None)

    def is_stuck(self, now: float, *, begun: bool) -> bool:
        """Look once at `now` seconds of a monotonic clock; call `pause` when Kafka did not answer."""
        if self._last is not None:
            self._waited += now - self._last
        self._last = now
        if begun:
            self._waited = 0.0
        return self._waited > self.limit_seconds

    def pause(self) -> None:
        """The time until the next look does not count."""
        self._last = None


@dataclass(slots=True)
class LivenessProbe:
    """Measures lag in a thread, publishes it, and ends the process when a detector says so.

    `assigned` tells the (topic, partition) pairs of this process; `is_excused` that an outage is being ridden out or
    the service has halted itself; `has_begun` that it has joined its group and takes messages.
    """

    settings: Settings
    service: str
    group: str
    topics: tuple[str, ...]
    assigned: Callable[[], set[tuple[str, int]]]
    is_excused: Callable[[], bool]
    has_begun: Callable[[], bool] = lambda: True
    _start: StartDetector = field(init=False, default_factory=lambda: StartDetector(START_SECONDS))

    def start(self) -> None:
        """Start the thread; it ends with the process."""
        threading.Thread(target=self._run, name="liveness", daemon=True).start()

    def _run(self) -> None:
        detector = StallDetector(self.settings.stall_seconds)
        while True:
            try:
                admin = admin_client(self.settings)
                try:
                    while True:
                        self._measure(read_lag(admin, self.group, self.topics), detector)
                        time.sleep(INTERVAL_SECONDS)
                finally:
                    admin.close()
            except Exception as error:  # noqa: BLE001 - a probe that dies sees nothing any more
                log.warning("lag is unknown", error=type(error).__name__)
                self._start.pause()
                detector = StallDetector(self.settings.stall_seconds)
                time.sleep(INTERVAL_SECONDS)

    def _measure(self, lags: list[PartitionLag], detector: StallDetector) -> None:
        for topic in self.topics:
            LAG.labels(self.service, topic).set(sum(lag.messages for lag in lags if lag.topic == topic))
        if self._start.is_stuck(time.monotonic(), begun=self.has_begun()):
            log.error("stuck at the start: Kafka answers and the service has not begun", start_seconds=START_SECONDS)
            os._exit(EXIT_TEMPORARY)
        assigned = self.assigned()
        own = [lag for lag in lags if (lag.topic, lag.partition) in assigned]
        before = detector._since  # noqa: SLF001 - same module
        if detector.is_stalled(own, time.monotonic(), excused=self.is_excused()):
            log.error("stalled: lag and no commit", stall_seconds=self.settings.stall_seconds)
            os._exit(EXIT_TEMPORARY)
        if detector._since != before:  # noqa: SLF001 - same module
            PROGRESS.labels(self.service).set_to_current_time()
