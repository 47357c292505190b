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
    """Collect all feeds until Ctrl-C, and accept articles over HTTP. `dragoman up` runs this command.

    Edits to the feeds file take effect immediately. Fetched articles are not lost: the producer's store keeps them
    until Kafka has confirmed them. The exit code is 75 if another collector uses the same store.

    Example: `dragoman collect --feeds my-feeds.yaml`.
    """
    from services.common.exits import EXIT_TEMPORARY
    from services.producer.app import main
    from services.producer.settings import ProducerSettings

    stated: dict[str, Any] = {"feeds": feeds, "ingest_port": ingest_port}
    settings = ProducerSettings(**{name: value for name, value in stated.items() if value is not None})
    err.print(f"Collecting the feeds of {settings.feeds}. Ctrl-C stops it. `dragoman feeds list` shows the feeds.")
    code = main(settings)
    if code == EXIT_TEMPORARY:
        err.print("Another collector works on this store (`dragoman up` runs one). See `dragoman status`.")
    raise typer.Exit(code)
