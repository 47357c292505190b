"""`dragoman entities show|find|explain|build`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import err, fail, out, print_json

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.article import ArticleDraft, Mention
    from services.entities.gazetteer import Gazetteer
    from services.entities.records import Known

entities_app = typer.Typer(
    help="Inspect the gazetteer, explain entity links, build a new gazetteer.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EQUAL, CONTAINS, MIN_ALIKE = 100.0, 90.0, 75.0
"""In percent: the score of a spelling that equals the name, the score of one that contains it, and the minimum
similarity of one that resembles it."""
MAX_SURFACES = 4


def _gazetteer() -> Gazetteer:
    """The gazetteer in use. An error ends the command with a sentence."""
    from services.entities import EntityLinker, EntitySettings

    try:
        return EntityLinker(EntitySettings()).gazetteer
    except FileNotFoundError as error:
        fail(
            f"There is no gazetteer {error.filename}. `dragoman entities build` makes one. Without DRAGOMAN_GAZETTEER, "
            "the shipped one is used.",
            code=2,
        )
    except (OSError, EOFError, ValueError, LookupError) as error:
        fail(f"The gazetteer cannot be read: {error}. See DRAGOMAN_GAZETTEER and DRAGOMAN_ENTITIES.", code=2)


def _as_dict(known: Known) -> dict[str, Any]:
    return known._asdict() | {"roles": sorted(known.roles)}


def _spellings(gazetteer: Gazetteer, index: int) -> dict[str, list[str]]:
    """Every spelling of an entity by language. `*` stands for all languages."""
    found: dict[str, list[str]] = {}
    for text, aliases in gazetteer.by_text.items():
        for alias in aliases:
            if alias.entity == index:
                for language in alias.languages or {"*"}:
                    found.setdefault(language, []).append(text)
    return {language: sorted(set(found[language])) for language in sorted(found)}


@entities_app.command()
def show(
    entity_id: Annotated[str, typer.Argument(metavar="ID", help="A Wikidata id (Q…), or an id of your own.")],
    as_json: Json = False,
) -> None:
    """Show an entity: its facts, and all its spellings by language (`*` means all languages).

    Examples: `dragoman entities show Q7747`; `dragoman entities show Q458 --json`.
    The exit code is 1 if there is no such entity.
    """
    gazetteer = _gazetteer()
    index = next((number for number, known in enumerate(gazetteer.entities) if known.id == entity_id), None)
    if index is None:
        fail(f"There is no entity {entity_id} in the gazetteer. `dragoman entities find NAME` finds ids.")
    values = _as_dict(gazetteer.entities[index]) | {"spellings": _spellings(gazetteer, index)}
    if as_json:
        print_json(values)
        return
    spellings: dict[str, list[str]] = values.pop("spellings")
    values["roles"] = ", ".join(values["roles"])
    for name, value in values.items():
        if value not in (None, ""):
            out.print(f"{name:<12}", style="bold", end="")
            out.print(str(value), soft_wrap=True)
    for language, texts in spellings.items():
        out.print(f"  {language:<10}{', '.join(texts)}", soft_wrap=True)


@entities_app.command()
def find(
    name: Annotated[str, typer.Argument(help="A name or a part of a name. Small errors are allowed.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of results.")] = 10,
    as_json: Json = False,
) -> None:
    """Find entities with a spelling that contains or resembles NAME.

    The best matches come first. Among equal matches, the best known entity comes first.

    Examples: `dragoman entities find Selenskyj`; `dragoman entities find "new york" --limit 5 --json`.
    The exit code is 1 if nothing is found.
    """
    if not name.strip():
        fail("The name is empty. `dragoman entities find Merkel` finds a person.", code=2)
    gazetteer = _gazetteer()
    best = _resembling(gazetteer, name.strip().casefold())
    order = sorted(best, key=lambda index: (-best[index][0], -gazetteer.entities[index].prominence, index))
    rows = [
        _as_dict(gazetteer.entities[index]) | {"spelling": best[index][1], "score": round(best[index][0], 1)}
        for index in order[:limit]
    ]
    if as_json:
        print_json(rows)
    elif rows:
        columns = ("id", "type", "name", "country", "prominence", "spelling", "score")
        _print_table(columns, ([f"{row[column]}" for column in columns] for row in rows))
    if not rows:
        fail(f"No entity has a name like {name!r}. Try a part of the name, or another spelling.")


def _resembling(gazetteer: Gazetteer, name: str) -> dict[int, tuple[float, str]]:
    """Entity index → score (percent) and spelling, for entities that contain or resemble a case-folded name."""
    from rapidfuzz import fuzz, process

    texts = list(gazetteer.by_text)
    folded = [text.casefold() for text in texts]
    scores = {
        place: score for _, score, place in process.extract_iter(name, folded, scorer=fuzz.ratio, score_cutoff=75)
    }
    for place, text in enumerate(folded):
        if name in text:
            scores[place] = EQUAL if name == text else max(CONTAINS, scores.get(place, 0.0))
    best: dict[int, tuple[float, str]] = {}
    for place, score in scores.items():
        for alias in gazetteer.by_text[texts[place]]:
            if score > best.get(alias.entity, (0.0, ""))[0]:
                best[alias.entity] = (score, texts[place])
    return best


@entities_app.command()
def explain(
    text: Annotated[str, typer.Argument(metavar="TEXT|FILE|-", help="A text, a UTF-8 file, or - for standard input.")],
    language: Annotated[str | None, typer.Option(help="The text's language (BCP 47). Default: detect it.")] = None,
    date: Annotated[
        str | None, typer.Option(metavar="DATE", help="The text's date. It is compared with years of office.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain which names of a text are linked, to which entities and why, and which names are not linked.

    Examples: `dragoman entities explain "Angela Merkel met Vladimir Putin in Moscow." --date 2021-08-20`;
    `dragoman entities explain article.txt --language nl --json`.
    """
    draft = _linked(_text(text), language, date)
    if as_json:
        values = draft.model_dump(mode="json", include={"language", "entities", "unlinked", "places"})
        print_json(values)
        return
    if draft.language is not None:
        out.print(f"language {draft.language.code}, confidence {draft.language.confidence:.2f}", style="dim")
    linked = [
        (_surfaces(entity.mentions), f"{entity.id} {entity.name}", f"{entity.score:.2f}", ", ".join(entity.reasons))
        for entity in draft.entities or ()
    ]
    if linked:
        _print_table(("surface", "entity", "score", "reasons"), linked)
    else:
        out.print("Nothing was linked.")
    if draft.unlinked:
        out.print("\nNot linked:")
        candidates = ("; ".join(f"{c.id} {c.name} {c.score:.2f}" for c in name.candidates) for name in draft.unlinked)
        rows = ((name.surface, name.reason, text) for name, text in zip(draft.unlinked, candidates, strict=True))
        _print_table(("surface", "reason", "candidates"), rows)


def _surfaces(mentions: tuple[Mention, ...]) -> str:
    """The first few distinct forms in order, and the number of mentions."""
    forms = list(dict.fromkeys(mention.surface for mention in mentions))
    shown = ", ".join(forms[:MAX_SURFACES]) + (", …" if len(forms) > MAX_SURFACES else "")
    return f"{shown} ({len(mentions)})" if len(mentions) > len(forms) else shown


def _text(argument: str) -> str:
    """The argument itself if it is a text, or the content of the file that it names."""
    import sys

    try:
        if argument == "-":
            text = sys.stdin.buffer.read().decode("utf8")
        elif _names_a_file(argument):
            text = Path(argument).read_text(encoding="utf8")
        else:
            text = argument
    except UnicodeDecodeError:
        fail(f"{argument} is not UTF-8 text.", code=2)
    except OSError as error:
        fail(f"{argument} cannot be read: {error.strerror}. An argument of several words is used as the text.", code=2)
    if not text.strip():
        fail("The text is empty.", code=2)
    return text


def _names_a_file(argument: str) -> bool:
    """Whether this file exists, or the argument has no spaces and looks like a file name."""
    try:
        if Path(argument).exists():
            return True
    except (OSError, ValueError):
        return False
    return not any(character.isspace() for character in argument) and ("/" in argument or bool(Path(argument).suffix))


def _linked(text: str, code: str | None, date: str | None) -> ArticleDraft:
    """Run the language and entities stages on the text."""
    from datetime import UTC, datetime

    from schemas.article import ArticleDraft, ContentType, Language
    from services.entities import EntityLinker, EntitySettings
    from services.language import identify
    from services.producer.identity import article_id_of, content_hash_of

    _gazetteer()
    link = EntityLinker(EntitySettings()).link
    draft = ArticleDraft(
        article_id=article_id_of("explain", "text", None),
        source_id="explain",
        content_type=ContentType.TEXT,
        content=text,
        published_at=_date(date) if date else None,
        declared_language=None,
        fetched_at=datetime.now(UTC),
        content_hash=content_hash_of(text, None, None, None, None),
        revision=1,
    )
    if code is None:
        return link(identify(draft))
    try:
        language = Language(code=code, confidence=1.0)
    except ValueError:
        fail(f"--language {code!r} is not a language. Write its BCP 47 tag: nl, zh, pt-BR.", code=2)
    return link(draft.model_copy(update={"language": language, "declared_language": language.code}))


def _date(text: str) -> datetime:
    from datetime import UTC, datetime

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--date {text!r} is not a date. Write it as 2021-03-19.", code=2)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _print_table(columns: tuple[str, ...], rows: Iterable[Iterable[str]]) -> None:
    from rich.table import Table

    table = Table(box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


@entities_app.command()
def build(
    wikidata: Annotated[Path, typer.Option(metavar="DUMP", help="Wikidata JSON dump: plain, .gz or .bz2.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: wikidata.tsv.gz in DRAGOMAN_HOME.")
    ] = None,
) -> None:
    """Build a gazetteer from a Wikidata dump: office holders, well-known people, places and organisations.

    The dump is https://dumps.wikimedia.org/wikidatawiki/entities/latest-all.json.gz (more than 100 GB, hours to read).
    The entities that are kept stay in memory. To use the gazetteer, set DRAGOMAN_GAZETTEER to its path.

    Example: `dragoman entities build --wikidata latest-all.json.gz --output names.tsv.gz`.
    """
    from services.common.settings import default_home
    from services.entities.wikidata import DumpError

    target = output or default_home() / "wikidata.tsv.gz"
    if not wikidata.is_file():
        fail(f"There is no file {wikidata}. Get latest-all.json.gz from dumps.wikimedia.org/wikidatawiki/entities.", 2)
    try:
        counts = _build(wikidata, target)
    except DumpError as error:
        fail(f"{error}. Get latest-all.json.gz from dumps.wikimedia.org/wikidatawiki/entities.", code=2)
    except OSError as error:
        fail(f"{error.filename or target} cannot be read or written: {error.strerror}.", code=2)
    out.print(
        f"Read {counts['read']:,} entities, kept {counts['kept']:,} with {counts['aliases']:,} spellings; "
        f"broken lines: {counts['broken']:,}.",
        soft_wrap=True,
    )
    out.print(f"Wrote {target}. To use it: export DRAGOMAN_GAZETTEER={target.absolute()}", soft_wrap=True)


def _build(dump: Path, target: Path) -> dict[str, int]:
    """Build the gazetteer. On a terminal, show a progress bar in bytes."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from services.entities.wikidata import build_from_dump

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("reading", total=dump.stat().st_size)
        return build_from_dump(dump, target, progress=lambda size: bar.update(task, completed=size))
