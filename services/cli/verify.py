"""`dragoman verify`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import err, fail, out, print_json, progress
from services.cli.servers import answering, open_ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.common.settings import ElasticsearchSettings
    from services.producer.ledger.store import Store
    from services.producer.replay.repair import Repaired
    from services.producer.settings import ProducerSettings
    from services.status.verification import Verification

MAX_SHOWN = 20
REPAIR_PATIENCE_SECONDS = 120.0
STORY_PATIENCE_SECONDS = 30.0


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Send again what is missing, and wait until it is searchable.")
    ] = False,
) -> None:
    """Check that every article of the ledger and every story is indexed with its content, or is a dead letter.

    Kafka removes messages after some days, read or not. --repair brings back what was removed before it was indexed:
    what came from a feed or a push was kept here for this, and what was replayed is read again in its file. The exit
    code is 0 if nothing is missing, and 4 if something is missing or different.

    Examples: `dragoman verify`; `dragoman verify --json | jq .missing`; `dragoman verify --repair`.
    """
    from services.common.settings import ElasticsearchSettings
    from services.producer.settings import ProducerSettings
    from services.status.verification import verify as compare

    settings, producer_settings = ElasticsearchSettings(), ProducerSettings()
    store = open_ledger(producer_settings)
    repaired = None
    try:
        with answering(settings):
            found = compare(settings, store.latest())
            if repair and not found.is_whole:
                repaired = _repair(settings, producer_settings, store, found)
                found = compare(settings, store.latest())
    finally:
        store.close()
    if as_json:
        more = {"repaired": sorted(repaired.revisions), "not_repaired": repaired.reasons} if repaired else {}
        print_json(found.to_dict() | more)
    else:
        _report(found, repaired)
    if not found.is_whole:
        raise typer.Exit(4)


def _repair(
    settings: ElasticsearchSettings, producer_settings: ProducerSettings, store: Store, found: Verification
) -> Repaired:
    """Send the missing articles and stories again, and wait for them."""
    from services.common.producer import DeliveryError, SafeProducer
    from services.producer.replay.repair import Repairer
    from services.status.verification import resend_stories, sent_stories, wait_for_stories
    from services.status.waiting import wait_until_searchable

    started = datetime.now(UTC)
    missing = [*found.missing, *found.different]
    bar = progress()
    try:
        with SafeProducer(producer_settings) as producer, bar:
            task = bar.add_task("sending again", total=len(missing))
            repaired = Repairer(producer_settings, store, producer, lambda: bar.advance(task)).repair(missing)
            stories = resend_stories(settings, producer, found.missing_stories)
            task = bar.add_task("searchable", total=len(repaired.revisions))
            wait_until_searchable(
                settings,
                repaired.revisions,
                started,
                REPAIR_PATIENCE_SECONDS,
                lambda done: bar.update(task, completed=done),
            )
            # the articles that come again change their stories too
            wait_for_stories(settings, sent_stories(settings) | stories, STORY_PATIENCE_SECONDS)
    except DeliveryError as error:
        fail(f"{str(error).rstrip('.')}. Nothing is lost; run the same command again.")
    return repaired


def _report(found: Verification, repaired: Repaired | None) -> None:
    out.print(
        f"{found.articles:,} articles in the ledger: {found.indexed:,} indexed, {found.dead:,} dead, "
        f"{len(found.missing):,} missing, {len(found.different):,} with other content."
    )
    out.print(f"{found.stories:,} stories: {len(found.missing_stories):,} missing or not at their last revision.")
    if repaired is not None:
        out.print(f"{len(repaired.revisions):,} articles were sent again.")
    reasons = repaired.reasons if repaired is not None else {}
    _list("article", [*found.missing, *found.different], reasons)
    _list("story", found.missing_stories, {})
    if repaired is None and not found.is_whole:
        err.print(
            "Messages may still be on their way: `dragoman status` shows the lag. "
            "If not, `dragoman verify --repair` brings them back.",
            style="yellow",
        )


def _list(kind: str, names: Iterable[str], reasons: dict[str, str]) -> None:
    every = list(names)
    for name in every[:MAX_SHOWN]:
        reason = f": {reasons[name]}" if name in reasons else ""
        out.print(f"  {kind} {name}{reason}", soft_wrap=True)
    if len(every) > MAX_SHOWN:
        out.print(f"  … and {len(every) - MAX_SHOWN:,} more (--json lists all)")
