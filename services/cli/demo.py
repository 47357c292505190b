"""`dragoman demo`: runs the whole pipeline once on the seed articles, in its own home."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

import seeds as shipped
from services.cli.output import err, fail, out
from services.cli.servers import require_embedded

SEARCHES = (
    ("bezoeken gesprek", "nl", "Dutch words, other forms than in the article: found through stemming"),
    ("nuclear reactors", None, "English words, in any language"),
)
MAX_ENTITIES = 4
KEPT_APART = tuple(f"DRAGOMAN_{name}" for name in ("NAMESPACE", "STORE_PATH", "QUARANTINE_PATH", "FEEDS"))
"""Settings that could point the demo to a real stack or ledger. The demo ignores them."""


def demo(
    seeds: Annotated[
        Path | None, typer.Option(help="A folder of articles (default: the five that come with Dragoman).")
    ] = None,
) -> None:
    """Run the whole pipeline on the seed articles, show the results, and stop everything again.

    The demo uses its own home and removes it at the end. It needs Java 21 or newer and the extra `embedded`.

    Example: `dragoman demo`.
    """
    began = time.monotonic()
    require_embedded("The demo")
    seeds = seeds or Path(shipped.__file__).with_name("articles")
    if not seeds.is_dir():
        fail(f"There is no folder {seeds}.", code=2)
    with tempfile.TemporaryDirectory(prefix="dragoman-demo-") as home:
        os.environ["DRAGOMAN_HOME"] = home
        os.environ.setdefault("DRAGOMAN_SERVER_COMPILER", "quick")
        for name in KEPT_APART:
            os.environ.pop(name, None)
        _run(seeds, Path(home))
    err.print(f"Done in {time.monotonic() - began:.0f} s. Everything was stopped.", style="bold")


def _run(seeds: Path, home: Path) -> None:
    from services.cli.replay import replay
    from services.cli.stack import start_stack
    from services.embedded.stack import down

    try:
        start_stack(workers=None, detach=False)
        err.print("• Replaying the seed articles", style="dim")
        replay([str(seeds)], rate=None, loop=1, wait=True, source_id=None, timeout=120)
        _show()
    finally:
        err.print("• Stopping everything", style="dim")
        down(home)


def _show() -> None:
    from rich.text import Text

    from services.cli.search import show
    from services.common.elastic import make_client
    from services.common.settings import ElasticsearchSettings
    from services.search.search import Search, run_search

    settings = ElasticsearchSettings()
    client = make_client(settings)
    index = settings.name("articles")
    try:
        everything = run_search(client, index, Search("*", with_duplicates=True, size=50))
        out.print(_table([hit.article for hit in everything.hits]))
        for query, language, what in SEARCHES:
            option = f" --language {language}" if language else ""
            out.print(Text.assemble((f'\n$ dragoman search "{query}"{option}', "bold"), (f"   # {what}", "dim")))
            show(run_search(client, index, Search(query, language=language)))
    finally:
        client.close()


def _table(articles: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    from services.cli.search import headline

    table = Table(title="Read back from Elasticsearch", title_justify="left")
    for column in ("language", "stated date", "title", "top entities", "story", "duplicate of"):
        table.add_column(column, overflow="fold")
    for article in sorted(articles, key=lambda article: article["guid"] or ""):
        language = article["language"]
        entities = sorted(article["entities"], key=lambda entity: -len(entity["mentions"]))[:MAX_ENTITIES]
        table.add_row(
            f"{language['code']} {language['confidence']:.2f}",
            (article["published_at"] or "-")[:10],
            headline(article, 70),
            ", ".join(f"{entity['name']} ({entity['id']})" for entity in entities),
            article["story_id"][:8],
            (article["duplicate_of"] or "-")[:8],
        )
    return table
