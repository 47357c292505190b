"""Runs one service alone against the running Kafka and Elasticsearch, under names that no other service reads.

`python -m benchmarks.speed.alone producer FILE`, `… fill FILE COUNT WAY`, `… indexer FILE COUNT WAY`. WAY is one of
WAYS. The addresses come from the environment. The last printed line is a JSON object.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson
from kafka.structs import OffsetAndMetadata
from prometheus_client import REGISTRY

from benchmarks.speed.measures import PER, peak_mib
from schemas.article import GroupedArticle
from schemas.topics import DEAD, GROUPED, RAW, STORIES
from services.common.consumer import make_consumer
from services.common.elastic import make_client
from services.common.lag import read_lag
from services.common.messages import decode, encode
from services.common.producer import SafeProducer
from services.common.topics import admin_client, ensure_topics
from services.indexer.app import SERVICE, Indexer, wait_for_elasticsearch
from services.indexer.settings import IndexerSettings
from services.producer.ledger.store import Store
from services.producer.replay.replayer import Replayer
from services.producer.settings import ProducerSettings
from services.producer.sources.base import SourceOptions
from services.producer.sources.jsonl import JsonlSource

PRODUCER_NAMESPACE = "bench"
WARM_UP, VECTORS, PLAIN = "warm-up", "vectors", "plain"
WAYS = (WARM_UP, VECTORS, PLAIN)
"""The first run only warms up Elasticsearch's JVM. Otherwise the first measured way would be slower."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The start of a measurement, as wall time and as CPU seconds of this process."""

    wall: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)

    def figures(self, articles: int) -> dict[str, Any]:
        """Articles per second, CPU seconds per 1,000 articles and peak MiB since the start."""
        seconds, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return {
            "articles": articles,
            "seconds": round(seconds, 3),
            "articles_per_second": round(articles / seconds, 1),
            "cpu_seconds_per_1000": round(cpu / max(1, articles) * PER, 4),
            "peak_mib": round(peak_mib(), 1),
        }


def produce(path: Path) -> dict[str, Any]:
    """Replay a file without any reader: identity, store, send and ledger."""
    settings = ProducerSettings(namespace=PRODUCER_NAMESPACE)
    ensure_topics(settings, (RAW, DEAD))
    store = Store(settings.home / "bench-producer.sqlite")
    source = JsonlSource(path, SourceOptions(None, settings.max_article_bytes))
    with SafeProducer(settings) as producer:
        clock = Clock()
        sent = Replayer(settings, store, producer).replay([source]).sent
        figures = clock.figures(sent)
    store.close()
    return figures


def indexer_settings(way: str) -> IndexerSettings:
    """The settings of the indexer, with a separate name for each way."""
    return IndexerSettings(namespace=f"bench-{way}")


def fill(path: Path, count: int, way: str) -> dict[str, Any]:
    """Put `count` grouped articles onto the topic. The articles of the file are repeated under new ids."""
    settings = indexer_settings(way)
    ensure_topics(settings, (GROUPED, STORIES, DEAD))
    topic = settings.topic(GROUPED)
    with SafeProducer(settings) as producer:
        for article in repeated(path, count, vectors=way != PLAIN):
            producer.send(topic, article.article_id.encode(), encode(article))
        producer.flush()
    return {"articles": count}


def repeated(path: Path, count: int, *, vectors: bool) -> Iterator[GroupedArticle]:
    """So many grouped articles: those of the file, again and again under new ids."""
    articles = [decode(GroupedArticle, line) for line in path.read_bytes().splitlines()]
    for number, article in enumerate(islice(cycle(articles), count)):
        name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"bench:{number}"))
        changed = {"article_id": name, "duplicate_group": name}
        yield article.model_copy(update=changed if vectors else changed | {"embedding": None})


@dataclass(slots=True)
class CountingConsumer:
    """The indexer's consumer. It ends the run as soon as `wanted` messages are committed."""

    inner: Any
    wanted: int
    indexer: Indexer | None = None
    committed: int = 0
    _read: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def poll(self, **arguments: Any) -> dict[Any, list[Any]]:
        """Poll as the base class does, and count."""
        polled: dict[Any, list[Any]] = self.inner.poll(**arguments)
        self._read += sum(len(records) for records in polled.values())
        return polled

    def commit(self, offsets: dict[Any, OffsetAndMetadata]) -> None:
        """Commit as the base class does. The messages read so far are then done."""
        self.inner.commit(offsets)
        self.committed = self._read
        if self.indexer is not None and self.committed >= self.wanted:
            self.indexer.stopping.set()

    def join(self) -> None:
        """Wait for the partitions and go to their beginning. Joining a group does not count as indexing."""
        while not self.inner.assignment():
            self.inner.poll(timeout_ms=100)
        self.inner.seek_to_beginning()
        for partition in self.inner.assignment():
            self.inner.position(partition)


def index(count: int, way: str) -> dict[str, Any]:
    """Run the indexer until the group has no lag."""
    settings = indexer_settings(way)
    wait_for_elasticsearch(settings)
    consumer = CountingConsumer(
        make_consumer(settings, settings.group(SERVICE), settings.topic(GROUPED), settings.topic(STORIES)), count
    )
    indexer = Indexer(settings, consumer, SafeProducer(settings), make_client(settings))
    consumer.indexer = indexer
    consumer.join()
    clock = Clock()
    indexer.run()
    figures = clock.figures(consumer.committed)
    indexer.consumer.close()
    indexer.producer.close()
    stage_ms = {name: round(_stage_seconds(name) / count * 1000, 4) for name in ("document", "bulk")}
    return {"vectors": way != PLAIN, **figures, "stage_ms": stage_ms, "lag": _lag(settings)}


def _stage_seconds(stage: str) -> float:
    """Wall seconds that this process's indexer has spent in one of its stages."""
    return REGISTRY.get_sample_value("dragoman_stage_seconds_sum", {"service": SERVICE, "stage": stage}) or 0.0


def _lag(settings: IndexerSettings) -> int:
    """The number of messages that the indexer's group has not committed. It is 0 after a complete run."""
    admin = admin_client(settings)
    try:
        return sum(lag.messages for lag in read_lag(admin, settings.name(SERVICE), [settings.topic(GROUPED)]))
    finally:
        admin.close()


def main(arguments: list[str]) -> None:
    """Do what the arguments say, and print the figures."""
    what, path, *rest = arguments
    if what == "producer":
        figures = produce(Path(path))
    else:
        count, way = int(rest[0]), rest[1]
        figures = fill(Path(path), count, way) if what == "fill" else index(count, way)
    print(orjson.dumps(figures).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
