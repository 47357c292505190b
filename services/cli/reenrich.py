"""`dragoman reenrich`."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.output import err, fail, out, print_json, progress
from services.cli.servers import answering, open_ledger


def reenrich(
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin again, instead of going on after an interruption.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Enrich every raw article that Kafka still keeps once more, with the workers of today.

    Use it after an upgrade that finds more names, dates or languages. Ids, stories and decisions stay. Raw articles are
    kept for DRAGOMAN_RAW_DAYS; what is older keeps its enrichment. An interrupted run goes on where it stopped.

    Examples: `dragoman reenrich`; `dragoman reenrich --restart --json`.
    """
    from services.common.producer import DeliveryError, SafeProducer
    from services.producer.replay.reenrich import Reenricher
    from services.producer.settings import ProducerSettings

    settings = ProducerSettings()
    store = open_ledger(settings)
    bar = progress()
    try:
        with (
            answering(settings, "Nothing is lost; run the same command again."),
            SafeProducer(settings) as producer,
            bar,
        ):
            task = bar.add_task("sending again", total=None)

            def show(left: int) -> None:
                total = bar.tasks[task].total or left
                bar.update(task, total=total, completed=total - left)

            result = Reenricher(settings, store, producer, show).run(restart=restart)
    except DeliveryError as error:
        fail(f"{str(error).rstrip('.')}. Nothing is lost; run the same command again.")
    finally:
        store.close()
    if as_json:
        print_json({"sent": len(result.revisions), "passed_over": result.passed_over})
        return
    out.print(f"{len(result.revisions):,} articles were sent again. `dragoman status` shows when they are through.")
    if result.passed_over:
        err.print(f"{result.passed_over:,} messages are no current articles.", style="dim")
