"""`dragoman eval`: quality on the labelled sets, in a checkout."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from services.cli.output import err, fail, out, print_json

CHECKOUT = Path(__file__).parents[2]


def evaluate(
    publish: Annotated[
        bool, typer.Option("--publish", help="Show the figures on the producer's metrics page as gauges.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object of figures instead of the table.")] = False,
) -> None:
    """Measure every stage on every labelled set that is there, beside the last figures and the targets.

    Takes two minutes. Examples: `dragoman eval`, `dragoman eval --publish`, `dragoman eval --json > figures.json`.
    """
    from rich.console import Console

    from services.common.quality import publish as publish_figures
    from services.common.settings import default_home

    if not (CHECKOUT / "benchmarks" / "quality").is_dir():
        fail("`dragoman eval` measures on the repository's labelled sets: run it in a checkout (make eval).", code=2)
    sys.path.insert(0, str(CHECKOUT))
    quality = import_module("benchmarks.quality.__main__")
    figures: dict[str, float] = quality.run(Console(stderr=True) if as_json else out)
    if as_json:
        print_json({name: round(value, 4) for name, value in figures.items()})
    if publish:
        path = publish_figures(default_home(), figures)
        err.print(f"Published: the producer of this home shows {path} as dragoman_quality.", markup=False)
