"""Reads the state of a running stack. A part that does not answer is left out and named in `problems`."""

from __future__ import annotations

import math
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
from services.common.lag import PartitionLag, read_ages, read_lag, read_retention
from services.common.refusals import elasticsearch_refusal, kafka_refusal
from services.common.settings import ElasticsearchSettings
from services.common.topics import admin_client
from services.status.books import Books

GROUPS = {"worker": (RAW,), "dedup": (ENRICHED,), "indexer": (GROUPED, STORIES)}
"""Consumer groups and the topics they read."""
ARCHIVE = "archive"
"""The consumer group of the archive, which reads what the workers read."""
RISKY_SHARE = 0.5
"""Share of the retention from which the age of lag is told. The alert DragomanLagNearRetention has the same."""
ON_THE_WAY = (RAW, ENRICHED, GROUPED)


@dataclass(frozen=True, slots=True)
class LagAge:
    """Seconds: the age of the oldest unread message of a topic, and the age at which Kafka removes it (None: never)."""

    seconds: float
    retention_seconds: float | None

    @property
    def is_risky(self) -> bool:
        """Whether the message may soon be removed unread."""
        return self.retention_seconds is not None and self.seconds > RISKY_SHARE * self.retention_seconds


@dataclass(frozen=True, slots=True)
class ProducerState:
    """Messages in the outbox, messages that are kept until they are indexed, and whether polls pause."""

    outbox: int
    kept: int
    polls_paused: bool


@dataclass(slots=True)
class Snapshot:
    """The state at one moment: lag by topic, outcomes by service, the books, and what is wrong, in sentences.

    `lag_age` has, for each topic with lag, the age of its oldest unread message and the age at which Kafka removes it
    (None if it keeps them), in seconds. `books` is None if Kafka or Elasticsearch did not answer. `vectors` is whether
    the workers make vectors, or None if no worker answers. `restored_stores` counts stores of running processes that
    were damaged and restored. `producer` is None if no producer answers. `archive_lag` is how many raw messages the
    archive has not kept yet, or None without an archive. `rebuilt_share` is how much of its state dedup has rebuilt, or
    None while it does not rebuild.
    """

    lag: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    books: Books | None = None
    vectors: bool | None = None
    lag_age: dict[str, LagAge] = field(default_factory=dict)
    restored_stores: int = 0
    producer: ProducerState | None = None
    archive_lag: int | None = None
    rebuilt_share: float | None = None
    problems: list[str] = field(default_factory=list)


def collect(settings: ElasticsearchSettings, ledger: tuple[int, int], metrics_urls: Iterable[str]) -> Snapshot:
    """Take a snapshot. `ledger` is (messages, articles) of the producer's store."""
    snapshot = Snapshot()
    samples = read_samples(metrics_urls)
    snapshot.outcomes = count_outcomes(samples)
    snapshot.vectors = makes_vectors(samples)
    snapshot.restored_stores = int(total(samples, "dragoman_restored_stores_total") or 0)
    snapshot.producer = producer_state(samples)
    snapshot.rebuilt_share = rebuilt_share(samples)
    if snapshot.producer is not None and snapshot.producer.polls_paused:
        snapshot.problems.append("No feed is polled and pushes are refused, because the outbox is full")
    try:
        snapshot.lag, snapshot.lag_age = _lag(settings)
        snapshot.archive_lag = _archive_lag(settings) if settings.archive is not None else None
        dead = _dead_articles(settings)
    except KafkaError as error:
        away = f"Kafka at {settings.kafka_bootstrap} does not answer"
        snapshot.problems.append(kafka_refusal(settings, error) or away)
        return snapshot
    snapshot.problems += [
        f"The oldest unread message of {topic} is {age.seconds / 3600:,.1f} hours old, and Kafka removes it at "
        f"{age.retention_seconds / 3600:,.1f} hours"
        for topic, age in snapshot.lag_age.items()
        if age.is_risky and age.retention_seconds is not None
    ]
    try:
        indexed, dead_and_absent = _indexed(settings, dead)
    except (ApiError, TransportError) as error:
        away = f"Elasticsearch at {settings.elasticsearch_url} does not answer"
        snapshot.problems.append(elasticsearch_refusal(settings, error) or away)
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


def total(samples: Iterable[Sample], name: str) -> float | None:
    """The sum of all samples with a name. None if there are none."""
    values = [sample.value for sample in samples if sample.name == name]
    return sum(values) if values else None


def producer_state(samples: list[Sample]) -> ProducerState | None:
    """What the producer says of itself. None if no producer answers."""
    outbox = total(samples, "dragoman_outbox_messages")
    if outbox is None:
        return None
    kept, paused = total(samples, "dragoman_kept_messages"), total(samples, "dragoman_polls_paused")
    return ProducerState(int(outbox), int(kept or 0), bool(paused))


def rebuilt_share(samples: Iterable[Sample]) -> float | None:
    """The share of its state that dedup has rebuilt. None if no rebuild goes on, or if dedup does not answer."""
    share = total(samples, "dragoman_rebuilt_share")
    return share if share is not None and share < 1 else None


def makes_vectors(samples: Iterable[Sample]) -> bool | None:
    """Whether every worker makes vectors, or None if no worker says."""
    stated = [sample.value for sample in samples if sample.name == "dragoman_vectors"]
    return all(stated) if stated else None


def _lag(settings: ElasticsearchSettings) -> tuple[dict[str, int], dict[str, LagAge]]:
    """The messages that wait in each topic, and how old the oldest one is where some wait."""
    admin = admin_client(settings)
    lags: list[PartitionLag] = []
    try:
        for service, topics in GROUPS.items():
            lags += read_lag(admin, settings.group(service), [settings.topic(topic) for topic in topics])
        counts: dict[str, int] = {}
        for lag in lags:
            counts[lag.topic] = counts.get(lag.topic, 0) + lag.messages
        behind = [topic for topic, messages in counts.items() if messages]
        retention = read_retention(admin, behind) if behind else {}
    finally:
        admin.close()
    ages = read_ages(settings, lags) if behind else {}
    return counts, {topic: to_lag_age(ages[topic], retention[topic]) for topic in behind if topic in ages}


def _archive_lag(settings: ElasticsearchSettings) -> int:
    admin = admin_client(settings)
    try:
        return sum(lag.messages for lag in read_lag(admin, settings.group(ARCHIVE), [settings.topic(RAW)]))
    finally:
        admin.close()


def to_lag_age(seconds: float, retention: float) -> LagAge:
    """The age of lag in whole seconds. An infinite retention becomes None."""
    return LagAge(round(seconds), None if math.isinf(retention) else round(retention))


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
