"""Output of the commands: results go to standard output, everything else to standard error."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""The terminal wraps long lines, so that a whole path or command can be copied, even from a file."""


class RateColumn(ProgressColumn):
    """Shows steps per second when the speed is known."""

    def render(self, task: Task) -> Text:
        """The text for one bar."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def fail(message: str, code: int = 1) -> NoReturn:
    """Print a sentence on standard error and end with an exit code."""
    err.print(message, style="bold red", markup=False, soft_wrap=True)
    raise SystemExit(code)


def interrupt(*_: object) -> None:
    """Handle SIGTERM like Ctrl-C, so that the command cleans up before it ends."""
    raise KeyboardInterrupt


def print_json(value: Any) -> None:
    """Print one JSON value on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def progress(*extra: Any) -> Progress:
    """A progress bar on standard error. It shows nothing if standard error is not a terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *extra,
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err, transient=False, disable=not err.is_terminal)
