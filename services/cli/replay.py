"""`dragoman replay`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import err, fail, out, progress

if TYPE_CHECKING:
    from services.producer.replay import Replayed
    from services.producer.settings import ProducerSettings
    from services.producer.sources import Source

MAX_SHOWN = 20


def replay(
    paths: Annotated[list[Path], typer.Argument(help="Folders, text or HTML files, JSONL files.", show_default=False)],
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most so many articles a second.")] = None,
    loop: Annotated[int, typer.Option(min=1, help="Replay everything so many times.")] = 1,
    wait: Annotated[bool, typer.Option("--wait", help="Return when every article is searchable or dead.")] = False,
    source_id: Annotated[
        str | None, typer.Option(help="Source of the articles (default: the folder's name, or what a line says).")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="With --wait: give up after so many seconds without progress.")
    ] = 300,
) -> None:
    """Put articles onto Kafka. Doing it again changes nothing in the index.

    A file's guid is its path inside the folder. Exit code 1 when something gave no article, 2 when a path cannot be
    read at all, 5 when --wait gave up.

    Examples: `dragoman replay seeds/articles --wait`; `dragoman replay archive.jsonl --rate 50 --loop 2`.
    """
    from services.common.producer import DeliveryError
    from services.producer.settings import ProducerSettings
    from services.producer.sources import SourceError, SourceOptions, open_source

    settings = ProducerSettings()
    try:
        options = SourceOptions(source_id, settings.max_article_bytes)
        sources = [open_source(path, options) for path in paths]
    except SourceError as error:
        fail(str(error), code=2)
    started = datetime.now(UTC)
    try:
        result = _send(settings, sources, rate, loop)
    except DeliveryError as error:
        fail(f"{error}. Nothing is lost: what was confirmed is in the ledger; run the same command again.")
    _report(result)
    if wait:
        _wait(result, started, timeout)
    if result.problems:
        raise typer.Exit(1)


def _send(settings: ProducerSettings, sources: list[Source], rate: float | None, loops: int) -> Replayed:
    from kafka.errors import KafkaError
    from rich.progress import TextColumn, TimeRemainingColumn

    from services.common.producer import SafeProducer
    from services.producer.replay import Replayer, count_items
    from services.producer.store import Store

    store = Store(settings.store_file)
    try:
        producer = SafeProducer(settings)
    except KafkaError as error:
        store.close()
        fail(
            f"Kafka at {settings.kafka_bootstrap} does not answer ({type(error).__name__}). "
            "Is the stack up? `dragoman up`"
        )
    bar = progress(TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    try:
        with producer, bar:
            task = bar.add_task("replaying", total=count_items(sources, loops), rate="")

            def advance(count: int) -> None:
                bar.advance(task, count)
                speed = bar.tasks[task].speed
                bar.update(task, rate=f"{speed:,.0f} articles/s" if speed else "")

            return Replayer(settings, store, producer, advance).replay(sources, rate, loops)
    finally:
        store.close()


def _report(result: Replayed) -> None:
    from services.producer.replay import iterate_problems

    out.print(f"{result.sent:,} messages confirmed, {len(result.revisions):,} articles.")
    for note, count in result.notes.most_common():
        err.print(f"{count:,} × {note}", style="yellow", markup=False)
    sentences = list(iterate_problems(result))
    for sentence in sentences[:MAX_SHOWN]:
        err.print(f"skipped: {sentence}", style="yellow", markup=False, soft_wrap=True)
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
            f"{arrived.pending:,} articles are still on their way after {timeout:.0f} s without progress; "
            "`dragoman status` shows where.",
            code=5,
        )
