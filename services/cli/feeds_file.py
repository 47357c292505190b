"""What the commands on feeds share: the feeds file, read and changed with sentences instead of stack traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import fail

if TYPE_CHECKING:
    from schemas.feed import Feed, FeedsFile
    from services.producer.settings import ProducerSettings
    from services.producer.state import FeedState

File = Annotated[Path | None, typer.Option("--feeds", help="The feeds file (default: DRAGOMAN_FEEDS).")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
EXIT_UNUSABLE = 2


def settings_of(file: Path | None) -> ProducerSettings:
    """The producer's settings, with another feeds file where one is named."""
    from services.producer.settings import ProducerSettings

    return ProducerSettings() if file is None else ProducerSettings(feeds=file)


def load(settings: ProducerSettings) -> FeedsFile:
    """The feeds file, or the end with every mistake that is in it."""
    from services.producer.feeds_file import FeedsFileError, load_feeds

    if not settings.feeds.exists():
        fail(
            f"There is no feeds file {settings.feeds}. `dragoman feeds add URL` makes it; DRAGOMAN_FEEDS names another",
            code=EXIT_UNUSABLE,
        )
    try:
        return load_feeds(settings.feeds)
    except FeedsFileError as error:
        fail(str(error), code=EXIT_UNUSABLE)


def append(settings: ProducerSettings, feeds: list[Feed]) -> None:
    """Write feeds to the file, or end with a sentence."""
    from services.producer.feeds_file import FeedsFileError, add_feed, edit_feeds

    def change(listed: Any) -> None:
        for feed in feeds:
            add_feed(listed, feed)

    try:
        edit_feeds(settings.feeds, change)
    except FeedsFileError as error:
        fail(str(error), code=EXIT_UNUSABLE)
    except OSError as error:
        fail(f"{settings.feeds} cannot be written: {error.strerror}.", code=EXIT_UNUSABLE)


def read_states(settings: ProducerSettings) -> dict[str, FeedState]:
    """What the producer's store knows of each feed; nothing where nothing was collected yet."""
    from services.producer.state import FeedState
    from services.producer.store import Store

    if not settings.store_file.exists():
        return {}
    store = Store(settings.store_file)
    try:
        return {name: FeedState.model_validate_json(text) for name, text in store.feed_states().items()}
    finally:
        store.close()


def with_children(file: FeedsFile, states: dict[str, FeedState]) -> list[Feed]:
    """The feeds of the file, each OPML list followed by those on it."""
    from services.producer.collect import children_of

    return [one for feed in file.feeds for one in (feed, *children_of(feed, states.get(feed.id)))]
