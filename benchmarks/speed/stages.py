"""Measures each step of an article alone: one process per step, warm, one article at a time, without Kafka.

`python -m benchmarks.speed.stages STEP FOLDER` measures one step. Each step reads what the previous step wrote to the
folder.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from benchmarks.speed.measures import PER, peak_mib, run_child, spread
from schemas.article import ArticleDraft, ContentType, EnrichedArticle, GroupedArticle, RawArticle
from services.common.messages import decode, encode
from services.dedup import articles
from services.dedup.grouping import Grouper, GroupingResult
from services.indexer import documents
from services.indexer.bulk import make_action
from services.producer.ledger.articles import to_raw_article
from services.producer.ledger.store import Store
from services.producer.sources.base import Entry, SourceOptions
from services.producer.sources.jsonl import JsonlSource
from services.worker.stages import stage_slice, to_draft, to_enriched

WARM_UP = 20
"""Number of articles that load models and fill caches before the measurement."""
LARGEST_MESSAGE = 50_000_000
MAX_ARTICLE_BYTES = 1024 * 1024
WINDOW = timedelta(days=14)
RAW_FILE = "raw"
ENRICHED_FILE = "enriched"
GROUPED_FILE = "grouped"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `load` makes its input from a line and `dump` a line from its output. Neither is timed."""

    service: str
    name: str
    source: str
    load: Callable[[bytes], Any]
    run: Callable[[Any], Any]
    target: str | None = None
    dump: Callable[[Any], bytes] = bytes
    in_pipeline: bool = True

    @property
    def key(self) -> str:
        """The name of the step on the command line."""
        return f"{self.service}/{self.name}"


def steps() -> list[Step]:
    """Every step, in the order of the pipeline."""
    return [*_worker_steps(), *_dedup_steps(), *_indexer_steps()]


def _worker_steps() -> list[Step]:
    stages_in_order = stage_slice((), vectors=True)
    files = [RAW_FILE, *(f"after-{stage.name}" for stage in stages_in_order)]
    load_draft: Callable[[bytes], ArticleDraft] = lambda line: decode(ArticleDraft, line)  # noqa: E731
    stages = [
        Step("worker", stage.name, source, load_draft, stage.run, target, encode)
        for stage, source, target in zip(stages_in_order, files, files[1:], strict=False)
    ]
    page = Step("worker", "extraction of HTML", RAW_FILE, _to_page, stages_in_order[0].run, in_pipeline=False)
    return [
        Step("worker", "decode", RAW_FILE, bytes, lambda line: to_draft(decode(RawArticle, line))),
        *stages,
        page,
        Step("worker", "assemble", files[-1], load_draft, to_enriched, ENRICHED_FILE, encode),
        Step("worker", "encode", ENRICHED_FILE, lambda line: decode(EnrichedArticle, line), encode),
    ]


def _dedup_steps() -> list[Step]:
    """The steps of dedup. Its state grows with every article, so the last articles cost more than the first ones."""
    grouper, other_grouper = Grouper(WINDOW), Grouper(WINDOW)
    return [
        Step("dedup", "decode", ENRICHED_FILE, bytes, articles.read_article),
        Step("dedup", "grouping", ENRICHED_FILE, articles.read_article, grouper.take, GROUPED_FILE, _dump_grouped),
        Step(
            "dedup",
            "encode",
            ENRICHED_FILE,
            lambda line: other_grouper.take(articles.read_article(line)),
            partial(_encode_result, other_grouper),
        ),
    ]


def _indexer_steps() -> list[Step]:
    return [
        Step("indexer", "decode", GROUPED_FILE, bytes, documents.read_article),
        Step("indexer", "document", GROUPED_FILE, bytes, _to_action),
    ]


def _to_page(line: bytes) -> ArticleDraft:
    """The same article as a web page with some furniture."""
    draft = decode(ArticleDraft, line)
    paragraphs = "".join(f"<p>{paragraph}</p>" for paragraph in draft.content.split("\n"))
    menu = "".join(f'<li><a href="/{name}">{name}</a></li>' for name in ("news", "world", "sport", "contact"))
    html = (
        f"<html><head><title>{draft.title}</title></head><body><nav><ul>{menu}</ul></nav>"
        f"<article><h1>{draft.title}</h1>{paragraphs}</article><footer>All rights reserved</footer></body></html>"
    )
    return draft.model_copy(update={"content": html, "content_type": ContentType.HTML})


def _dump_grouped(result: GroupingResult) -> bytes:
    if result.article is None:
        raise ValueError("an article came twice")
    return encode(result.article)


def _encode_result(grouper: Grouper, result: GroupingResult) -> int:
    """The number of bytes that dedup writes for one article: message, story and row."""
    if result.article is None:
        return 0
    story, row = grouper.story(result.article.story_id), grouper.rows[result.article.article_id]
    return sum(len(encode(record)) for record in (result.article, story, row) if record is not None)


def _to_action(line: bytes) -> bytes:
    article, fields = documents.read_article(line)
    document = documents.to_article_document(article, fields, datetime.now(UTC))
    return make_action("articles", article.article_id, 1, document).lines()


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds per article: wall time and CPU time."""

    wall: list[float]
    cpu: list[float]


def measure(step: Step, folder: Path) -> dict[str, Any]:
    """The figures of one step: milliseconds per article, CPU seconds per 1,000, MiB before the run and peak MiB."""
    before = peak_mib()
    for line in _lines(folder, step.source, WARM_UP):
        if not step.key.startswith("dedup"):  # its state would remember them
            step.run(step.load(line))
    clocks = _clock(step, folder)
    tenth = max(1, len(clocks.wall) // 10)
    return {
        "service": step.service,
        "step": step.name,
        "in_pipeline": step.in_pipeline,
        "articles": len(clocks.wall),
        **spread(clocks.wall),
        "last_tenth_ms": round(sum(clocks.wall[-tenth:]) / tenth * 1000, 4),
        "articles_per_second": round(len(clocks.wall) / sum(clocks.wall), 1),
        "cpu_seconds_per_1000": round(sum(clocks.cpu) / len(clocks.cpu) * PER, 4),
        "before_mib": round(before, 1),
        "peak_mib": round(peak_mib(), 1),
    }


def _clock(step: Step, folder: Path) -> Clocks:
    clocks = Clocks([], [])
    target = (folder / f"{step.target}.jsonl").open("wb") if step.target else None
    for line in _lines(folder, step.source):
        given = step.load(line)
        cpu, wall = time.process_time(), time.perf_counter()
        made = step.run(given)
        clocks.wall.append(time.perf_counter() - wall)
        clocks.cpu.append(time.process_time() - cpu)
        if target:
            target.write(step.dump(made) + b"\n")
    if target:
        target.close()
    return clocks


def _lines(folder: Path, name: str, count: int | None = None) -> Iterator[bytes]:
    with (folder / f"{name}.jsonl").open("rb") as file:
        for number, line in enumerate(file):
            if number == count:
                return
            yield line.rstrip(b"\n")


def write_raw(corpus: Path, folder: Path) -> None:
    """The corpus as raw messages, as the producer makes them."""
    source = JsonlSource(corpus, SourceOptions(None, MAX_ARTICLE_BYTES))
    store = Store(folder / "stages.sqlite")
    with (folder / f"{RAW_FILE}.jsonl").open("wb") as file, store.transaction():
        for entry in source.entries():
            made = to_raw_article(entry, store, LARGEST_MESSAGE) if isinstance(entry, Entry) else entry
            if not isinstance(made, RawArticle):
                raise TypeError(f"{made.guid}: {made.reason}")
            file.write(encode(made) + b"\n")
    store.close()


def measure_all(corpus: Path, folder: Path, on_step: Callable[[str], None]) -> list[dict[str, Any]]:
    """The figures of every step, each from a separate process."""
    write_raw(corpus, folder)
    figures = []
    for step in steps():
        on_step(step.key)
        figures.append(run_child("benchmarks.speed.stages", step.key, str(folder)))
    return figures


def found_in(folder: Path) -> dict[str, Any]:
    """The results of dedup for the articles: languages, near-duplicates and stories. Needs `grouped`."""
    languages: dict[str, int] = {}
    stories, duplicates, entities, count = set(), 0, 0, 0
    for line in _lines(folder, GROUPED_FILE):
        article = decode(GroupedArticle, line)
        languages[article.language.code] = languages.get(article.language.code, 0) + 1
        stories.add(article.story_id)
        duplicates += article.duplicate_of is not None
        entities += len(article.entities)
        count += 1
    common = dict(sorted(languages.items(), key=lambda item: -item[1]))
    return {
        "languages": common,
        "stories": len(stories),
        "near_duplicates": duplicates,
        "entities_per_article": round(entities / max(1, count), 1),
    }


if __name__ == "__main__":
    wanted = {step.key: step for step in steps()}[sys.argv[1]]
    print(orjson.dumps(measure(wanted, Path(sys.argv[2]))).decode())
