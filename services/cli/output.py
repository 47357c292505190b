"""How commands speak: results on standard output, everything else on standard error."""

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
"""Lines are left to the terminal to wrap: a path or a command can be copied whole, also from a file."""


class RateColumn(ProgressColumn):
    """Steps a second, as soon as that is known."""

    def render(self, task: Task) -> Text:
        """The column of one bar."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def fail(message: str, code: int = 1) -> NoReturn:
    """A sentence on standard error and an exit code."""
    err.print(message, style="bold red", markup=False, soft_wrap=True)
    raise SystemExit(code)


def interrupt(*_: object) -> None:
    """A handler of SIGTERM: the command ends as with Ctrl-C, and undoes or stops what it has to."""
    raise KeyboardInterrupt


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def progress(*extra: Any) -> Progress:
    """A progress bar on standard error; silent where that is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *extra,
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err, transient=False, disable=not err.is_terminal)
