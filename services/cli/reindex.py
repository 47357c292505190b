"""`dragoman reindex`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import err, fail, out, print_json, progress

if TYPE_CHECKING:
    from services.indexer.reindex import Reindex

SHOWN = 10


def reindex(
    grouping_version: Annotated[
        int | None, typer.Option(min=1, max=999, help="Index this grouping, and show it to readers from now on.")
    ] = None,
    delete_old: Annotated[bool, typer.Option("--delete-old", help="Remove the old indices after the swap.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Swap even if messages could not be indexed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Build new indices from the compacted topics, beside the live indexer, and swap the aliases.

    Readers notice nothing. Stopped before the swap, nothing has changed. Exit code 4 when messages cannot be indexed.

    Examples: `dragoman reindex --delete-old`; `dragoman reindex --grouping-version 2`.
    """
    from elasticsearch import ApiError, TransportError
    from kafka.errors import KafkaError

    from services.common.elastic import make_client
    from services.indexer.indices import ensure_indices
    from services.indexer.reindex import Reindex
    from services.indexer.settings import IndexerSettings

    settings = IndexerSettings()
    if grouping_version is not None:
        settings = settings.model_copy(update={"grouping_version": grouping_version})
    client = make_client(settings)
    try:
        ensure_indices(client, settings)
        run = Reindex(settings, client)
        try:
            old = _run(run, force=force)
        finally:
            run.close()
        if delete_old:
            for index in old:
                client.indices.delete(index=index)
    except KafkaError as error:
        fail(f"Kafka at {settings.kafka_bootstrap} does not answer ({type(error).__name__}).")
    except (ApiError, TransportError) as error:
        fail(f"Elasticsearch at {settings.elasticsearch_url} does not answer as it should: {error}")
    finally:
        client.close()
    _report(run, old, deleted=delete_old, as_json=as_json)


def _run(run: Reindex, *, force: bool) -> list[str]:
    """Build and swap with a progress bar; whatever stops it before the swap leaves everything as it was."""
    from services.indexer.reindex import ReindexError

    with progress() as bar:
        task = bar.add_task("reindexing", total=None)
        run.on_progress = lambda read, total: bar.update(task, completed=read, total=total)
        try:
            run.build()
            return run.swap(even_if_rejected=force)
        except ReindexError as error:
            run.discard()
            for line in run.counts.rejected[:SHOWN]:
                err.print(f"  {line}", markup=False, soft_wrap=True)
            fail(f"{error}: nothing was swapped, the new indices are removed. --force swaps all the same.", code=4)
        except KeyboardInterrupt:
            run.discard()
            fail("Stopped before the swap: the new indices are removed, nothing has changed.", code=130)


def _report(run: Reindex, old: list[str], *, deleted: bool, as_json: bool) -> None:
    counts = run.counts
    report: dict[str, Any] = {
        "indices": run.indices,
        "old": old,
        "deleted": deleted,
        "read": counts.read,
        "indexed": counts.indexed,
        "unchanged": counts.unchanged,
        "removed": counts.removed,
        "rejected": counts.rejected,
    }
    if as_json:
        print_json(report)
        return
    out.print(
        f"{counts.read:,} messages read: {counts.indexed:,} written, {counts.unchanged:,} older than what is there."
    )
    out.print(f"Readers now see {', '.join(run.indices.values())}.")
    if old:
        out.print(f"{'Removed' if deleted else 'Kept'}: {', '.join(old)}.")
