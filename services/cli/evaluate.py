"""`dragoman eval`: measures quality on the labelled sets. It needs a checkout of the repository."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from services.cli.output import err, fail, print_json

CHECKOUT = Path(__file__).parents[2]


def evaluate(
    publish: Annotated[
        bool, typer.Option("--publish", help="Show the figures on the producer's metrics page as gauges.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with the figures instead of the table.")
    ] = False,
) -> None:
    """Run the quality benchmarks and compare them with the last results and the targets.

    Takes some minutes. Examples: `dragoman eval`, `dragoman eval --publish`, `dragoman eval --json > figures.json`.
    """
    from services.common.quality import publish as publish_figures
    from services.common.settings import default_home

    if not (CHECKOUT / "benchmarks" / "quality").is_dir():
        fail("`dragoman eval` needs the labelled sets of the repository: run it in a checkout (make eval).", code=2)
    figures = _measure(table_on_stderr=as_json)
    if as_json:
        print_json({name: round(value, 4) for name, value in figures.items()})
    if publish:
        path = publish_figures(default_home(), figures)
        err.print(f"Published: the producer of this home shows the figures of {path} as dragoman_quality.")


def _measure(*, table_on_stderr: bool) -> dict[str, float]:
    """The figures of `python -m benchmarks.quality`. It also prints its table. No committed file is written."""
    with tempfile.TemporaryDirectory(prefix="dragoman-eval-") as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "benchmarks.quality", "--output", str(file)]
        ended = subprocess.run(command, cwd=CHECKOUT, stdout=sys.stderr if table_on_stderr else None, check=False)
        if ended.returncode:
            fail("The measurement failed. Its output above says why.", code=ended.returncode)
        figures: dict[str, float] = json.loads(file.read_text(encoding="utf8"))["figures"]
        return figures
