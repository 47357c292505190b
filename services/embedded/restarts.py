"""How often each process was started again, read from the log of the supervisor."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

CRASH_WINDOW = timedelta(minutes=10)
CRASH_LOOP = 3
"""A process that was started again so often within `CRASH_WINDOW` is in a crash loop."""
LINE = re.compile(r"^(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \w+ (?P<what>.*)$")
SPAWNED = re.compile(r"^spawned: '(?P<name>[^']+)' with pid \d+$")
STARTED = "supervisord started with pid"


@dataclass(frozen=True, slots=True)
class Restarts:
    """The number of restarts since `up`, and of those in the last ten minutes."""

    total: int
    recent: int

    @property
    def is_crash_loop(self) -> bool:
        """Whether the process ends again and again."""
        return self.recent >= CRASH_LOOP


def read_restarts(log: Path, now: datetime | None = None) -> dict[str, Restarts]:
    """The restarts of each process since the last `up`. Empty without a log. `now` is local time, as in the log."""
    lines: list[str] = []
    for path in (log.with_name(f"{log.name}.1"), log):  # supervisord keeps one older part
        if path.is_file():
            lines += path.read_text(encoding="utf8", errors="replace").splitlines()
    return count_restarts(lines, now or datetime.now())  # noqa: DTZ005 - the log is in local time


def count_restarts(lines: Iterable[str], now: datetime) -> dict[str, Restarts]:
    """The same from the lines of the log."""
    starts: dict[str, list[datetime]] = {}
    for line in lines:
        match = LINE.match(line)
        if match is None:
            continue
        if match["what"].startswith(STARTED):
            starts.clear()
        elif spawned := SPAWNED.match(match["what"]):
            starts.setdefault(spawned["name"], []).append(datetime.fromisoformat(match["at"]))
    return {
        name: Restarts(len(every) - 1, sum(now - at < CRASH_WINDOW for at in every[1:]))
        for name, every in starts.items()
    }
