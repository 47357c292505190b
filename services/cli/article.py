"""`dragoman raw` and `dragoman trace`: what an article was made from, and its way through the pipeline."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import fail, out, print_json
from services.cli.stories import library

if TYPE_CHECKING:
    from schemas.article import RawArticle

Name = Annotated[str, typer.Argument(help="Id (or its beginning), guid or URL of an article.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
NOT_KEPT = 4
"""Exit code when the raw article is not kept any more."""
STEPS = {
    "fetched_at": "fetched by the producer",
    "enriched_at": "enriched by a worker",
    "grouped_at": "grouped by dedup",
    "indexed_at": "indexed",
}


def raw(article: Name, as_json: Json = False) -> None:
    """Print the raw content that an article was made from, as long as Kafka or the archive keeps it.

    --json prints the whole message of the producer. The exit code is 4 when it is not kept any more.

    Examples: `dragoman raw 1f0c9a52 > page.html`; `dragoman raw 1f0c9a52 --json`.
    """
    with library() as found:
        document = found.article(article)
    kept = read_raw(document)
    if as_json:
        print_json(kept.model_dump(mode="json"))
    else:
        typer.echo(kept.content)


def read_raw(document: dict[str, Any]) -> RawArticle:
    """The raw article of a document. Ends the command with a sentence if it is not kept."""
    from schemas.article import RawArticle, RawPlace
    from services.archive.shelf import find
    from services.cli.servers import answering
    from services.common.derived import content_sha256
    from services.common.messages import RejectedMessage, decode
    from services.common.records import read_record
    from services.common.settings import Settings

    if not document.get("raw"):
        fail("It is not known where the raw article is: it was enriched before version 0.2 or from a file.", NOT_KEPT)
    place = RawPlace.model_validate(document["raw"])
    settings = Settings()
    kept = find(settings.archive, document["article_id"], place.sha256) if settings.archive is not None else None
    if kept is not None:
        return kept
    with answering(settings):
        record = read_record(settings, place.topic, place.partition, place.offset)
    try:
        kept = decode(RawArticle, record.value) if record is not None else None
    except RejectedMessage:
        kept = None
    # a topic that was made again has other messages at its places
    if kept is None or kept.article_id != document["article_id"] or content_sha256(kept.content) != place.sha256:
        days = "DRAGOMAN_RAW_DAYS says how long Kafka keeps raw articles, and DRAGOMAN_ARCHIVE keeps them for ever."
        fail(f"The raw article is not kept any more ({place.topic}/{place.partition}/{place.offset}). {days}", NOT_KEPT)
    return kept


def trace(article: Name, as_json: Json = False) -> None:
    """Show the way of an article: when each service had it, how long each stage took, and where its raw content is.

    Example: `dragoman trace 1f0c9a52`.
    """
    from services.search.stories import title_of

    with library() as found:
        document = found.article(article)
    report = make_report(document)
    if as_json:
        print_json(report)
        return
    out.print(title_of(document), style="bold")
    for step in report["steps"]:
        at = step["at"]
        since = f"+{step['seconds']:,.1f} s" if step["seconds"] is not None else ""
        out.print(f"  {at or 'not known':<32} {since:>12}  {step['says']}", style=None if at else "dim")
    if report["stages"]:
        out.print("Milliseconds per stage:")
        for name, took in report["stages"].items():
            out.print(f"  {name:<12} {took:>10,.2f}  {report['stage_versions'].get(name, '')}")
    place = report["raw"]
    where = f"{place['topic']}/{place['partition']}/{place['offset']}" if place else "not known"
    out.print(f"Raw article: {where}. `dragoman raw {document['article_id'][:8]}` prints it while it is kept.")


def make_report(document: dict[str, Any]) -> dict[str, Any]:
    """The steps of an article with the seconds since the step before, its stages, and the place of its raw content."""
    steps: list[dict[str, Any]] = []
    before: datetime | None = None
    for name, says in STEPS.items():
        stated = document.get(name)
        at = datetime.fromisoformat(stated) if stated else None
        seconds = (at - before).total_seconds() if at and before else None
        steps.append({"step": name, "says": says, "at": stated, "seconds": seconds})
        before = at or before
    names = ("article_id", "revision", "decision_seq", "raw", "stage_versions")
    return {
        **{name: document.get(name) for name in names},
        "steps": steps,
        "stages": document.get("stages") or {},
    }
