"""Reads the state of a running stack. A part that does not answer is left out and named in `problems`."""

from __future__ import annotations

import urllib.request
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from elasticsearch import ApiError, TransportError
from kafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from schemas.topics import ENRICHED, GROUPED, RAW, STORIES
from services.common.dead_letters import dead_articles, read_letters
from services.common.elastic import make_client
from services.common.lag import read_lag
from services.common.settings import ElasticsearchSettings
from services.common.topics import admin_client
from services.status.books import Books

GROUPS = {"worker": (RAW,), "dedup": (ENRICHED,), "indexer": (GROUPED, STORIES)}
"""Consumer groups and the topics they read."""
ON_THE_WAY = (RAW, ENRICHED, GROUPED)


@dataclass(slots=True)
class Snapshot:
    """The state at one moment: lag by topic, outcomes by service, the books, and the parts that did not answer.

    `books` is None if Kafka or Elasticsearch did not answer. `vectors` is whether the workers make vectors, or None if
    no worker answers.
    """

    lag: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    books: Books | None = None
    vectors: bool | None = None
    problems: list[str] = field(default_factory=list)


def collect(settings: ElasticsearchSettings, ledger: tuple[int, int], metrics_urls: Iterable[str]) -> Snapshot:
    """Take a snapshot. `ledger` is (messages, articles) of the producer's store."""
    snapshot = Snapshot()
    samples = read_samples(metrics_urls)
    snapshot.outcomes = count_outcomes(samples)
    snapshot.vectors = makes_vectors(samples)
    try:
        snapshot.lag = _lag(settings)
        dead = _dead_articles(settings)
    except KafkaError:
        snapshot.problems.append(f"Kafka at {settings.kafka_bootstrap} does not answer")
        return snapshot
    try:
        indexed, dead_and_absent = _indexed(settings, dead)
    except (ApiError, TransportError):
        snapshot.problems.append(f"Elasticsearch at {settings.elasticsearch_url} does not answer")
        return snapshot
    in_flight = sum(snapshot.lag.get(settings.topic(topic), 0) for topic in ON_THE_WAY)
    snapshot.books = Books(ledger[0], ledger[1], indexed, dead_and_absent, in_flight)
    return snapshot


def read_samples(metrics_urls: Iterable[str]) -> list[Sample]:
    """All samples of all metrics pages that can be read."""
    samples: list[Sample] = []
    for url in metrics_urls:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except (OSError, HTTPException, ValueError):  # no answer, no HTTP, no metrics
            continue
        samples += [sample for family in families for sample in family.samples]
    return samples


def count_outcomes(samples: Iterable[Sample]) -> dict[str, dict[str, int]]:
    """The sums of `dragoman_outcomes_total` by service and outcome. Each process starts its counters at zero."""
    outcomes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for sample in samples:
        if sample.name == "dragoman_outcomes_total":
            outcomes[sample.labels["service"]][sample.labels["outcome"]] += int(sample.value)
    return {service: dict(counts) for service, counts in sorted(outcomes.items())}


def makes_vectors(samples: Iterable[Sample]) -> bool | None:
    """Whether every worker makes vectors, or None if no worker says."""
    stated = [sample.value for sample in samples if sample.name == "dragoman_vectors"]
    return all(stated) if stated else None


def _lag(settings: ElasticsearchSettings) -> dict[str, int]:
    admin = admin_client(settings)
    lag: dict[str, int] = {}
    try:
        for service, topics in GROUPS.items():
            names = [settings.topic(topic) for topic in topics]
            for partition in read_lag(admin, settings.group(service), names):
                lag[partition.topic] = lag.get(partition.topic, 0) + partition.messages
    finally:
        admin.close()
    return lag


def _dead_articles(settings: ElasticsearchSettings) -> list[str]:
    """The keys of dead letters. They are article ids if the message was an article."""
    return sorted({article_id for article_id, _ in dead_articles(settings, read_letters(settings))})


def _indexed(settings: ElasticsearchSettings, dead: list[str]) -> tuple[int, int]:
    """The number of documents in the index, and how many of the dead articles it does not have."""
    client = make_client(settings, timeout_seconds=5)
    try:
        index = settings.name("articles")
        client.indices.refresh(index=index)  # an article that is written but not yet searchable is not missing
        count = int(client.count(index=index)["count"])
        candidates = [key for key in dead if len(key) == 36]
        if not candidates:
            return count, 0
        answer: Any = client.mget(index=index, ids=candidates, source=False)
        return count, sum(not doc.get("found") for doc in answer["docs"])
    finally:
        client.close()
