"""`make eval`: quality on the labelled sets where they are, else on the seeds alone."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import feed_agreement
from benchmarks.corpus import ROOT, SEEDS, SEEDS_GOLD, SHARED
from schemas.article import ContentType, EnrichedArticle, RawArticle
from services.producer.identity import article_id_of, content_hash_of
from services.worker.stages import enrich, stage_slice

TOOL = SHARED / "tools" / "quality.py"
DATA = SHARED / "data"
SETS = (
    ("language", DATA / "ntrex" / "articles.jsonl.gz"),
    ("neardup", DATA / "wikinews" / "neardup.jsonl"),
    ("stories", DATA / "wikinews" / "articles.jsonl"),
    ("alias", DATA / "entities" / "variants.tsv"),
)


def run_set(task: str, path: Path) -> dict[str, Any]:
    """One labelled set's figures, flat, as the tool prints them; what it says instead where it fails."""
    done = subprocess.run(
        [sys.executable, str(TOOL), task, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    first, _, rest = done.stdout.strip().partition("\n")
    try:
        figures = dict(flatten(json.loads(first)))
    except ValueError:
        said = (done.stdout + done.stderr).strip()
        return {"failed": said.splitlines()[-1] if said else f"exit code {done.returncode}"}
    return {**figures, "note": rest.removeprefix("holds ").strip()}


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"b3": {"f1": .9}}` as `b3.f1`, .9."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def measure_sets(console: Console) -> Table:
    """Every labelled set in one table."""
    table = Table(title="Quality on the labelled sets", title_justify="left", box=None)
    for column in ("set", "figure"):
        table.add_column(column)
    table.add_column("value", justify="right")
    for task, path in SETS:
        with console.status(task):
            figures = run_set(task, path) if path.exists() else {"failed": f"{path.name} is not there"}
        for number, (name, value) in enumerate(figures.items()):
            table.add_row(task if number == 0 else "", name, _shown(value))
        table.add_section()
    return table


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(slots=True)
class Score:
    """How many of how many are right, and what is wrong."""

    right: int = 0
    of: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, *, right: bool, otherwise: str) -> None:
        """Count one answer."""
        self.of += 1
        self.right += right
        if not right:
            self.wrong.append(otherwise)


def enrich_seed(path: Path) -> EnrichedArticle:
    """A seed article through every stage but the vectors."""
    content = path.read_text(encoding="utf8")
    now = datetime.now(UTC)
    raw = RawArticle(
        article_id=article_id_of("seeds", path.name, None),
        source_id="seeds",
        guid=path.name,
        content_type=ContentType.TEXT,
        content=content,
        fetched_at=now,
        content_hash=content_hash_of(content, None, None, None, None),
        revision=int(now.timestamp()),
    )
    return enrich(raw, stage_slice((), vectors=False))


def score_seeds() -> dict[str, Score]:
    """Language, stated date and entities of the seeds against what is true of them; an unstated date counts too."""
    scores = {"language": Score(), "stated date": Score(), "entities": Score()}
    gold = json.loads(SEEDS_GOLD.read_text(encoding="utf8"))["docs"]
    for name, truth in gold.items():
        found = enrich_seed(SEEDS / name)
        code, day = found.language.code, str(found.published_at.date()) if found.published_at else None
        scores["language"].add(right=code == truth["lang"], otherwise=f"{name}: {code}, not {truth['lang']}")
        scores["stated date"].add(right=day == truth["published"], otherwise=f"{name}: {day}, not {truth['published']}")
        linked = {entity.id for entity in found.entities}
        for entity, spellings in truth["entities"].items():
            scores["entities"].add(right=entity in linked, otherwise=f"{name}: {entity} ({spellings[0]}) not found")
    return scores


def measure_seeds() -> Table:
    """The seeds' scores in a table."""
    table = Table(title="Quality on the seeds", title_justify="left", box=None)
    for column in ("what", "right", "wrong"):
        table.add_column(column)
    for name, score in score_seeds().items():
        table.add_row(name, f"{score.right} of {score.of}", "\n".join(score.wrong))
    return table


def main() -> None:
    """Measure what there is to measure with; nothing passes or fails."""
    console = Console()
    if TOOL.exists():
        console.print(measure_sets(Console(stderr=True)), "")
    else:
        console.print("The labelled sets are not here, so only the seeds are measured.")
    console.print(measure_seeds(), "")
    if feed_agreement.ARCHIVE_FOLDER.is_dir():
        with tempfile.TemporaryDirectory() as name:
            console.print(feed_agreement.to_table(feed_agreement.measure(Path(name))))


if __name__ == "__main__":
    main()
