"""Writes one JSON line for each round, and prints the table of all classes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.chaos.environment import ROOT
from tests.chaos.rounds import Result, Verdict

GOOD = frozenset({Verdict.HELD, Verdict.FOUND, Verdict.SKIPPED})
COLUMNS = ("class", "rounds", "messages", "lost", "doubled", "differing", "worst recovery, s", "verdict")


def commit_of(folder: Path = ROOT) -> str:
    """The short hash of the commit, with a `+` when something in the folder is changed."""
    command = ["git", "-C", str(folder)]
    head = subprocess.run([*command, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(
        [*command, "status", "--porcelain", "--", "schemas", "services"], capture_output=True, text=True, check=False
    )
    return (head.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def to_line(result: Result, commit: str, now: datetime | None = None) -> str:
    """The JSON line of a round."""
    values: dict[str, Any] = {
        "at": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "commit": commit,
        "class": result.fault,
        "seed": result.seed,
        "messages": result.messages,
        "lost": result.lost,
        "waiting": result.waiting,
        "doubled": result.doubled,
        "differing": result.differing,
        "recovery_seconds": result.recovery_seconds,
        "verdict": result.verdict.value,
        "needs": result.needs,
        "notes": result.notes,
    }
    return json.dumps(values, default=str)


def append(path: Path, line: str) -> None:
    """Append a line to a file."""
    with path.open("a", encoding="utf8") as file:
        file.write(line + "\n")


def worst(results: Iterable[Result]) -> Verdict:
    """The worst verdict of some rounds. Verdicts are listed from the worst to the best."""
    found = {result.verdict for result in results}
    return next(verdict for verdict in Verdict if verdict in found)


def is_good(results: Iterable[Result]) -> bool:
    """Whether no round lost or doubled anything, decided differently, or needs a person."""
    return all(result.verdict in GOOD for result in results)


def make_table(results: Sequence[Result]) -> Table:
    """One row for each class, in the order of their first rounds."""
    table = Table(box=None)
    for column in COLUMNS:
        table.add_column(
            column, justify="left" if column in {"class", "verdict"} else "right", no_wrap=column == "class"
        )
    for name in dict.fromkeys(result.fault for result in results):
        mine = [result for result in results if result.fault == name]
        sums = (sum(getattr(result, key) for result in mine) for key in ("messages", "lost", "doubled", "differing"))
        seconds = [result.recovery_seconds for result in mine]
        measured = [second for second in seconds if second is not None]
        verdict = worst(mine)
        recovery = f"{max(measured):.0f}" if measured and len(measured) == len(mine) else "never"
        if verdict is Verdict.SKIPPED:
            recovery = "-"
        row = (name, str(len(mine)), *map(str, sums), recovery, str(verdict.value))
        table.add_row(*row, style="" if verdict in GOOD else "bold red")
    return table
