"""`dragoman replay`."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import err, fail, out, progress
from services.cli.servers import answering

if TYPE_CHECKING:
    from schemas.feed import Columns
    from services.producer.replay.origin import ReplayOrigin
    from services.producer.replay.replayer import Replayed
    from services.producer.settings import ProducerSettings
    from services.producer.sources import Source

MAX_SHOWN = 20


def replay(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Folders, text or HTML files, JSONL, CSV, WARC, feeds, or kafka://host:port/topic.", show_default=False
        ),
    ],
    rate: Annotated[float | None, typer.Option(min=0.001, help="Maximum number of articles per second.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.000001, help="Oldest first, this many times faster than published.")
    ] = None,
    loop: Annotated[int, typer.Option(min=1, help="Replay everything this many times.")] = 1,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every article is searchable or dead.")] = False,
    source_id: Annotated[
        str | None,
        typer.Option(help="Source of the articles (default: the name of the folder, or the value in a line)."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="CSV columns or JSON keys: guid=id,content=body,published_at=meta.date")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start from the beginning, even after an interrupted run.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, help="With --wait: give up after this many seconds without progress.")
    ] = 300,
) -> None:
    """Send articles to Kafka. Repeating a replay changes nothing in the index.

    The guid of a file is its path inside the folder. To continue an interrupted replay, run the same command again. The
    exit code is 1 if an item gave no article, 2 if a path cannot be read at all, and 5 if --wait gave up.

    Examples: `dragoman replay seeds/articles --wait`; `dragoman replay archive.jsonl --rate 50 --loop 2`;
    `dragoman replay 2023.csv --columns guid=id,content=body --speed 3600`; `dragoman replay CC-NEWS.warc.gz`.
    """
    from services.common.producer import DeliveryError
    from services.producer.replay.origin import ReplayOrigin
    from services.producer.settings import ProducerSettings
    from services.producer.sources import SourceError

    if rate is not None and speed is not None:
        fail("Use either --rate or --speed: --rate is articles per second, --speed follows their dates.", code=2)
    settings = ProducerSettings()
    # messages of several partitions come in a different order each time, so a position cannot be kept
    is_of_files = not any("://" in path for path in paths)
    origin = ReplayOrigin(
        paths=tuple(str(Path(path).absolute()) if is_of_files else path for path in paths),
        source_id=source_id,
        columns=to_columns(columns),
        loops=loop,
        by_time=speed is not None,
        kafka_bootstrap=settings.kafka_bootstrap,
    )
    started = datetime.now(UTC)
    try:
        sources = origin.open(settings)
        result = _send(settings, sources, Manner(rate, loop, speed, origin if is_of_files else None, restart))
    except SourceError as error:
        fail(str(error), code=2)
    except (OSError, sqlite3.Error) as error:
        fail(f"This cannot be replayed: {error}. The ledger holds what was confirmed.", code=2)
    except DeliveryError as error:
        said = str(error).rstrip(".")
        fail(f"{said}. Nothing is lost: the ledger holds what was confirmed. Run the same command again.")
    _report(result)
    if wait:
        _wait(result, started, timeout)
    if result.problems:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Manner:
    """The options of a replay, and the files that its positions are in."""

    rate: float | None
    loops: int
    speed: float | None
    origin: ReplayOrigin | None
    restart: bool


def to_columns(text: str | None) -> Columns:
    """Convert `guid=id,content=body` to a column map. An error ends the command with a sentence."""
    from pydantic import ValidationError

    from schemas.feed import Columns

    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    try:
        return Columns.model_validate({name.strip(): column.strip() for name, _, column in pairs})
    except ValidationError:
        known = ", ".join(Columns.model_fields)
        fail(f"--columns {text!r} is wrong. Write field=column, separated by commas. The fields are {known}.", code=2)


def _send(settings: ProducerSettings, sources: list[Source], manner: Manner) -> Replayed:
    from rich.progress import TextColumn, TimeRemainingColumn

    from schemas.topics import DEAD, RAW
    from services.common.producer import SafeProducer
    from services.common.topics import make_missing_topics
    from services.producer.ledger.store import Store
    from services.producer.replay.replayer import Replayer, count_items

    store = Store.whole(settings.store_file)
    bar = progress(TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    try:
        with answering(settings, "Is the stack up? `dragoman up`"):
            make_missing_topics(settings, (RAW, DEAD))  # somebody may have deleted one
            producer = SafeProducer(settings)
        with producer, bar:
            task = bar.add_task("replaying", total=count_items(sources, manner.loops), rate="")

            def advance(count: int, at: datetime | None) -> None:
                bar.advance(task, count)
                speed = bar.tasks[task].speed
                when = f"  {at:%Y-%m-%d %H:%M}" if at else ""
                bar.update(task, rate=f"{speed:,.0f} articles/s{when}" if speed else when)

            replayer = Replayer(settings, store, producer, advance, manner.origin)
            if manner.restart and replayer.checkpoint is not None:
                with store.transaction():
                    store.drop_checkpoint(replayer.checkpoint)
            return replayer.replay(sources, manner.rate, manner.loops, manner.speed)
    finally:
        store.close()


def _report(result: Replayed) -> None:
    from services.producer.replay.replayer import iterate_problems

    out.print(f"{result.sent:,} messages confirmed, {len(result.revisions):,} articles.")
    if result.skipped:
        skipped = (
            f"{result.skipped:,} items were left out, because they were confirmed before this replay was interrupted"
        )
        err.print(f"{skipped} (--restart sends them again).", style="dim", soft_wrap=True)
    for note, count in result.notes.most_common():
        err.print(f"{count:,} × {note}", style="yellow")
    sentences = list(iterate_problems(result))
    for sentence in sentences[:MAX_SHOWN]:
        err.print(f"skipped: {sentence}", style="yellow", soft_wrap=True)
    if len(sentences) > MAX_SHOWN:
        err.print(f"… and {len(sentences) - MAX_SHOWN:,} more", style="yellow")


def _wait(result: Replayed, started: datetime, timeout: float) -> None:
    from services.common.settings import ElasticsearchSettings
    from services.status.waiting import wait_until_searchable

    bar = progress()
    with bar:
        task = bar.add_task("searchable", total=len(result.revisions))
        arrived = wait_until_searchable(
            ElasticsearchSettings(), result.revisions, started, timeout, lambda done: bar.update(task, completed=done)
        )
    out.print(f"{arrived.searchable:,} searchable, {arrived.dead:,} dead.")
    if arrived.dead:
        err.print("`dragoman dead list` says why.", style="yellow")
    if arrived.pending:
        fail(
            f"{arrived.pending:,} articles are still on their way after {timeout:.0f} s without progress. "
            "`dragoman status` shows where.",
            code=5,
        )
