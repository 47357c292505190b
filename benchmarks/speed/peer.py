"""Compares the indexer with a Quix Streams sink: the same documents, template, Kafka and Elasticsearch, in turns.

    python -m benchmarks.speed.peer [--articles 4000] [--rounds 9] [--json PATH]

Quix Streams is installed into an environment of its own, from the package index. It gets ready documents; the indexer
gets grouped articles and makes its documents of them. The two take turns on one stack, and who begins changes with each
round. Each run writes a new index, and the first round is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch
from rich.console import Console
from rich.table import Table

from benchmarks.corpus import open_corpus
from benchmarks.speed.alone import indexer_settings, repeated
from benchmarks.speed.measures import conditions, run_child
from benchmarks.speed.pipeline import Material, addresses, settings_of, to_json, write_grouped
from benchmarks.speed.processes import Running, embedded_stack
from schemas.topics import GROUPED
from services.common.dead_letters import Received
from services.common.elastic import make_client
from services.common.messages import encode
from services.common.producer import SafeProducer
from services.common.settings import CLIENT_FILE
from services.common.topics import ensure_topics
from services.indexer.app import wait_for_elasticsearch
from services.indexer.documents import to_action
from services.indexer.indices import ARTICLES, STORIES, index_name
from services.indexer.settings import IndexerSettings

RESULTS = Path(__file__).with_name("peer.json")
PEER = "quixstreams[elasticsearch]==3.28.1"
WAY = "peer"
INDEXER, QUIX = "indexer", "quix"
FIGURES = ("documents_per_second", "cpu_ms")


def make_environment(folder: Path) -> Path:
    """A Python with Quix Streams and nothing of ours."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER]
    subprocess.run(command, check=True)
    return python


def write_ready(settings: IndexerSettings, path: Path, count: int) -> str:
    """Put the documents that the indexer would write onto a topic. Returns its name."""
    ready = replace(GROUPED, name=f"{GROUPED.name}-ready")
    topic = settings.topic(ready)
    ensure_topics(settings, (ready,))
    with SafeProducer(settings) as producer:
        for identifier, document in ready_documents(settings, path, count):
            producer.send(topic, identifier.encode(), document)
        producer.flush()
    return topic


def ready_documents(settings: IndexerSettings, path: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """Id and document of each article that `alone.fill` sends."""
    topic = settings.topic(GROUPED)
    for number, article in enumerate(repeated(path, count, vectors=True)):
        action, _ = to_action(Received(topic, 0, number, None, None, encode(article)), "any", is_story=False)
        yield action.id, action.document or b""


def run_indexer(running: Running, count: int) -> dict[str, float]:
    """One run of the indexer."""
    found = run_child("benchmarks.speed.alone", "indexer", "-", str(count), WAY, environment=addresses(running))
    return {"documents_per_second": found["articles_per_second"], "cpu_ms": found["cpu_seconds_per_1000"]}


def run_quix(python: Path, running: Running, topic: str, index: str, count: int) -> dict[str, float]:
    """One run of the sink."""
    script = Path(__file__).with_name("quix_sink.py")
    arguments = (str(running.home / CLIENT_FILE), topic, str(count), index)
    done = subprocess.run([str(python), str(script), *arguments], cwd=python.parent, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def forget(client: Elasticsearch, settings: IndexerSettings) -> None:
    """Remove the indices of the run before, so that each run writes new documents."""
    for alias in (ARTICLES, STORIES):
        client.indices.delete(index=index_name(settings, alias), ignore_unavailable=True)


def measure(articles: int, rounds: int) -> dict[str, Any]:
    """The figures of each run, in the order of the rounds."""
    with tempfile.TemporaryDirectory(prefix="dragoman-peer-") as name, embedded_stack(vectors=False) as running:
        folder, corpus = Path(name), open_corpus()
        python = make_environment(folder / "quix")
        path = write_grouped(Material(corpus, articles, folder))
        mean = corpus.write(folder / "same.jsonl", articles).mean_characters
        client = make_client(settings_of(running))
        settings = IndexerSettings(
            home=running.home,
            namespace=indexer_settings(WAY).namespace,
            kafka_bootstrap=running.stack.kafka_bootstrap,
            elasticsearch_url=running.stack.elasticsearch_url,
        )
        run_child("benchmarks.speed.alone", "fill", str(path), str(articles), WAY, environment=addresses(running))
        ready = write_ready(settings, path, articles)
        found: dict[str, list[dict[str, float]]] = {INDEXER: [], QUIX: []}
        for number in range(rounds + 1):
            for who in (INDEXER, QUIX) if number % 2 else (QUIX, INDEXER):
                forget(client, settings)
                wait_for_elasticsearch(settings)  # makes the template and the index
                if who == INDEXER:
                    figures = run_indexer(running, articles)
                else:
                    figures = run_quix(python, running, ready, index_name(settings, ARTICLES), articles)
                check_written(client, settings, articles)
                if number:
                    found[who].append(figures)
        client.close()
    return {"conditions": conditions(articles, mean, corpus.origin), "peer": PEER, "rounds": found}


def check_written(client: Elasticsearch, settings: IndexerSettings, articles: int) -> None:
    """Raises RuntimeError if not every document was written: such a run says nothing about speed."""
    index = index_name(settings, ARTICLES)
    client.indices.refresh(index=index)
    written = client.count(index=index)["count"]
    if written != articles:
        raise RuntimeError(f"{written} of {articles} documents are in {index}")


def summarise(rounds: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Median and spread of each figure, and of its ratio within a round."""
    summary = {}
    for figure in FIGURES:
        mine, theirs = ([one[figure] for one in rounds[who]] for who in (INDEXER, QUIX))
        ratios = [ours / other for ours, other in zip(mine, theirs, strict=True)]
        summary[figure] = {
            INDEXER: round(statistics.median(mine), 3),
            QUIX: round(statistics.median(theirs), 3),
            "ratio": round(statistics.median(ratios), 3),
            "lowest_ratio": round(min(ratios), 3),
            "highest_ratio": round(max(ratios), 3),
        }
    return summary


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--articles", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="PATH", help="where the figures are written")
    asked = parser.parse_args()
    found = measure(asked.articles, asked.rounds)
    found["summary"] = summarise(found["rounds"])
    table = Table("figure", "indexer", "Quix Streams", "ratio", "of the rounds", title="The indexer and its peer")
    for figure, values in found["summary"].items():
        spread = f"{values['lowest_ratio']:.2f} to {values['highest_ratio']:.2f}"
        shown = (f"{values[who]:.2f}" for who in (INDEXER, QUIX, "ratio"))
        table.add_row(figure.replace("_", " "), *shown, spread)
    Console().print(table)
    asked.json.write_bytes(to_json(found))


if __name__ == "__main__":
    main()
