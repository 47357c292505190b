"""`dragoman search`."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import fail, out, print_json

if TYPE_CHECKING:
    from rich.text import Text

    from services.search.search import Hit, SearchResult


def search(
    query: Annotated[str, typer.Argument(help='simple_query_string: + | - "phrase" prefix* ( ). * finds everything.')],
    language: Annotated[str | None, typer.Option(help="Only this language (BCP 47). Uses its stemmer.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only articles that name this entity, e.g. Q7747.")] = None,
    published_from: Annotated[str | None, typer.Option("--from", metavar="DATE", help="Published on or after.")] = None,
    published_to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Published on or before.")] = None,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Show copies too, instead of hiding them.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of results.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find articles. The best come first, with highlights and their story.

    Examples: `dragoman search bezoeken --language nl`; `dragoman search '"nuclear power" -coal' --entity Q7747`;
    `dragoman search '*' --from 2021-01-01 --to 2021-12-31 --json`.
    """
    from services.common.elastic import make_client
    from services.common.settings import ElasticsearchSettings
    from services.search.search import Search, SearchError, run_search

    settings = ElasticsearchSettings()
    client = make_client(settings)
    try:
        wanted = Search(
            query, language, entity, _date(published_from, "--from"), _date(published_to, "--to"), duplicates, limit
        )
        found = run_search(client, settings.name("articles"), wanted)
    except SearchError as error:
        fail(str(error), code=2)
    finally:
        client.close()
    if as_json:
        print_json({"total": found.total, "hits": [asdict(hit) for hit in found.hits]})
    else:
        show(found)


def _date(text: str | None, option: str) -> date | None:
    from services.search.search import SearchError

    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError as error:
        raise SearchError(f"{option} {text!r} is not a date. Write it as 2021-03-19.") from error


MATCH = re.compile(r"<em>(.*?)</em>", re.DOTALL)
"""A match in a highlighted fragment (`services.search.search.HIGHLIGHT_TAGS`)."""


def show(found: SearchResult) -> None:
    """Print hits for a person."""
    from rich.text import Text

    if not found.hits:
        out.print("Nothing found.")
        return
    out.print(f"{found.total:,} found", style="dim")
    for hit in found.hits:
        article = hit.article
        out.print(headline(article), style="bold", soft_wrap=True)
        out.print(f"  {_facts(hit)}", style="dim", soft_wrap=True)
        for fragment in hit.highlights:
            out.print(Text.assemble("  … ", highlighted(fragment), " …"), soft_wrap=True)


def highlighted(fragment: str) -> Text:
    """A fragment of an article with its matches in bold. Anything else in it is text, whatever it looks like."""
    from rich.text import Text

    shown = Text()
    for number, part in enumerate(MATCH.split(fragment)):
        shown.append(part, style="bold yellow" if number % 2 else "")
    return shown


def headline(article: dict[str, object], width: int = 100) -> str:
    """The title. Without a title, the beginning of the text."""
    text = str(article.get("title") or article.get("text") or "")
    return text if len(text) <= width else text[: width - 1].rsplit(" ", 1)[0] + "…"


def _facts(hit: Hit) -> str:
    article = hit.article
    parts = [
        str(article["language"]["code"]),
        (article["published_at"] or "-")[:10],
        str(article["source_id"]),
        f"story {article['story_id'][:8]}",
        f"score {hit.score:.2f}",
    ]
    if article.get("duplicate_of"):
        parts.append(f"duplicate of {article['duplicate_of'][:8]}")
    if hit.duplicates:
        parts.append(f"+{hit.duplicates} duplicates")
    return "  ".join(parts)
