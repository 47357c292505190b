"""`dragoman reindex`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from services.cli.output import RateColumn, err, fail, interrupt, out, print_json, progress
from services.cli.servers import answering, problem

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from services.indexer.reindex import Reindex
    from services.indexer.settings import IndexerSettings

SHOWN = 10


def reindex(
    grouping_version: Annotated[
        int | None, typer.Option(min=1, max=999, help="The grouping to index. Readers see it after the swap.")
    ] = None,
    delete_old: Annotated[
        bool, typer.Option("--delete-old/--keep-old", help="Delete the old indices of this grouping after the swap.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Swap even if the new indices are incomplete.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build new indices from the compacted topics while the indexer runs, then swap the aliases.

    Readers are not affected. If the command stops before the swap, nothing has changed. The exit code is 2 if the
    topics do not exist, and 4 if messages cannot be indexed or readers would see less than now.

    Examples: `dragoman reindex --delete-old`; `dragoman reindex --grouping-version 2`.
    """
    from services.common.elastic import make_client
    from services.indexer.settings import IndexerSettings

    settings = IndexerSettings()
    if grouping_version is not None:
        settings = settings.model_copy(update={"grouping_version": grouping_version})
    signal.signal(signal.SIGTERM, interrupt)
    client = make_client(settings)
    try:
        with answering(settings):
            _reindex(settings, client, delete_old=delete_old, force=force, dry_run=dry_run, as_json=as_json)
    finally:
        client.close()


def _reindex(
    settings: IndexerSettings, client: Elasticsearch, *, delete_old: bool, force: bool, dry_run: bool, as_json: bool
) -> None:
    from services.indexer.reindex import NoTopicError, Reindex

    run = Reindex(settings, client)
    try:
        if dry_run:
            _report_plan(run, run.plan(), as_json=as_json)
            return
        old = _run(run, force=force)
    except NoTopicError as error:
        fail(f"Nothing was done: {error}.", code=2)
    finally:
        run.close()
    if delete_old:
        for index in old:
            client.indices.delete(index=index)
    _report(run, old, deleted=delete_old, as_json=as_json)


def _run(run: Reindex, *, force: bool) -> list[str]:
    """Build and swap with a progress bar. If it is stopped before the swap, everything stays as it was."""
    from elasticsearch import ApiError, TransportError
    from kafka.errors import KafkaError
    from rich.progress import TimeRemainingColumn

    from services.indexer.reindex import NoTopicError, ReindexError

    with progress(RateColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("reindexing", total=None)
        run.on_progress = lambda read, total: bar.update(task, completed=read, total=total)
        try:
            run.build()
            return run.swap(force=force)
        except NoTopicError:
            raise
        except ReindexError as error:
            _name(run)
            _undo(run, f"{error}. --force swaps anyway.", code=4)
        except KeyboardInterrupt:
            _undo(run, "Stopped.", code=130)
        except (KafkaError, ApiError, TransportError) as error:
            _undo(run, problem(run.settings, error), code=1)


def _undo(run: Reindex, why: str, code: int) -> NoReturn:
    """Remove the new indices if nobody reads them yet, and end with a sentence that says what happened."""
    from elasticsearch import ApiError, TransportError

    names = ", ".join(run.indices.values())
    try:
        is_removed = run.discard()
    except (ApiError, TransportError):
        fail(f"{why} Nothing was swapped, but the new indices could not be removed. Delete them: {names}.", code)
    if is_removed:
        fail(f"{why} Nothing was swapped, and the new indices were removed.", code)
    fail(
        f"{why} The swap was requested, so the new indices stay ({names}). Run it again: they may be incomplete.", code
    )


def _name(run: Reindex) -> None:
    """Print which messages gave no document, and why."""
    lines = [f"{where}: {reason}" for where, reason in run.counts.rejected.items()]
    lines += [f"{where}: a tombstone" for where in run.counts.tombstones]
    for line in lines[:SHOWN]:
        err.print(f"  {line}", soft_wrap=True)
    if len(lines) > SHOWN:
        err.print(f"  and {len(lines) - SHOWN:,} more. --json shows all.", style="dim")


def _report_plan(run: Reindex, messages: int, *, as_json: bool) -> None:
    names = list(run.indices.values())
    if as_json:
        print_json({"dry_run": True, "messages": messages, "indices": run.indices})
        return
    out.print(f"Would read {messages:,} messages into {' and '.join(names)}, and swap the aliases.", soft_wrap=True)


def _report(run: Reindex, old: list[str], *, deleted: bool, as_json: bool) -> None:
    counts = run.counts
    report: dict[str, Any] = {
        "dry_run": False,
        "indices": run.indices,
        "old": old,
        "deleted": deleted,
        "read": counts.read,
        "documents": {alias: len(ids) for alias, ids in counts.documents.items()},
        "indexed": counts.indexed,
        "unchanged": counts.unchanged,
        "tombstones": counts.tombstones,
        "rejected": [f"{where}: {reason}" for where, reason in counts.rejected.items()],
    }
    if as_json:
        print_json(report)
        return
    out.print(
        f"{counts.read:,} messages read: {counts.indexed:,} written, {counts.unchanged:,} older than what is there, "
        f"{len(counts.tombstones):,} tombstones, {len(counts.rejected):,} rejected.",
        soft_wrap=True,
    )
    _name(run)
    out.print(f"Readers now see {', '.join(run.indices.values())}.", soft_wrap=True)
    if old:
        out.print(f"{'Removed' if deleted else 'Kept'}: {', '.join(old)}.", soft_wrap=True)
