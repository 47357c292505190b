"""The snapshot says what runs and what does not answer, and never guesses at the books."""

from __future__ import annotations

from pathlib import Path

import pytest
from kafka import TopicPartition
from prometheus_client import CollectorRegistry, Counter, generate_latest

from services.status.books import Books
from services.status.collect import collect, count_outcomes, read_samples
from tests.unit.status.conftest import Installation, article_id


def page(path: Path, service: str, **counts: int) -> str:
    """The URL of a metrics page with these outcomes."""
    registry = CollectorRegistry()
    outcomes = Counter("dragoman_outcomes_total", "Outcomes.", ["service", "outcome"], registry=registry)
    Counter("dragoman_other_total", "Something else.", ["service", "outcome"], registry=registry).labels("x", "y").inc()
    for outcome, count in counts.items():
        outcomes.labels(service, outcome).inc(count)
    path.write_bytes(generate_latest(registry))
    return path.as_uri()


def fill(installation: Installation, topic: str, group: str, messages: int, committed: int | None = None) -> None:
    for _ in range(messages):
        installation.kafka.append(f"news.{topic}", b"k", b"{}")
    if committed is not None:
        installation.kafka.committed[f"news.{group}", TopicPartition(f"news.{topic}", 0)] = committed


def test_outcomes_of_all_processes_are_added(tmp_path: Path) -> None:
    urls = [
        page(tmp_path / "1", "worker", enriched=5, dead=1),
        page(tmp_path / "2", "worker", enriched=7),
        (tmp_path / "nobody listens").as_uri(),
        page(tmp_path / "3", "dedup", grouped=4),
    ]
    assert count_outcomes(read_samples(urls)) == {"dedup": {"grouped": 4}, "worker": {"dead": 1, "enriched": 12}}


def test_without_processes_there_are_no_outcomes() -> None:
    assert count_outcomes(read_samples([])) == {}


def test_lag_is_told_by_topic(installation: Installation) -> None:
    fill(installation, "articles.raw", "worker", 5, committed=2)
    installation.kafka.append("news.articles.raw", b"k", b"{}", partition=1)
    fill(installation, "articles.enriched", "dedup", 3, committed=3)
    fill(installation, "articles.grouped", "indexer", 2)
    fill(installation, "stories", "indexer", 4, committed=1)
    snapshot = collect(installation.settings, (0, 0), [])
    assert snapshot.lag == {
        "news.articles.raw": 4,
        "news.articles.enriched": 0,
        "news.articles.grouped": 2,
        "news.stories": 3,
    }
    assert all(admin.closed for admin in installation.admins)


def test_the_books_of_an_installation_at_work(installation: Installation, tmp_path: Path) -> None:
    """Stories are not articles, so the lag on stories is not in flight."""
    fill(installation, "articles.raw", "worker", 5, committed=3)
    fill(installation, "articles.grouped", "indexer", 4, committed=3)
    fill(installation, "stories", "indexer", 9)
    for number in range(3):
        installation.index(number)
    installation.bury(article_id(8), revision=1)
    snapshot = collect(installation.settings, (9, 7), [page(tmp_path / "1", "worker", enriched=3)])
    assert snapshot.books == Books(sent=9, articles=7, indexed=3, dead=1, in_flight=3)
    assert snapshot.books.balanced
    assert snapshot.outcomes == {"worker": {"enriched": 3}}
    assert snapshot.problems == []


def test_an_article_counts_once_as_dead_and_not_when_it_is_indexed(installation: Installation) -> None:
    installation.index(1)
    installation.bury(article_id(1), revision=2)
    installation.bury(article_id(2), revision=1)
    installation.bury(article_id(2), revision=2)
    snapshot = collect(installation.settings, (2, 2), [])
    assert snapshot.books is not None
    assert (snapshot.books.indexed, snapshot.books.dead) == (1, 1)


@pytest.mark.parametrize(("key", "topic"), [("not an id", "news.articles.raw"), (article_id(1), "news.stories")])
def test_letters_of_no_article_are_not_in_the_books(installation: Installation, key: str, topic: str) -> None:
    installation.bury(key, topic=topic)
    snapshot = collect(installation.settings, (0, 0), [])
    assert snapshot.books is not None
    assert snapshot.books.dead == 0


def test_the_index_is_refreshed_before_it_is_counted(installation: Installation) -> None:
    collect(installation.settings, (0, 0), [])
    assert [path for _, path, _ in installation.server.requests][1:] == [
        "/news.articles/_refresh",
        "/news.articles/_count",
    ]


def test_without_kafka_there_are_outcomes_and_no_books(installation: Installation, tmp_path: Path) -> None:
    installation.kafka_is_down = True
    snapshot = collect(installation.settings, (1, 1), [page(tmp_path / "1", "worker", enriched=3)])
    assert snapshot.problems == ["Kafka at 127.0.0.1:9092 does not answer"]
    assert (snapshot.lag, snapshot.books) == ({}, None)
    assert snapshot.outcomes == {"worker": {"enriched": 3}}


def test_without_elasticsearch_there_is_lag_and_no_books(installation: Installation) -> None:
    fill(installation, "articles.raw", "worker", 5, committed=2)
    installation.server.is_down = True
    snapshot = collect(installation.settings, (1, 1), [])
    assert snapshot.problems == ["Elasticsearch at http://127.0.0.1:9200 does not answer"]
    assert snapshot.lag == {"news.articles.raw": 3}
    assert snapshot.books is None
