"""Writes the figures of a release into CHANGELOG.md, from the committed results; `--check` fails when they differ.

python -m tools.figures [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
CHANGELOG: Final = ROOT / "CHANGELOG.md"
QUALITY: Final = ROOT / "benchmarks" / "quality" / "results.json"
SPEED: Final = ROOT / "benchmarks" / "speed" / "results.json"
SCALE: Final = ROOT / "benchmarks" / "speed" / "grouping_scale.json"
BEGIN, END = "<!-- figures: made by `make figures` -->", "<!-- end of figures -->"
QUALITY_ROWS: Final = (
    ("Language of documents, 68 languages: macro F1", "language.documents.macro_f1"),
    ("Language of headlines: macro F1", "language.headlines.macro_f1"),
    ("Language of 30 characters: macro F1", "language.30_characters.macro_f1"),
    ("Stated dates, Wikinews with unseen furniture: F1", "clean.wikinews.held_out.date_f1"),
    ("Stated dates, 15 languages with unseen furniture: F1", "clean.ntrex.held_out.date_f1"),
    ("Titles, Wikinews with unseen furniture: exact", "clean.wikinews.held_out.title_exact"),
    ("Titles, 15 languages with unseen furniture: exact", "clean.ntrex.held_out.title_exact"),
    ("Text that is kept, 15 languages", "clean.ntrex.held_out.kept"),
    ("Furniture that is dropped, 15 languages", "clean.ntrex.held_out.dropped"),
    ("Entity links, Wikinews: precision", "links.precision"),
    ("Entity links, Wikinews: recall", "links.recall"),
    ("Entity links that two readers found wrong", "links.read.wrong"),
    ("Names that no list holds, English: F1", "names.pud-en.untyped.f1"),
    ("Names that no list holds, German: F1", "names.pud-de.untyped.f1"),
    ("Near-duplicates among template news: precision", "duplicates.precision"),
    ("Near-duplicates among template news: recall", "duplicates.recall"),
    ("Stories, Wikinews: B³ F1", "stories.wikinews.b3.f1"),
    ("Stories, NTREX in 8 languages: B³ F1", "stories.ntrex8.b3.f1"),
    ("Stories, NTREX in 40 languages: B³ F1", "stories.ntrex40.b3.f1"),
    ("Stories, ECB+: B³ F1", "stories.ecb.b3.f1"),
    ("Stories, all mixed: B³ F1", "stories.mix.b3.f1"),
    ("SemEval-2022 Task 8: correlation", "semeval.trained"),
)


def quality_rows(figures: Mapping[str, float]) -> list[tuple[str, str]]:
    """(what, figure) for each row; KeyError names a figure that is not in the results."""
    return [(what, f"{figures[name]:.3f}") for what, name in QUALITY_ROWS]


def speed_rows(results: Mapping[str, Any], scale: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(what, figure) for the pipeline, the services and the grouping."""
    rows = []
    for run in results["pipeline"]:
        vectors = "with vectors" if run["vectors"] else "without vectors"
        rows.append((f"The whole pipeline, {vectors}", f"{run['articles_per_second']:.0f} articles/s"))
    rows.append(("The producer alone", f"{results['producer']['articles_per_second']:,.0f} articles/s"))
    best = max(run["articles_per_second"] for run in results["indexer"])
    rows.append(("The indexer alone", f"{best:,.0f} articles/s"))
    feeds = results["feeds"]
    rows.append((f"Collecting {feeds['feeds']:,} feeds", f"{feeds['polls_per_second']:.0f} polls/s"))
    for step in scale:
        if step["live_articles"] in (100_000, 1_000_000):
            what = f"Decisions of grouping at {step['live_articles']:,} live articles, with vectors"
            rate, memory = step["with_vectors.articles_per_second"], step["memory_mib"] / 1024
            rows.append((what, f"{rate:.0f} articles/s, {memory:.1f} GiB"))
    return rows


def render() -> str:
    """The figures as two tables with their conditions."""
    quality = json.loads(QUALITY.read_text(encoding="utf8"))
    speed = json.loads(SPEED.read_text(encoding="utf8"))
    scale = json.loads(SCALE.read_text(encoding="utf8"))
    conditions = speed["conditions"]
    lines = [f"Quality, measured on {quality['measured_at']} (`make eval`):", "", "| what | figure |", "|---|---|"]
    lines += [f"| {what} | {figure} |" for what, figure in quality_rows(quality["figures"])]
    corpus = f"{conditions['articles']:,} articles of {conditions['mean_characters']:,} characters"
    machine = f"{conditions['cores']} cores, which Kafka and Elasticsearch share"
    lines += ["", f"Speed, measured on {conditions['date'][:10]} (`make bench`): {corpus} on {machine}.", ""]
    lines += ["| what | figure |", "|---|---|"]
    lines += [f"| {what} | {figure} |" for what, figure in speed_rows(speed, scale)]
    return "\n".join(lines)


def replaced(text: str, figures: str) -> str:
    """The changelog with these figures between its two marks; ValueError where a mark is missing."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"CHANGELOG.md must hold the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write, or check; returns the exit code."""
    text = CHANGELOG.read_text(encoding="utf8")
    wanted = replaced(text, render())
    if "--check" in arguments:
        if wanted != text:
            print("The figures in CHANGELOG.md are not those of the committed results; run make figures")
        return int(wanted != text)
    CHANGELOG.write_text(wanted, encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
