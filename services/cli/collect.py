"""`dragoman collect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.output import err


def collect(
    feeds: Annotated[Path | None, typer.Option(help="The feeds file (default: DRAGOMAN_FEEDS).")] = None,
    ingest_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of POST /articles.")] = None,
) -> None:
    """Collect all feeds for ever, and take articles over HTTP. `dragoman up` runs it; Ctrl-C ends it.

    Edits to the feeds file take effect at once. Nothing that was fetched is lost: it is kept in the producer's store
    until Kafka has confirmed it. Exit code 75 when another collector works on the same store.

    Example: `dragoman collect --feeds my-feeds.yaml`.
    """
    from services.common.exits import EXIT_TEMPORARY
    from services.producer.app import main
    from services.producer.settings import ProducerSettings

    stated: dict[str, Any] = {"feeds": feeds, "ingest_port": ingest_port}
    settings = ProducerSettings(**{name: value for name, value in stated.items() if value is not None})
    err.print(f"Collecting the feeds of {settings.feeds}. Ctrl-C ends it; `dragoman feeds list` shows them.")
    code = main(settings)
    if code == EXIT_TEMPORARY:
        err.print("Another collector works on this store (`dragoman up` runs one). `dragoman status` shows it.")
    raise typer.Exit(code)
