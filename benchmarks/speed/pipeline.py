"""Measures the whole pipeline on the embedded stack, and on the same stack the producer alone and the indexer alone."""

from __future__ import annotations

import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from elasticsearch import ApiError, Elasticsearch, TransportError
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.corpus import Corpus
from benchmarks.speed import feeds
from benchmarks.speed.alone import WAYS
from benchmarks.speed.measures import run_child
from benchmarks.speed.processes import Running, Sampler, embedded_stack, load_average
from services.common.elastic import make_client
from services.common.settings import ElasticsearchSettings
from services.dedup.files import FileGrouper
from services.worker.files import make_enricher

WARM_UP = 60
"""Number of articles sent first, so that every process has loaded its models."""
POLL_SECONDS = 0.25
PATIENCE_SECONDS = 120.0
"""After this time without progress, a run is given up. It reports how far it came."""
PRODUCER_FACTOR = 5
"""The producer alone is so fast that it gets this many times the articles."""
INDEXER_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Material:
    """The input of a measurement: articles 0 to count - 1 of the corpus, and a folder for files."""

    corpus: Corpus
    count: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Watched:
    """The progress of a run: the number of articles found and the Unix second of the last article."""

    found: int
    at: float


def settings_of(running: Running) -> ElasticsearchSettings:
    """Settings that point to this stack, whatever the environment says."""
    return ElasticsearchSettings(
        home=running.home,
        namespace="",
        kafka_bootstrap=running.stack.kafka_bootstrap,
        elasticsearch_url=running.stack.elasticsearch_url,
    )


def measure_pipeline(running: Running, material: Material) -> dict[str, Any]:
    """Measure from the first send to the last searchable article, after a warm-up, in articles per second."""
    client = make_client(settings_of(running))
    try:
        cold = warm_up(running, material, client)
        return {"vectors": running.vectors, "cold_start_seconds": cold, **_replay(running, material, client)}
    finally:
        client.close()


def warm_up(running: Running, material: Material, client: Elasticsearch) -> float:
    """Seconds until the first articles are searchable. This includes loading the models."""
    path = material.folder / "warm-up.jsonl"
    material.corpus.write(path, WARM_UP, first=10_000_000)
    started = time.time()
    sender = running.command("replay", str(path))
    watched = watch(client, WARM_UP)
    sender.wait()
    return round(watched.at - started, 1)


def _replay(running: Running, material: Material, client: Elasticsearch) -> dict[str, Any]:
    path = material.folder / "pipeline.jsonl"
    material.corpus.write(path, material.count)
    load, before = load_average(), stage_seconds(running)
    with Sampler(running) as sampler:
        sender = running.command("replay", str(path))
        sampler.watch("producer", sender.pid)
        watched = watch(client, WARM_UP + material.count)
        sender.wait()
    searchable, after = watched.found - WARM_UP, stage_seconds(running)
    seconds = watched.at - _first_fetched(client, WARM_UP)
    return {
        "articles": material.count,
        "searchable": searchable,
        "seconds": round(seconds, 2),
        "articles_per_second": round(searchable / seconds, 1),
        "load_average_before": load,
        "processes": sampler.figures(material.count),
        "stage_ms": {
            name: round((seconds - before.get(name, 0.0)) / material.count * 1000, 3) for name, seconds in after.items()
        },
    }


def stage_seconds(running: Running) -> dict[str, float]:
    """Wall seconds that the services have spent in each stage so far, from their own metrics."""
    seconds: dict[str, float] = defaultdict(float)
    for port in running.stack.metrics_ports.values():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "dragoman_stage_seconds_sum":
                    seconds[f"{sample.labels['service']} {sample.labels['stage']}"] += sample.value
    return dict(seconds)


def watch(client: Elasticsearch, wanted: int) -> Watched:
    """Count until this many articles are searchable, or until there is no progress for the time limit."""
    last = Watched(0, time.time())
    while last.found < wanted and time.time() - last.at < PATIENCE_SECONDS:
        found = count_articles(client, last.found)
        if found > last.found:
            last = Watched(found, time.time())
        time.sleep(POLL_SECONDS)
    return last


def count_articles(client: Elasticsearch, before: int) -> int:
    """The number of searchable articles; the number `before`, while Elasticsearch does not say."""
    try:
        return int(client.count(index="articles")["count"])
    except (ApiError, TransportError):
        return before


def _first_fetched(client: Elasticsearch, skip: int) -> float:
    """The Unix second when the producer took the first article after the warm-up."""
    answer = client.search(
        index="articles",
        size=1,
        from_=skip,
        sort=[{"fetched_at": "asc"}],
        source=False,
        docvalue_fields=[{"field": "fetched_at", "format": "epoch_millis"}],
    )
    return float(answer["hits"]["hits"][0]["fields"]["fetched_at"][0]) / 1000


def measure_producer(running: Running, material: Material) -> dict[str, Any]:
    """The producer alone, in a separate process, sending to topics without readers."""
    count = material.count * PRODUCER_FACTOR
    path = material.folder / "producer.jsonl"
    material.corpus.write(path, count)
    with Sampler(running) as sampler:
        figures = run_child("benchmarks.speed.alone", "producer", str(path), environment=addresses(running))
    return {**figures, "servers": _servers(sampler, count)}


def measure_indexer(running: Running, material: Material, way: str) -> dict[str, Any]:
    """The indexer alone, in a separate process, on grouped articles that were sent before."""
    count = material.count * INDEXER_FACTOR
    path = write_grouped(material)
    arguments = ("indexer", str(path), str(count), way)
    run_child("benchmarks.speed.alone", "fill", *arguments[1:], environment=addresses(running))
    with Sampler(running) as sampler:
        figures = run_child("benchmarks.speed.alone", *arguments, environment=addresses(running))
    return {**figures, "servers": _servers(sampler, count)}


def addresses(running: Running) -> dict[str, str]:
    """The settings by which a child process finds the stack."""
    return {
        "DRAGOMAN_HOME": str(running.home),
        "DRAGOMAN_KAFKA_BOOTSTRAP": running.stack.kafka_bootstrap,
        "DRAGOMAN_ELASTICSEARCH_URL": running.stack.elasticsearch_url,
    }


def _servers(sampler: Sampler, count: int) -> list[dict[str, Any]]:
    return [process for process in sampler.figures(count) if process["process"] in {"kafka", "elasticsearch"}]


def write_grouped(material: Material) -> Path:
    """The corpus, enriched with vectors and grouped, in this process. Results of the stages are reused."""
    path = material.folder / "grouped.jsonl"
    if path.exists():
        return path
    source = material.folder / "to-group.jsonl"
    material.corpus.write(source, material.count)
    enrich = make_enricher("bench", vectors=True)
    with source.open("rb") as lines, path.open("wb") as file, FileGrouper() as grouper:
        for number, line in enumerate(lines, 1):
            grouper.take(enrich(line, number))
        file.writelines(line + b"\n" for line in grouper.results())
    return path


def run(material: Material, only: str | None) -> dict[str, Any]:
    """Start one stack with vectors and one without, and run the requested measurements on them."""
    found: dict[str, Any] = {}
    with embedded_stack(vectors=True) as running:
        if only in (None, "pipeline"):
            found["pipeline"] = [measure_pipeline(running, material)]
        if only in (None, "producer"):
            found["producer"] = measure_producer(running, material)
        if only in (None, "feeds"):
            found["feeds"] = feeds.measure(running)
        if only in (None, "indexer"):
            found["indexer"] = [measure_indexer(running, material, way) for way in WAYS][1:]
    if only in (None, "pipeline"):
        with embedded_stack(vectors=False) as running:
            found["pipeline"].append(measure_pipeline(running, material))
    return found


def to_json(figures: object) -> bytes:
    """Figures as readable JSON."""
    return orjson.dumps(figures, option=orjson.OPT_INDENT_2) + b"\n"
