"""`make bench`: articles per second, CPU and memory of each stage, each service and the whole pipeline."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.corpus import open_corpus
from benchmarks.speed import hostile, pipeline, stages, tables
from benchmarks.speed.measures import TARGETS, conditions

RESULTS = Path(__file__).with_name("results.json")
PARTS = ("stages", "hostile", "pipeline", "producer", "indexer", "feeds")
EXAMPLES = """examples:
  python -m benchmarks.speed                            everything, 2,000 articles
  python -m benchmarks.speed --articles 200 --only stages
  python -m benchmarks.speed --only pipeline --json figures.json
"""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description="Measures Dragoman on this machine, on an embedded stack of its own. Nothing passes or fails.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--articles", type=_positive, default=2000, metavar="N", help="articles (default: 2000)")
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    parser.add_argument(
        "--json",
        type=Path,
        default=RESULTS,
        metavar="PATH",
        help=f"where the figures are written (default: {RESULTS.parent.name}/{RESULTS.name})",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def measure(articles: int, only: str | None, console: Console) -> dict[str, Any]:
    """The conditions and the requested figures."""
    corpus = open_corpus()
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as name:
        folder = Path(name)
        written = corpus.write(folder / "corpus.jsonl", articles)
        results: dict[str, Any] = {
            "conditions": conditions(articles, written.mean_characters, corpus.origin),
            "targets": asdict(TARGETS),
        }
        if only in (None, "stages"):
            with console.status("stages") as status:
                results["stages"] = stages.measure_all(folder / "corpus.jsonl", folder, status.update)
            results["conditions"]["found"] = stages.found_in(folder)
        if only in (None, "hostile"):
            with console.status("hostile texts") as status:
                results["hostile"] = hostile.measure_all(on_text=status.update)
        if only not in ("stages", "hostile"):
            with console.status("embedded stack"):
                results |= pipeline.run(pipeline.Material(corpus, articles, folder), only)
    return results


def main() -> None:
    """Measure, print tables, write JSON."""
    arguments = parse()
    results = measure(arguments.articles, arguments.only, Console(stderr=True))
    tables.print_all(results)
    arguments.json.write_bytes(pipeline.to_json(results))
    print(f"Figures are in {arguments.json}.")


if __name__ == "__main__":
    main()
