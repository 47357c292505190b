"""Output of the commands: results go to standard output, everything else to standard error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn

import typer
from rich.console import Console, ConsoleOptions, RenderableType
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
from rich.segment import Segment
from rich.text import Text

CONTROL: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]")
"""Control characters of data (C0 but tab and line end, DEL, C1). A terminal would obey them."""
C1: Final = re.compile("[\\x7f-\\x9f]")
"""Control characters that JSON allows in a string. They are written as escapes."""


class DataConsole(Console):
    """A console for text of strangers: no markup is read in it, and no control character reaches the terminal."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The parts of what is printed, with control characters replaced by U+FFFD."""
        for segment in super().render(renderable, options):
            if segment.control is None and CONTROL.search(segment.text):
                yield Segment(CONTROL.sub("\ufffd", segment.text), segment.style)
            else:
                yield segment


out = DataConsole()
err = DataConsole(stderr=True)
"""The terminal wraps long lines, so that a whole path or command can be copied, even from a file."""


class RateColumn(ProgressColumn):
    """Shows steps per second when the speed is known."""

    def render(self, task: Task) -> Text:
        """The text for one bar."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def fail(message: str, code: int = 1) -> NoReturn:
    """Print a sentence on standard error and end with an exit code."""
    err.print(message, style="bold red", soft_wrap=True)
    raise SystemExit(code)


def interrupt(*_: object) -> None:
    """Handle SIGTERM like Ctrl-C, so that the command cleans up before it ends."""
    raise KeyboardInterrupt


def print_json(value: Any) -> None:
    """Print one JSON value on standard output."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    typer.echo(C1.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


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
