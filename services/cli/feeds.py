"""`dragoman feeds list|check|test|add|pause|resume|import|export`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli import feeds_online
from services.cli.feeds_file import EXIT_UNUSABLE, File, Json, append, load, settings_of, writing
from services.cli.output import err, fail, out, print_json

app = typer.Typer(help="List, check, test, add, pause, import and export feeds.", no_args_is_help=True)
app.command("test")(feeds_online.try_feed)
app.command("add")(feeds_online.add)

Ids = Annotated[list[str], typer.Argument(help="Ids of feeds.", show_default=False)]
STYLES = {"failing": "red", "silent": "yellow", "paused": "dim", "new": "cyan"}


# --- list and check ---------------------------------------------------------------------------------------------------


@app.command("list")
def list_feeds(
    file: File = None,
    failing: Annotated[bool, typer.Option("--failing", help="Only feeds that fail or are silent.")] = False,
    as_json: Json = False,
) -> None:
    """Show every feed: its state, last success, next poll, entries per day, and why it fails.

    A feed is silent if it had no new entry for three times its longest gap so far, and for at least one day.

    Example: `dragoman feeds list --failing`.
    """
    from services.producer.feeds.admin import feed_rows

    settings = settings_of(file)
    rows = feed_rows(settings, load(settings))
    if failing:
        rows = [row for row in rows if row["state"] in ("failing", "silent")]
    if as_json:
        print_json(rows)
        return
    if not rows:
        out.print("No feed fails or is silent." if failing else f"No feeds in {settings.feeds} yet.")
        return
    out.print(_to_table(rows))


def _to_table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    now = datetime.now(UTC)
    table = Table(box=None)
    for column in ("feed", "state", "last success", "next poll", "a day", "errors", "remarks"):
        right = column in ("a day", "errors")
        table.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=column == "state")
    for row in rows:
        table.add_row(
            row["id"],
            row["state"],
            ago(row["last_success_at"], now),
            ahead(row["next_poll_at"], now),
            f"{row['entries_a_day']:g}",
            str(row["error_streak"] or ""),
            _remark(row, now),
            style=STYLES.get(row["state"], ""),
        )
    return table


def _remark(row: dict[str, Any], now: datetime) -> str:
    parts = [row["error"]] if row["error"] else []
    if row["silent_since"]:
        parts.append(f"nothing new since {ago(row['silent_since'], now)}")
    if row["moved_to"]:
        parts.append(f"moved to {row['moved_to']}")
    return "; ".join([*parts, *row["notes"][:2]])


def ago(at: datetime | None, now: datetime) -> str:
    """`3 min ago`, or `-` for never."""
    return "-" if at is None else f"{_span((now - at).total_seconds())} ago"


def ahead(at: datetime | None, now: datetime) -> str:
    """`in 3 min`, or `now` if it is due."""
    if at is None:
        return "-"
    seconds = (at - now).total_seconds()
    return "now" if seconds < 1 else f"in {_span(seconds)}"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size * 1.5:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


@app.command()
def check(file: File = None, as_json: Json = False) -> None:
    """Check the feeds file. Show every mistake with its line and field, and variables that are not set.

    Nothing is fetched. The exit code is 0 if the file is correct, 2 if it has mistakes.

    Example: `dragoman feeds check --feeds my-feeds.yaml`.
    """
    from services.producer.feeds.file import FeedsFileError, load_feeds, missing_variables

    settings = settings_of(file)
    problems: list[dict[str, Any]] = []
    warnings: list[str] = []
    feeds = 0
    try:
        loaded = load_feeds(settings.feeds)
        feeds = len(loaded.feeds)
        for feed in loaded.feeds:
            warnings += [f"{feed.id}: {name} is not set in this environment" for name in missing_variables(feed)]
            if feed.path is not None and not (settings.feeds.parent / feed.path).exists():
                warnings.append(f"{feed.id}: {settings.feeds.parent / feed.path} does not exist yet")
    except FeedsFileError as error:
        problems = [
            {"file": str(found.path), "line": found.line, "field": found.field, "message": found.message}
            for found in error.problems
        ]
        if not as_json:
            fail(str(error), code=EXIT_UNUSABLE)
    if as_json:
        print_json({"file": str(settings.feeds), "feeds": feeds, "problems": problems, "warnings": warnings})
    else:
        out.print(f"{settings.feeds}: {feeds:,} feeds, no mistakes.", soft_wrap=True)
        for warning in warnings:
            err.print(warning, style="yellow", soft_wrap=True)
    if problems:
        raise typer.Exit(EXIT_UNUSABLE)


# --- pause, resume, OPML ----------------------------------------------------------------------------------------------


@app.command()
def pause(ids: Ids, file: File = None) -> None:
    """Stop collecting feeds. They stay in the file, and their stored state is kept.

    Example: `dragoman feeds pause bbc-world`.
    """
    _set_paused(ids, file, paused=True)


@app.command()
def resume(ids: Ids, file: File = None) -> None:
    """Start collecting paused feeds again, immediately.

    Example: `dragoman feeds resume bbc-world dw-top`.
    """
    _set_paused(ids, file, paused=False)


def _set_paused(ids: list[str], file: Path | None, *, paused: bool) -> None:
    from services.producer.feeds.admin import read_states
    from services.producer.feeds.file import UnknownFeedError, edit_feeds, set_paused
    from services.producer.feeds.lists import with_children

    settings = settings_of(file)
    for listed in with_children(load(settings), read_states(settings)):
        if listed.id in ids and "/" in listed.id:
            whole = listed.id.partition("/")[0]
            fail(
                f"{listed.id} is in the list {whole}. Pause or resume the whole list, or edit the list itself.",
                code=EXIT_UNUSABLE,
            )
    changed: list[str] = []

    def change(listed: Any) -> None:
        changed.extend(feed_id for feed_id in ids if set_paused(listed, feed_id, paused=paused))

    try:
        with writing(settings):
            edit_feeds(settings.feeds, change)
    except UnknownFeedError as error:
        fail(str(error), code=EXIT_UNUSABLE)
    word = "Paused" if paused else "Resumed"
    same = [feed_id for feed_id in ids if feed_id not in changed]
    if changed:
        out.print(f"{word} {', '.join(changed)}.")
    if same:
        err.print(f"{', '.join(same)}: {'paused' if paused else 'not paused'} already.", style="dim")


@app.command("import")
def import_opml(
    opml: Annotated[Path, typer.Argument(help="An OPML file.", show_default=False)],
    tag: Annotated[list[str] | None, typer.Option(help="A label for all imported feeds. May be repeated.")] = None,
    file: File = None,
    as_json: Json = False,
) -> None:
    """Add the feeds of an OPML file to the feeds file. Folders become tags. Existing feeds do not change.

    To follow a list that changes, add it as a feed with `type: opml` instead.

    Example: `dragoman feeds import subscriptions.opml --tag reading`.
    """
    from services.producer.feeds.admin import feeds_to_import
    from services.producer.sources.documents import Document, NotThisFormatError
    from services.producer.sources.opml import Opml

    settings = settings_of(file)
    try:
        parsed = Opml.parse(Document(opml.absolute().as_uri(), opml.read_bytes()), "opml", datetime.now(UTC))
    except OSError as error:
        fail(f"{opml} cannot be read: {error.strerror}.", code=EXIT_UNUSABLE)
    except NotThisFormatError as error:
        fail(f"{opml}: {error}.", code=EXIT_UNUSABLE)
    known = load(settings).feeds if settings.feeds.exists() else ()
    made = feeds_to_import(parsed.children, tag or (), known)
    feeds, bad = made.feeds, made.problems
    if feeds:
        append(settings, feeds)
    there = len(parsed.children) - len(feeds) - len(bad)
    if as_json:
        print_json({"added": [feed.id for feed in feeds], "there_already": there, "problems": bad})
    else:
        out.print(f"Added {len(feeds):,} feeds to {settings.feeds}. {there:,} were there already.", soft_wrap=True)
        for line in bad:
            err.print(f"left out: {line}", style="yellow", soft_wrap=True)
    if bad:
        raise typer.Exit(1)


@app.command("export")
def export_opml(
    opml: Annotated[Path, typer.Argument(help="The file to write. - is standard output.", show_default=False)],
    file: File = None,
) -> None:
    """Export the feeds as OPML, for other feed readers. Headers are not exported, because they may be secret.

    Example: `dragoman feeds export feeds.opml`.
    """
    from services.producer.sources.opml import write_opml

    feeds = load(settings_of(file)).feeds
    written = write_opml(feeds)
    if str(opml) == "-":
        sys.stdout.buffer.write(written)
        return
    try:
        opml.write_bytes(written)
    except OSError as error:
        fail(f"{opml} cannot be written: {error.strerror}.", code=EXIT_UNUSABLE)
    count = written.count(b"xmlUrl=")
    out.print(f"Wrote {count:,} feeds to {opml}.")
    left = len(feeds) - count
    if left:
        err.print(f"{left:,} were left out, because they have no URL that a reader could fetch.", style="dim")
