"""Writes one JSON line for each round, and makes the table of all classes from rounds or from such lines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.chaos.environment import ROOT
from tests.chaos.rounds import Result, Verdict

GOOD = frozenset({Verdict.HELD, Verdict.FOUND, Verdict.SKIPPED})
COLUMNS = ("class", "rounds", "messages", "lost", "doubled", "differing", "worst recovery, s", "verdict")
RESULT_KEYS = (
    *("seed", "messages", "lost", "waiting", "doubled", "differing"),
    *("recovery_seconds", "needs", "notes"),
)
"""What the JSON line of a round and its result call by the same name."""


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
        "verdict": result.verdict.value,
        **{key: getattr(result, key) for key in RESULT_KEYS},
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


def make_rows(results: Sequence[Result]) -> Iterator[tuple[Verdict, tuple[str, ...]]]:
    """The worst verdict and the cells of one row for each class, in the order of their first rounds."""
    for name in dict.fromkeys(result.fault for result in results):
        mine = [result for result in results if result.fault == name]
        sums = (sum(getattr(result, key) for result in mine) for key in ("messages", "lost", "doubled", "differing"))
        seconds = [result.recovery_seconds for result in mine]
        measured = [second for second in seconds if second is not None]
        verdict = worst(mine)
        recovery = f"{max(measured):.0f}" if measured and len(measured) == len(mine) else "never"
        if verdict is Verdict.SKIPPED:
            recovery = "-"
        yield verdict, (name, str(len(mine)), *map(str, sums), recovery, str(verdict.value))


def make_table(results: Sequence[Result]) -> Table:
    """The table for a terminal."""
    table = Table(box=None)
    for column in COLUMNS:
        table.add_column(
            column, justify="left" if column in {"class", "verdict"} else "right", no_wrap=column == "class"
        )
    for verdict, row in make_rows(results):
        table.add_row(*row, style="" if verdict in GOOD else "bold red")
    return table


def read_rounds(path: Path) -> Iterator[tuple[str, Result]]:
    """The commit and the result of every round in a file. A line that a kill has cut is left out."""
    with path.open(encoding="utf8") as file:
        for line in file:
            try:
                values = json.loads(line)
                result = Result(
                    fault=values["class"],
                    verdict=Verdict(values["verdict"]),
                    **{key: values[key] for key in RESULT_KEYS},
                )
                yield values["commit"], result
            except (ValueError, KeyError):
                continue


def to_markdown(rounds: Iterable[tuple[str, Result]]) -> str:
    """A table in Markdown, one row for each class. Only the rounds on the commit of its last round count.

    Rounds on older commits say nothing about the code of today.
    """
    found = list(rounds)
    newest = {result.fault: commit for commit, result in found}
    results = [result for commit, result in found if commit == newest[result.fault]]
    lines = [("commit", *COLUMNS), ("---",) * (len(COLUMNS) + 1)]
    lines += [(newest[row[0]], *row) for _, row in make_rows(results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
