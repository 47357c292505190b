"""`dragoman reindex`: new indices take the old ones' place, or nothing changes and a sentence says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import elastic_transport
import pytest

from services.indexer.indices import ensure_indices
from services.indexer.reindex import Reindex
from services.indexer.settings import IndexerSettings
from tests.fakes import FakeElasticsearch, FakeKafka

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]
OLD = {"articles-v2", "stories-v2"}
KEYS = {
    *("dry_run", "indices", "old", "deleted", "read", "documents"),
    *("indexed", "unchanged", "tombstones", "rejected"),
}


@pytest.fixture
def news(kafka: FakeKafka, elastic: FakeElasticsearch, example: Example, home: object) -> FakeElasticsearch:
    """Two articles, a story and a tombstone on the topics; empty indices behind the aliases."""
    del home
    ensure_indices(elastic.client(), IndexerSettings())
    for name in ("v2-opened", "v2-duplicate"):
        value = example("articles.grouped", name)
        kafka.append("articles.grouped", value["article_id"].encode(), json.dumps(value).encode())
    kafka.append("articles.grouped", b"gone", None)
    kafka.append("stories", b"s", json.dumps(example("stories", "v2-full")).encode())
    return elastic


def readers(elastic: FakeElasticsearch) -> set[str]:
    """The indices that readers see."""
    return {index for alias in ("articles", "stories") for index in elastic.aliases[alias]}


def reject(kafka: FakeKafka, count: int = 1) -> None:
    for _ in range(count):
        kafka.append("articles.grouped", b"bad", b"{")


def test_readers_see_the_new_indices_and_the_old_ones_are_kept(dragoman: Run, news: FakeElasticsearch) -> None:
    result = dragoman("reindex", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report.keys() == KEYS
    assert readers(news) == set(report["indices"].values())
    assert report["indices"].keys() == {"articles", "stories"}
    assert all(name.startswith(f"{alias}-v2.") for alias, name in report["indices"].items())
    assert (report["old"], report["deleted"], report["dry_run"]) == (sorted(OLD), False, False)
    assert (report["read"], report["indexed"], report["unchanged"]) == (4, 3, 0)
    assert report["documents"] == {"articles": 2, "stories": 1}
    assert (report["tombstones"], report["rejected"]) == (["articles.grouped/0/2"], [])
    assert len(news.documents("articles")) == 2
    assert news.indices.keys() >= OLD


def test_a_person_reads_what_became_of_the_messages(dragoman: Run, news: FakeElasticsearch) -> None:
    result = dragoman("reindex", "--delete-old")
    assert result.exit_code == 0
    counted, now, removed = result.stdout.splitlines()
    assert counted == "4 messages read: 3 written, 0 older than what is there, 1 tombstones, 0 rejected."
    assert now == f"Readers now see {', '.join(sorted(readers(news)))}."
    assert removed == "Removed: articles-v2, stories-v2."
    assert result.stderr == "  articles.grouped/0/2: a tombstone\n"
    assert not OLD & news.indices.keys()


def test_without_delete_old_the_old_indices_are_said_to_be_kept(dragoman: Run, news: FakeElasticsearch) -> None:
    assert dragoman("reindex").stdout.splitlines()[-1] == "Kept: articles-v2, stories-v2."
    assert news.indices.keys() >= OLD


def test_a_dry_run_makes_no_index(dragoman: Run, news: FakeElasticsearch) -> None:
    report = json.loads(dragoman("reindex", "--dry-run", "--delete-old", "--json").stdout)
    assert report.keys() == {"dry_run", "messages", "indices"}
    assert (report["dry_run"], report["messages"]) == (True, 4)
    said = dragoman("reindex", "--dry-run").stdout
    assert said.startswith("Would read 4 messages into articles-v2.")
    assert said.endswith(", and swap the aliases.\n")
    assert news.indices.keys() == readers(news) == OLD


def test_without_the_topics_nothing_is_done(dragoman: Run, news: FakeElasticsearch) -> None:
    result = dragoman("reindex", "--grouping-version", "2")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "Nothing was done: there is no topic articles.grouped.v2: no dedup process makes this grouping.\n"
    )
    assert dragoman("reindex", "--grouping-version", "2", "--dry-run").exit_code == 2
    assert news.indices.keys() == readers(news) == OLD


def test_another_grouping_is_shown_and_the_first_ones_indices_stay(
    dragoman: Run, news: FakeElasticsearch, kafka: FakeKafka, example: Example
) -> None:
    for number, name in enumerate(("v2-opened", "v2-duplicate")):
        value = example("articles.grouped", name, grouping_version=2)
        kafka.append("articles.grouped.v2", str(number).encode(), json.dumps(value).encode())
    kafka.make_topic("stories.v2")
    report = json.loads(dragoman("reindex", "--grouping-version", "2", "--delete-old", "--json").stdout)
    assert readers(news) == set(report["indices"].values())
    assert all(".g2." in name for name in report["indices"].values())
    assert report["old"] == []
    assert news.indices.keys() >= OLD


def test_a_message_that_cannot_be_indexed_stops_the_swap(
    dragoman: Run, news: FakeElasticsearch, kafka: FakeKafka
) -> None:
    reject(kafka)
    result = dragoman("reindex")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "  articles.grouped/0/3: " in result.stderr
    assert "  articles.grouped/0/2: a tombstone" in result.stderr
    assert result.stderr.splitlines()[-1] == (
        "1 messages could not be indexed. --force swaps anyway. Nothing was swapped, and the new indices were removed."
    )
    assert news.indices.keys() == readers(news) == OLD


def test_force_swaps_all_the_same(dragoman: Run, news: FakeElasticsearch, kafka: FakeKafka) -> None:
    reject(kafka)
    report = json.loads(dragoman("reindex", "--force", "--json").stdout)
    assert readers(news) == set(report["indices"].values())
    (rejected,) = report["rejected"]
    assert rejected.startswith("articles.grouped/0/3: ")


def test_at_most_ten_messages_are_named(dragoman: Run, news: FakeElasticsearch, kafka: FakeKafka) -> None:
    reject(kafka, 11)
    said = dragoman("reindex", "--force").stderr.splitlines()
    assert said[10:] == ["  and 2 more. --json shows all."]
    assert readers(news) != OLD


def test_readers_do_not_lose_articles(dragoman: Run, news: FakeElasticsearch) -> None:
    for number in range(5):
        news.put("articles-v2", f"a{number}", {})
    result = dragoman("reindex")
    assert result.exit_code == 4
    assert "readers see 5 articles now, and the topic holds 2. --force swaps anyway." in result.stderr
    assert readers(news) == OLD


def test_an_outage_ends_in_a_sentence_that_names_what_to_delete(dragoman: Run, news: FakeElasticsearch) -> None:
    news.is_down = True
    result = dragoman("reindex")
    assert result.exit_code == 1
    assert "Elasticsearch at http://127.0.0.1:9200 does not answer correctly" in result.stderr
    assert "Nothing was swapped, but the new indices could not be removed. Delete them: articles-v2." in result.stderr


def test_a_swap_without_an_answer_leaves_the_new_indices(
    dragoman: Run, news: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> Any:
        raise elastic_transport.ConnectionError("cut off")

    monkeypatch.setattr(FakeElasticsearch, "_move_aliases", cut_off)
    result = dragoman("reindex")
    assert result.exit_code == 1
    assert "The swap was requested, so the new indices stay (articles-v2." in result.stderr
    assert len(news.indices) == 4


def test_stopped_before_the_swap_nothing_has_changed(
    dragoman: Run, news: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Reindex, "swap", stop)
    result = dragoman("reindex")
    assert result.exit_code == 130
    assert result.stderr == "Stopped. Nothing was swapped, and the new indices were removed.\n"
    assert news.indices.keys() == readers(news) == OLD


@pytest.mark.usefixtures("elastic", "no_broker")
def test_without_kafka_it_says_so(dragoman: Run) -> None:
    result = dragoman("reindex")
    assert result.exit_code == 1
    assert result.stderr == "Kafka at 127.0.0.1:9092 does not answer (KafkaConnectionError).\n"
