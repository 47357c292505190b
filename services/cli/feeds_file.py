"""Reads and changes the feeds file for the `feeds` commands. Errors end in sentences, not in stack traces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import err, fail

if TYPE_CHECKING:
    from schemas.feed import Feed, FeedsFile
    from services.producer.settings import ProducerSettings

File = Annotated[Path | None, typer.Option("--feeds", help="The feeds file (default: DRAGOMAN_FEEDS).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EXIT_UNUSABLE = 2


@contextmanager
def writing(settings: ProducerSettings) -> Iterator[None]:
    """Run a block that writes the feeds file. An error ends the command with a sentence."""
    from services.producer.feeds.file import FeedsFileError

    try:
        yield
    except FeedsFileError as error:
        fail(str(error), code=EXIT_UNUSABLE)
    except OSError as error:
        fail(f"{settings.feeds} cannot be written: {error.strerror}.", code=EXIT_UNUSABLE)


def settings_of(file: Path | None) -> ProducerSettings:
    """The producer's settings, with this feeds file if one is given. A new home gets its first feeds file."""
    from services.producer.feeds.file import make_first_file
    from services.producer.settings import ProducerSettings

    settings = ProducerSettings() if file is None else ProducerSettings(feeds=file)
    with writing(settings):
        source = make_first_file(settings)
    if source is not None:
        err.print(f"Made {settings.feeds} from {source}.", style="dim", soft_wrap=True)
    return settings


def load(settings: ProducerSettings) -> FeedsFile:
    """The feeds file. If it has mistakes, the command ends and lists all of them."""
    from services.producer.feeds.file import FeedsFileError, load_feeds

    if not settings.feeds.exists():
        fail(
            f"There is no feeds file {settings.feeds}. `dragoman feeds add URL` makes it. Or set DRAGOMAN_FEEDS.",
            code=EXIT_UNUSABLE,
        )
    try:
        return load_feeds(settings.feeds)
    except FeedsFileError as error:
        fail(str(error), code=EXIT_UNUSABLE)


def append(settings: ProducerSettings, feeds: list[Feed]) -> None:
    """Write feeds to the file. An error ends the command with a sentence."""
    from services.producer.feeds.admin import append_feeds

    with writing(settings):
        append_feeds(settings, feeds)
