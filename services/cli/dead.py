"""`dragoman dead list|show|replay|drop`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import err, fail, out, print_json
from services.cli.servers import answering

if TYPE_CHECKING:
    from schemas.dead_letter import DeadLetter

app = typer.Typer(help="Show, replay and drop dead letters (messages that failed).", no_args_is_help=True)

Ids = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of letters (topic/partition/offset). Default: all that match the filters."),
]
Service = Annotated[str | None, typer.Option(help="Only letters of this service.")]
Stage = Annotated[str | None, typer.Option(help="Only letters of this stage.")]
Error = Annotated[str | None, typer.Option("--error-class", help="Only letters of this class, e.g. invalid_message.")]
Topic = Annotated[str | None, typer.Option(help="Only messages from this topic.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TEXT_PREVIEW = 2000


def _select(ids: list[str] | None = None, **filters: str | None) -> list[DeadLetter]:
    """The selected live letters. An error ends the command with a sentence."""
    from services.common.dead_letters import read_letters
    from services.common.settings import Settings

    settings = Settings()
    with answering(settings, "Is the stack up? `dragoman up`"):
        letters = list(read_letters(settings))
    if ids:
        unknown = set(ids) - {letter.letter_id for letter in letters}
        if unknown:
            fail(f"There is no dead letter {', '.join(sorted(unknown))}. `dragoman dead list` shows all.", code=2)
        letters = [letter for letter in letters if letter.letter_id in ids]
    wanted = {name: value for name, value in filters.items() if value is not None}
    return [letter for letter in letters if all(getattr(letter, name) == value for name, value in wanted.items())]


def _as_dict(letter: DeadLetter) -> dict[str, Any]:
    """Every field for JSON, and the original value decoded as text."""
    values = letter.model_dump(mode="json")
    value = letter.original_value
    values["original_text"] = None if value is None else value.decode("utf8", "replace")[:TEXT_PREVIEW]
    return values


@app.command("list")
def list_letters(
    service: Service = None, stage: Stage = None, error: Error = None, topic: Topic = None, as_json: Json = False
) -> None:
    """List dead letters, oldest first.

    Example: `dragoman dead list --service worker --error-class invalid_message --json`.
    """
    letters = _select(service=service, stage=stage, error_class=error, source_topic=topic)
    if as_json:
        print_json([_as_dict(letter) for letter in letters])
        return
    if not letters:
        out.print("No dead letters.")
        return
    from rich.table import Table

    table = Table(box=None)
    for column in ("id", "service", "stage", "class", "attempts", "failed", "error"):
        table.add_column(column, overflow="fold" if column in ("id", "error") else "ellipsis")
    for letter in letters:
        failed = letter.last_failed_at.strftime("%Y-%m-%d %H:%M:%S")
        reason = letter.error if len(letter.error) < 120 else letter.error[:119] + "…"
        columns = (letter.letter_id, letter.service, letter.stage, letter.error_class.value)
        table.add_row(*columns, str(letter.attempts), failed, reason)
    out.print(table)


@app.command()
def show(letter_id: Annotated[str, typer.Argument(help="topic/partition/offset")], as_json: Json = False) -> None:
    """Show a complete dead letter: why it failed, and the original message."""
    (letter,) = _select([letter_id])
    values = _as_dict(letter)
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        if name not in ("original_value", "original_key"):
            out.print(f"{name:<18}", style="bold", end="")
            out.print(str(value), soft_wrap=True)
    if letter.original_value is not None:
        out.print(f"original_value     {len(letter.original_value):,} bytes")
        err.print("`--json` gives the original in base64.", style="dim")


@app.command()
def replay(
    ids: Ids = None,
    service: Service = None,
    stage: Stage = None,
    error: Error = None,
    topic: Topic = None,
    max_attempts: Annotated[int, typer.Option(min=1, help="Skip letters that failed more often than this.")] = 5,
    rate: Annotated[float, typer.Option(min=0.1, help="Maximum number of letters per second.")] = 100.0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send the original messages to their topic again, with their key.

    A letter is done when Kafka has confirmed its message.

    Example: `dragoman dead replay --stage entities --dry-run`.
    """
    letters = _select(ids, service=service, stage=stage, error_class=error, source_topic=topic)
    tired = [letter for letter in letters if letter.attempts > max_attempts]
    kept = [letter for letter in letters if letter.quarantine_path is not None]
    ready = [letter for letter in letters if letter not in tired and letter not in kept]
    if not dry_run:
        _each(ready, rate, drop=False)
    _report("replay", ready, dry_run=dry_run, as_json=as_json)
    if tired:
        err.print(f"{len(tired):,} left: they failed more than {max_attempts} times (--max-attempts).", style="yellow")
    if kept:
        err.print(f"{len(kept):,} left: their files are in quarantine. Fix them and replay them.", style="yellow")


@app.command()
def drop(
    ids: Ids = None,
    service: Service = None,
    stage: Stage = None,
    error: Error = None,
    topic: Topic = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Drop all letters. Required without ids and filters.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Drop dead letters permanently.

    Example: `dragoman dead drop articles.raw/0/17`.
    """
    if not (ids or service or stage or error or topic or everything or dry_run):
        fail("Say which letters to drop: ids, a filter, or --all.", code=2)
    letters = _select(ids, service=service, stage=stage, error_class=error, source_topic=topic)
    if not dry_run:
        _each(letters, 1000.0, drop=True)
    _report("drop", letters, dry_run=dry_run, as_json=as_json)


def _each(letters: list[DeadLetter], rate: float, *, drop: bool) -> None:
    from services.common.dead_letters import ShortenedLetterError, drop_letter, replay_letter
    from services.common.producer import DeliveryError, SafeProducer
    from services.common.settings import Settings
    from services.producer.replay.pace import Pace

    settings = Settings()
    pace = Pace(rate)
    if not letters:
        return
    try:
        with SafeProducer(settings) as producer:
            for letter in letters:
                try:
                    (drop_letter if drop else replay_letter)(producer, settings, letter)
                except ShortenedLetterError as error:
                    err.print(f"left: {error}", style="yellow")
                pace.wait(1)
    except DeliveryError as error:
        fail(f"{error}. Letters without a confirmation are still there.")


def _report(what: str, letters: list[DeadLetter], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"action": what, "dry_run": dry_run, "letters": [letter.letter_id for letter in letters]})
        return
    verb = f"Would {what}" if dry_run else {"replay": "Replayed", "drop": "Dropped"}[what]
    out.print(f"{verb} {len(letters):,} dead letters.")
    for letter in letters[:20]:
        out.print(f"  {letter.letter_id}  {letter.error_class.value}")
