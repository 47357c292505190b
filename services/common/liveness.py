"""Detects a consumer that has work but does not do it, and ends the process so that it is restarted.

The probe has its own Kafka client, because the client of the service may be stuck.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kafka.admin import KafkaAdminClient

from services.common.exits import EXIT_TEMPORARY
from services.common.lag import PartitionLag, read_ages, read_lag, read_retention
from services.common.logging import get_logger
from services.common.metrics import LAG, LAG_AGE, PROGRESS, RETENTION
from services.common.settings import Settings
from services.common.topics import admin_client

INTERVAL_SECONDS = 5.0
START_SECONDS = 40.0
"""If Kafka answers, a service joins its group and begins within this time (usually in 4 s). If not, it never will."""
AGE_SECONDS = 30.0
"""Time between two looks at the age of the lag: it reads messages, so it costs more than the lag itself."""
log = get_logger(__name__)


@dataclass(slots=True)
class StallDetector:
    """Detects lag without a commit for `limit_seconds`. An excused moment restarts the clock."""

    limit_seconds: float
    _committed: int = -1
    _since: float = field(default=0.0)

    def is_stalled(self, lags: Iterable[PartitionLag], now: float, *, excused: bool) -> bool:
        """Check one measurement. It was taken at `now` seconds of a monotonic clock."""
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
    """Detects a service that has not begun although Kafka answered for `limit_seconds`."""

    limit_seconds: float
    _waited: float = field(default=0.0)
    _last: float | None = field(default=None)

    def is_stuck(self, now: float, *, begun: bool) -> bool:
        """Check once, at `now` seconds of a monotonic clock. If Kafka does not answer, call `pause` instead."""
        if self._last is not None:
            self._waited += now - self._last
        self._last = now
        if begun:
            self._waited = 0.0
        return self._waited > self.limit_seconds

    def pause(self) -> None:
        """Do not count the time until the next check."""
        self._last = None


@dataclass(slots=True)
class LivenessProbe:
    """Measures lag in a thread, publishes it, and ends the process when a detector says so.

    `assigned` returns the (topic, partition) pairs of this process. `is_excused` is true while a missing commit is
    expected, for example during an outage or after the service has halted itself. `has_begun` is true when the service
    has joined its group and takes messages.
    """

    settings: Settings
    service: str
    group: str
    topics: tuple[str, ...]
    assigned: Callable[[], set[tuple[str, int]]]
    is_excused: Callable[[], bool]
    has_begun: Callable[[], bool] = lambda: True
    _was_missing: bool = field(init=False, default=False)
    _next_age: float = field(init=False, default=0.0)
    _start: StartDetector = field(init=False, default_factory=lambda: StartDetector(START_SECONDS))

    def start(self) -> None:
        """Start the thread. It ends with the process."""
        threading.Thread(target=self._run, name="liveness", daemon=True).start()

    def _run(self) -> None:
        detector = StallDetector(self.settings.stall_seconds)
        while True:
            try:
                admin = admin_client(self.settings)
                try:
                    while True:
                        lags = read_lag(admin, self.group, self.topics)
                        self._require_topics(lags)
                        self._measure(lags, detector)
                        self._measure_age(admin, lags)
                        time.sleep(INTERVAL_SECONDS)
                finally:
                    admin.close()
            except Exception as error:  # noqa: BLE001 - the probe must go on after any error
                log.warning("lag is unknown", error=type(error).__name__)
                self._start.pause()
                detector = StallDetector(self.settings.stall_seconds)
                time.sleep(INTERVAL_SECONDS)

    def _measure_age(self, admin: KafkaAdminClient, lags: list[PartitionLag]) -> None:
        """Publish how old the lag is, and at which age Kafka removes it. Nothing depends on it, so it may fail."""
        if not any(lag.messages for lag in lags):
            for topic in self.topics:
                LAG_AGE.labels(self.service, topic).set(0)
        if time.monotonic() < self._next_age:
            return
        self._next_age = time.monotonic() + AGE_SECONDS
        try:
            ages, retention = read_ages(self.settings, lags), read_retention(admin, self.topics)
        except Exception as error:  # noqa: BLE001 - the probe must go on after any error
            log.warning("the age of the lag is unknown", error=type(error).__name__)
            return
        for topic in self.topics:
            if topic in ages:
                LAG_AGE.labels(self.service, topic).set(ages[topic])
            RETENTION.labels(topic).set(retention[topic])

    def _require_topics(self, lags: list[PartitionLag]) -> None:
        """End the process when a topic is missing at two looks in a row: the next start makes it again."""
        missing = sorted(set(self.topics) - {lag.topic for lag in lags})
        if missing and self._was_missing:
            log.error("a topic was deleted; starting again to make it", topics=missing)
            os._exit(EXIT_TEMPORARY)
        self._was_missing = bool(missing)

    def _measure(self, lags: list[PartitionLag], detector: StallDetector) -> None:
        for topic in self.topics:
            LAG.labels(self.service, topic).set(sum(lag.messages for lag in lags if lag.topic == topic))
        if self._start.is_stuck(time.monotonic(), begun=self.has_begun()):
            log.error("stuck at the start: Kafka answers, but the service has not begun", start_seconds=START_SECONDS)
            os._exit(EXIT_TEMPORARY)
        assigned = self.assigned()
        own = [lag for lag in lags if (lag.topic, lag.partition) in assigned]
        before = detector._since  # noqa: SLF001 - same module
        if detector.is_stalled(own, time.monotonic(), excused=self.is_excused()):
            log.error("stalled: there is lag but no commit", stall_seconds=self.settings.stall_seconds)
            os._exit(EXIT_TEMPORARY)
        if detector._since != before:  # noqa: SLF001 - same module
            PROGRESS.labels(self.service).set_to_current_time()
