"""Measures whether the whole line slows down as it works: articles per second and CPU by process, part by part.

    python -m benchmarks.speed.growth [--marks 2000,5000,10000,20000] [--vectors] [--pages] [--json PATH]

One embedded stack takes all articles, in files of a thousand. The next file is sent when at most a thousand articles
are on their way, so that no service runs ahead of the others: workers that have done everything leave the machine to
those behind them, and no part would be like the work of a day. A part lasts from one mark to the next. Articles that
are on their way at a mark belong to the next part. The figures are written beside those of other conditions (vectors,
pages), and drawn as `docs/images/growth.svg`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch
from rich.console import Console
from rich.table import Table

from benchmarks.corpus import ROOT, open_corpus
from benchmarks.speed.measures import conditions
from benchmarks.speed.pipeline import (
    PATIENCE_SECONDS,
    POLL_SECONDS,
    WARM_UP,
    Material,
    count_articles,
    settings_of,
    to_json,
    warm_up,
)
from benchmarks.speed.processes import Running, Sampler, embedded_stack
from benchmarks.speed.svg import Panel, draw
from services.common.elastic import make_client

RESULTS = Path(__file__).with_name("growth.json")
PLOT = ROOT / "docs" / "images" / "growth.svg"
MARKS = (2_000, 5_000, 10_000, 20_000)
FILE_ARTICLES = 1000
"""Articles in a file, and on their way at most when the next file is sent. Marks are multiples of it."""
GROUPS = {"worker-1": "workers", "worker-2": "workers"}
"""Processes that are told together."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of the run: articles that are searchable, Unix seconds, and the CPU seconds of each process so far."""

    articles: int
    at: float
    cpu: dict[str, float]


def measure(marks: Sequence[int], *, vectors: bool, pages: bool) -> dict[str, Any]:
    """The parts of one run."""
    with tempfile.TemporaryDirectory(prefix="dragoman-growth-") as name, embedded_stack(vectors=vectors) as running:
        corpus = open_corpus()
        material = Material(corpus, marks[-1], Path(name))
        client = make_client(settings_of(running))
        try:
            warm_up(running, material, client)
            files = [material.folder / f"growth-{first}.jsonl" for first in range(0, marks[-1], FILE_ARTICLES)]
            for number, path in enumerate(files):
                written = corpus.write(path, FILE_ARTICLES, first=number * FILE_ARTICLES, as_pages=pages)
            about = conditions(marks[-1], written.mean_characters, corpus.origin)
            moments = _replay(running, client, files, marks)
        finally:
            client.close()
    return {"vectors": vectors, "pages": pages, "conditions": about, "parts": to_parts(moments)}


def _replay(running: Running, client: Elasticsearch, files: Sequence[Path], marks: Sequence[int]) -> list[Mark]:
    waiting, ahead = list(files), list(marks)
    sent = found = 0
    sender: subprocess.Popen[bytes] | None = None
    with Sampler(running) as sampler:
        moments = [Mark(0, time.time(), sampler.cpu_seconds())]
        moved_at = time.time()
        while ahead and time.time() - moved_at < PATIENCE_SECONDS:
            if waiting and sent - found <= FILE_ARTICLES and (sender is None or sender.poll() is not None):
                sender = running.command("replay", str(waiting.pop(0)))
                sent += FILE_ARTICLES
            before, found = found, count_articles(client, WARM_UP + found) - WARM_UP
            if found > before:
                moved_at = time.time()
            if found >= ahead[0]:
                moments.append(Mark(found, moved_at, sampler.cpu_seconds()))
                ahead = [mark for mark in ahead if mark > found]
            time.sleep(POLL_SECONDS)
    if sender is not None:
        sender.wait()
    return moments


def to_parts(moments: Sequence[Mark]) -> list[dict[str, Any]]:
    """Rate and CPU-ms an article of each process between each two moments."""
    parts = []
    for before, after in pairwise(moments):
        articles = max(1, after.articles - before.articles)
        spent: dict[str, float] = {}
        for name, seconds in after.cpu.items():
            group = GROUPS.get(name, name)
            spent[group] = spent.get(group, 0.0) + (seconds - before.cpu.get(name, 0.0)) / articles * 1000
        parts.append(
            {
                "from": before.articles,
                "to": after.articles,
                "articles_per_second": round(articles / (after.at - before.at), 1),
                "cpu_ms": {name: round(milliseconds, 2) for name, milliseconds in sorted(spent.items())},
            }
        )
    return parts


def name_of(run: dict[str, Any]) -> str:
    """The conditions of a run, in words."""
    return f"{'pages' if run['pages'] else 'texts'} {'with' if run['vectors'] else 'without'} vectors"


def to_table(run: dict[str, Any]) -> Table:
    """One row for each part."""
    table = Table(title=f"CPU-ms an article, {name_of(run)}")
    names = sorted({name for part in run["parts"] for name in part["cpu_ms"]})
    for heading in ("articles", "a second", *names, "sum"):
        table.add_column(heading, justify="right")
    for part in run["parts"]:
        spent = [part["cpu_ms"].get(name, 0.0) for name in names]
        figures = [f"{value:.1f}" for value in (part["articles_per_second"], *spent, sum(spent))]
        table.add_row(f"{part['from']:,} to {part['to']:,}", *figures)
    return table


def to_picture(runs: Sequence[dict[str, Any]]) -> str:
    """Rates and the CPU of the processes that take most, by the number of articles so far."""
    rates = {name_of(run): _line(run, None) for run in runs}
    spent = {name: _line(runs[0], name) for name in ("dedup", "elasticsearch", "workers", "kafka", "indexer")}
    return draw(
        (
            Panel("articles a second", "articles so far", rates),
            Panel(f"CPU-ms an article, {name_of(runs[0])}", "articles so far", spent),
        )
    )


def _line(run: dict[str, Any], process: str | None) -> list[tuple[float, float]]:
    return [
        ((part["from"] + part["to"]) / 2, part["cpu_ms"].get(process, 0.0) if process else part["articles_per_second"])
        for part in run["parts"]
    ]


def main() -> None:
    """Measure, print, and write the figures and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--marks", default=",".join(map(str, MARKS)), metavar="N,N", help="where the parts end")
    parser.add_argument("--vectors", action="store_true", help="with vectors")
    parser.add_argument("--pages", action="store_true", help="web pages of 60 kB in place of texts")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="PATH", help="where the figures are written")
    asked = parser.parse_args()
    run = measure([int(mark) for mark in asked.marks.split(",")], vectors=asked.vectors, pages=asked.pages)
    Console().print(to_table(run))
    known = json.loads(asked.json.read_text(encoding="utf8")) if asked.json.is_file() else []
    others = [one for one in known if name_of(one) != name_of(run)]
    runs = sorted([run, *others], key=lambda one: (one["pages"], one["vectors"]))
    asked.json.write_bytes(to_json(runs))
    if asked.json == RESULTS:
        PLOT.write_text(to_picture(runs), encoding="utf8")


if __name__ == "__main__":
    main()
