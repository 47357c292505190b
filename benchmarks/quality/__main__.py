"""`make eval`: measures quality on the available labelled sets and compares it with last results and targets."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import SHARED
from benchmarks.quality import names
from benchmarks.quality.links import measure_aliases, measure_links, measure_read
from benchmarks.quality.scores import Figures
from benchmarks.quality.seeds import measure_seeds, score_seeds
from benchmarks.quality.stories.evaluate import measure_duplicates, measure_stories
from benchmarks.quality.texts import measure_clean, measure_language
from benchmarks.speed.warm import measure_speed
from services.entities.names import CrfNameFinder

RESULTS = Path(__file__).with_name("results.json")
TARGETS: dict[str, tuple[str, float]] = {
    "date_f1": (">=", 0.97),
    "dates_invented_per_1000_undated": ("<=", 0),
    "title_exact": (">=", 0.95),
    "kept": (">=", 0.98),
    "dropped": (">=", 0.95),
    "language.documents.macro_f1": (">=", 0.999),
    "language.documents.undetermined": ("<=", 0.02),
    "language.documents.wrong": ("<=", 0.005),
    "language.headlines.macro_f1": (">=", 0.985),
    "language.30_characters.macro_f1": (">=", 0.965),
    "aliases.recall": (">=", 0.98),
    "aliases.wrong": ("<=", 0.005),
    "links.precision": (">=", 0.9),
    "links.recall": (">=", 0.8),
    "links.read.wrong": ("<=", 0.03),
    "names.pud-en.untyped.f1": (">=", 0.7),
    "names.pud-de.untyped.f1": (">=", 0.7),
    "duplicates.precision": (">=", 0.999),
    "duplicates.recall": (">=", 0.98),
    "stories.wikinews.b3.f1": (">=", 0.96),
    "stories.ecb.b3.f1": (">=", 0.9),
    "stories.ntrex8.b3.f1": (">=", 0.94),
    "stories.ntrex40.b3.f1": (">=", 0.88),
    "stories.wikinews.cross_lingual.f1": (">=", 0.95),
    "stories.wikinews.order": ("<=", 0.01),
    "stories.ecb.order": ("<=", 0.01),
    "stories.ntrex8.order": ("<=", 0.01),
    "stories.mix.order": ("<=", 0.01),
    "stories.mix.seeds": (">=", 5),
    "stories.seeds.alone": (">=", 5),
    "semeval.trained": (">=", 0.7),
    "speed.language": (">=", 2000),
    "speed.normalizer": (">=", 2000),
    "speed.entities": (">=", 300),
    "speed.gazetteer_load_seconds": ("<=", 1),
}
"""Targets by the name of the figure, or by the last part of the name if several sets have the figure."""


def measure_names() -> Figures:
    """`names.…` on PUD and on the test files of the other corpora, if they are available."""
    folder = SHARED / "data"
    if not (folder / "ner").is_dir():
        return {}
    return {f"names.{name}": value for name, value in names.measure(folder, CrfNameFinder()).items()}


PARTS: dict[str, Callable[[], Figures]] = {
    "speed": measure_speed,
    "seeds": measure_seeds,
    "clean text": measure_clean,
    "language": measure_language,
    "spellings": measure_aliases,
    "links": measure_links,
    "links read by hand": measure_read,
    "names": measure_names,
    "duplicates": measure_duplicates,
    "stories": measure_stories,
}


def target_of(name: str) -> tuple[str, float] | None:
    """The target of a figure, if it has one."""
    return TARGETS.get(name) or (TARGETS.get(name.rsplit(".", 1)[-1]) if name.startswith("clean.") else None)


def holds(value: float, target: tuple[str, float]) -> bool:
    """Whether a figure reaches its target."""
    return value >= target[1] if target[0] == ">=" else value <= target[1]


def to_table(figures: Figures, last: Figures) -> Table:
    """Every figure with the last committed figure and its target. Missed targets are marked."""
    table = Table(title="Quality", title_justify="left", box=None)
    table.add_column("figure")
    for column in ("this run", "last", "target"):
        table.add_column(column, justify="right")
    for name, value in figures.items():
        target = target_of(name)
        style = "" if target is None or holds(value, target) else "bold red"
        shown = f"{target[0]} {target[1]:g}" if target else ""
        before = f"{last[name]:,.4g}" if name in last else "-"
        table.add_row(name, f"{value:,.4g}", before, shown, style=style)
    return table


def measure(console: Console) -> Figures:
    """Measure every part that is possible on this machine."""
    figures: Figures = {}
    for title, part in PARTS.items():
        with console.status(title):
            found = part()
        if not found:
            console.print(f"{title}: its labelled set is not here", style="dim")
        figures |= found
    return figures


def read_results() -> Figures:
    """The last committed figures."""
    if not RESULTS.exists():
        return {}
    content: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf8"))
    return {name: float(value) for name, value in content["figures"].items()}


def write_results(figures: Figures, path: Path) -> None:
    """Write the figures with their date. If a set is not available here, its last committed figures stay."""
    content = {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "figures": {name: round(value, 4) for name, value in (read_results() | figures).items()},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf8")


def main() -> None:
    """Measure, show and write. Nothing passes or fails here."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description="Measures quality on the labelled sets that are here, beside the last committed figures.",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=RESULTS,
        metavar="FILE",
        help="where figures go (default: the committed file)",
    )
    output: Path = parser.parse_args().output
    last = read_results()
    figures = measure(Console(stderr=True))
    Console().print(to_table(figures, last))
    for answers in score_seeds().values():
        for line in answers.wrong:
            print(f"seeds: {line}")
    write_results(figures, output)


if __name__ == "__main__":
    main()
