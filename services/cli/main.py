"""The table of all commands."""

from __future__ import annotations

import sqlite3
import sys

import typer

from services import __version__
from services.cli import (
    article,
    collect,
    dead,
    demo,
    entities,
    es,
    evaluate,
    explain,
    feeds,
    files,
    reenrich,
    reindex,
    replay,
    search,
    stack,
    status,
    stories,
    verify,
)
from services.cli.output import fail

app = typer.Typer(
    name="dragoman",
    help="A streaming, multilingual news pipeline on Kafka and Elasticsearch.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

app.command()(stack.up)
app.command()(stack.down)
app.command()(status.status)
app.command()(verify.verify)
app.command()(stack.setup)
app.command()(replay.replay)
app.command()(reindex.reindex)
app.command()(reenrich.reenrich)
app.command()(collect.collect)
app.add_typer(feeds.app, name="feeds")
app.command()(search.search)
app.command()(explain.explain)
app.command()(es.es)
app.add_typer(stories.app, name="stories")
app.command()(article.trace)
app.command()(article.raw)
app.command()(files.enrich)
app.command()(files.group)
app.command()(demo.demo)
app.command("eval")(evaluate.evaluate)
app.add_typer(dead.app, name="dead")
app.add_typer(entities.entities_app, name="entities")


def show_version(value: bool) -> None:
    """Print the version and end."""
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False,
        "--version",
        callback=show_version,
        is_eager=True,
        help="Print the version.",
    ),
) -> None:
    """A streaming, multilingual news pipeline on Kafka and Elasticsearch."""


def main() -> None:
    """Run a command. An error that a person can fix ends in a sentence, not in a stack trace."""
    from pydantic import ValidationError

    from services.common.exits import UnusableProcessError
    from services.common.messages import describe
    from services.producer.settings import ProducerSettings

    try:
        app()
    except ValidationError as error:
        fail(f"A setting is wrong: {describe(error)} (see docs/configuration.md).")
    except UnusableProcessError as error:
        fail(str(error), code=error.exit_code)
    except sqlite3.DatabaseError as error:
        store = ProducerSettings().store_file
        fail(f"The store {store} cannot be read: {error}. If it is damaged, put a copy of it back.", code=78)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
