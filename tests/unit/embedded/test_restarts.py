"""Restarts are read from the supervisor's log."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from services.embedded.restarts import Restarts, count_restarts, read_restarts

NOW = datetime(2026, 3, 4, 12)  # noqa: DTZ001 - as supervisord writes it


def line(what: str, minutes_ago: float) -> str:
    return f"{NOW - timedelta(minutes=minutes_ago):%Y-%m-%d %H:%M:%S},123 INFO {what}"


def spawned(name: str, *minutes_ago: float) -> list[str]:
    return [line(f"spawned: '{name}' with pid 7", minutes) for minutes in minutes_ago]


def test_the_first_start_is_no_restart() -> None:
    assert count_restarts(spawned("dedup", 1), NOW) == {"dedup": Restarts(0, 0)}


def test_restarts_of_the_last_ten_minutes_are_recent() -> None:
    lines = [*spawned("dedup", 60, 30, 11, 9, 1), *spawned("worker-1", 60)]
    assert count_restarts(lines, NOW) == {"dedup": Restarts(4, 2), "worker-1": Restarts(0, 0)}


def test_three_recent_restarts_are_a_crash_loop() -> None:
    assert not Restarts(9, 2).is_crash_loop
    assert count_restarts(spawned("dedup", 3, 2, 1, 0), NOW)["dedup"].is_crash_loop


def test_what_was_before_the_last_up_does_not_count() -> None:
    lines = [*spawned("dedup", 9, 8, 7), line("supervisord started with pid 9", 5), *spawned("dedup", 5, 4)]
    assert count_restarts(lines, NOW) == {"dedup": Restarts(1, 1)}


def test_other_lines_are_passed_over() -> None:
    lines = ["", "no time", line("exited: dedup (exit status 75; not expected)", 1), *spawned("dedup", 1)]
    assert count_restarts(lines, NOW) == {"dedup": Restarts(0, 0)}


def test_the_older_part_of_the_log_is_read_first(tmp_path: Path) -> None:
    log = tmp_path / "supervisord.log"
    assert read_restarts(log, NOW) == {}
    log.write_text("\n".join(spawned("dedup", 2)))
    log.with_name("supervisord.log.1").write_text(
        "\n".join([line("supervisord started with pid 9", 60), *spawned("dedup", 50)])
    )
    assert read_restarts(log, NOW) == {"dedup": Restarts(1, 1)}
