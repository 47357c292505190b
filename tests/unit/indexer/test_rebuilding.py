"""Indices are created once, and rebuilt beside the live ones. Kafka and Elasticsearch are in memory."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from elastic_transport import ConnectionError as RefusedError
from elasticsearch import ApiError, BadRequestError
from kafka.errors import KafkaTimeoutError

from schemas.article import DECISIONS
from schemas.dead_letter import ErrorClass
from services.common import records
from services.common.dead_letters import Received, make_letter
from services.common.messages import REVISION_HEADER, RejectedMessage, encode
from services.indexer import reindex
from services.indexer.documents import to_action
from services.indexer.indices import NOT_MERGED, ensure_indices, indices_of, mapping
from services.indexer.reindex import NoTopicError, Reindex, ReindexError
from services.indexer.settings import IndexerSettings
from tests.examples import EXAMPLES, GROUPED_EXAMPLES
from tests.fakes import FakeConsumer, FakeElasticsearch, FakeKafka

SETTINGS = IndexerSettings()
SECOND = IndexerSettings(grouping_version=2)
ARTICLE = GROUPED_EXAMPLES["v2-opened.json"]
COPY = GROUPED_EXAMPLES["v2-duplicate.json"]
STORY = (EXAMPLES / "stories" / "valid" / "v2-full.json").read_bytes()
ARTICLE_ID, STORY_ID = json.loads(ARTICLE)["article_id"], json.loads(STORY)["story_id"]


@pytest.fixture
def search() -> FakeElasticsearch:
    return FakeElasticsearch()


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """Topics with two articles and a story, and an empty topic for dead letters."""
    made = FakeKafka()
    for module in (reindex, records):
        monkeypatch.setattr(module, "KafkaConsumer", partial(FakeConsumer, made))
    made.append("articles.grouped", b"a", ARTICLE)
    made.append("articles.grouped", b"b", COPY, partition=1)
    made.append("stories", b"s", STORY)
    made.make_topic("articles.dead")
    return made


def new_run(search: FakeElasticsearch, settings: IndexerSettings = SETTINGS, **values: Any) -> Reindex:
    return Reindex(settings, search.client(), **values)


def test_each_alias_gets_an_index_to_read_and_to_write_and_keeps_it(search: FakeElasticsearch) -> None:
    for _ in range(2):
        ensure_indices(search.client(), SETTINGS)
    assert search.aliases == {
        "articles": {"articles-v2": True},
        "articles-write": {"articles-v2": True},
        "stories": {"stories-v2": True},
        "stories-all": {"stories-v2": True},
        "stories-write": {"stories-v2": True},
    }
    assert search.filters == {"stories": NOT_MERGED}
    assert search.indices["articles-v2"].mappings["dynamic"] == "strict"
    assert search.templates["dragoman-articles"]["index_patterns"] == ["articles-v*"]
    assert search.templates["dragoman-articles"]["template"]["settings"]["refresh_interval"] == "1s"


def test_a_further_grouping_writes_to_an_index_that_nobody_reads_yet(search: FakeElasticsearch) -> None:
    ensure_indices(search.client(), SETTINGS)
    ensure_indices(search.client(), SECOND)
    assert search.aliases["articles"] == {"articles-v2": True}
    assert search.aliases["articles-write.v2"] == {"articles-v2.g2": True}


def test_an_index_of_before_the_write_aliases_gets_one(search: FakeElasticsearch) -> None:
    search.put("articles-v1", "a", {})
    search.put("stories-v1", "s", {})
    search.aliases |= {"articles": {"articles-v1": True}, "stories": {"stories-v1": True}}
    ensure_indices(search.client(), SETTINGS)
    assert search.aliases["articles-write"] == {"articles-v1": True}
    assert search.aliases["stories-all"] == {"stories-v1": True}
    assert search.filters == {"stories": NOT_MERGED}
    assert list(search.documents("articles")) == ["a"]
    mappings = search.indices["articles-v1"].mappings
    assert "headline" in mappings["properties"]
    assert "_source" not in mappings, "what an index stores cannot be changed"


def test_an_index_that_another_process_has_just_made_is_taken(search: FakeElasticsearch) -> None:
    search.put("articles-v2", "a", {})
    search.indices["articles-v2"].mappings = mapping("articles")
    ensure_indices(search.client(), SETTINGS)
    assert search.aliases["articles"] == search.aliases["articles-write"] == {"articles-v2": True}


def test_an_index_that_cannot_be_made_is_an_error(search: FakeElasticsearch) -> None:
    with pytest.raises(BadRequestError):
        ensure_indices(refusing(search, "PUT", 400, "validation_exception"), SETTINGS)


def test_an_alias_that_is_not_there_has_no_index(search: FakeElasticsearch) -> None:
    assert indices_of(search.client(), "articles") == []


def refusing(search: FakeElasticsearch, method: str, status: int, kind: str, path: str = "/articles-v2") -> Any:
    """A client whose server refuses this one request."""

    class Refusing:
        def answer(self, asked: str, target: str, body: bytes | None) -> Any:
            if asked == method and target.partition("?")[0] == path:
                return status, {"error": {"type": kind, "reason": "refused", "root_cause": []}, "status": status}
            return search.answer(asked, target, body)

    server: Any = Refusing()
    return FakeElasticsearch.client(server)


@pytest.mark.usefixtures("kafka")
def test_everything_on_the_topics_is_in_the_new_indices_after_the_swap(search: FakeElasticsearch) -> None:
    ensure_indices(search.client(), SETTINGS)
    progress: list[tuple[int, int]] = []
    run = new_run(search, on_progress=lambda *counts: progress.append(counts))
    assert run.plan() == 3
    run.build()
    assert indices_of(run.client, "articles") == ["articles-v2"], "readers see the old one until the swap"
    assert run.swap() == ["articles-v2", "stories-v2"]
    assert set(search.documents("articles")) == {ARTICLE_ID, json.loads(COPY)["article_id"]}
    assert set(search.documents("stories")) == {STORY_ID}
    assert (run.counts.read, run.counts.indexed, run.counts.unchanged) == (3, 3, 0)
    assert progress[-1][0] == 3


def test_what_the_live_indexer_wrote_before_the_swap_is_read_after_it(
    search: FakeElasticsearch, kafka: FakeKafka
) -> None:
    run = new_run(search)
    run.build()
    newer = json.loads(STORY) | {"revision": json.loads(STORY)["revision"] + 1, "title": "Newer"}
    kafka.append("stories", b"s", json.dumps(newer).encode())
    run.swap()
    assert search.documents("stories")[STORY_ID]["title"] == "Newer"


def test_an_older_state_of_a_document_changes_nothing(search: FakeElasticsearch, kafka: FakeKafka) -> None:
    older = json.loads(STORY) | {"revision": 1, "title": "Older"}
    kafka.append("stories", b"s", json.dumps(older).encode())
    run = new_run(search)
    run.build()
    assert (run.counts.indexed, run.counts.unchanged) == (3, 1)
    run.swap()
    assert search.documents("stories")[STORY_ID]["title"] == json.loads(STORY)["title"]


def test_a_message_that_is_no_record_forbids_the_swap(search: FakeElasticsearch, kafka: FakeKafka) -> None:
    ensure_indices(search.client(), SETTINGS)
    kafka.append("articles.grouped", b"x", b"{}")
    run = new_run(search)
    run.build()
    with pytest.raises(ReindexError, match="1 messages could not be indexed"):
        run.swap()
    assert list(run.counts.rejected) == ["articles.grouped/0/1"]
    assert indices_of(run.client, "articles") == ["articles-v2"]
    assert run.discard()
    assert list(search.indices) == ["articles-v2", "stories-v2"]


def test_a_message_that_is_a_dead_letter_already_does_not(search: FakeElasticsearch, kafka: FakeKafka) -> None:
    bad = kafka.append("articles.grouped", b"x", b"{}")
    received = Received(bad.topic, bad.partition, bad.offset, bad.timestamp, bad.key, bad.value)
    letter = make_letter(received, RejectedMessage("decode", ErrorClass.INVALID_MESSAGE, "no record"), "indexer")
    kafka.append("articles.dead", letter.letter_id.encode(), encode(letter))
    run = new_run(search)
    run.build()
    assert run.swap() == []
    assert set(search.documents("articles")) == {ARTICLE_ID, json.loads(COPY)["article_id"]}


@pytest.mark.usefixtures("kafka")
def test_a_document_that_elasticsearch_refuses_forbids_the_swap_but_for_force(search: FakeElasticsearch) -> None:
    search.item_errors[ARTICLE_ID] = deque([(400, "document_parsing_exception")])
    run = new_run(search)
    run.build()
    assert run.counts.rejected == {"articles.grouped/0/0": f"document_parsing_exception: [{ARTICLE_ID}] refused"}
    with pytest.raises(ReindexError):
        run.swap()
    run.swap(force=True)
    assert set(search.documents("articles")) == {json.loads(COPY)["article_id"]}


def test_a_topic_with_less_than_readers_see_forbids_the_swap(search: FakeElasticsearch, kafka: FakeKafka) -> None:
    ensure_indices(search.client(), SETTINGS)
    for number in range(4):
        search.put("articles-v2", str(number), {})
    run = new_run(search)
    run.build()
    with pytest.raises(ReindexError, match="readers see 4 articles now, and the topic holds 2"):
        run.swap()
    for number in range(2):
        kafka.append("articles.grouped", b"%d" % number, None)
    assert run.swap() == ["articles-v2", "stories-v2"], "tombstones tell where they went"


def test_a_new_grouping_is_compared_by_its_articles_and_old_indices_of_others_stay(
    search: FakeElasticsearch, kafka: FakeKafka
) -> None:
    """Another grouping makes other stories, but holds the same articles."""
    ensure_indices(search.client(), SETTINGS)
    for number in range(9):
        search.put("stories-v2", str(number), {})
    kafka.append("articles.grouped.v2", b"a", ARTICLE)
    kafka.append("stories.v2", b"s", STORY)
    ensure_indices(search.client(), SECOND)
    run = new_run(search, SECOND)
    run.build()
    assert run.swap() == ["articles-v2.g2", "stories-v2.g2"]
    assert indices_of(run.client, "articles") == [run.indices["articles"]]
    assert indices_of(run.client, "articles-write") == ["articles-v2"], "the first grouping's indexer goes on"


@pytest.mark.usefixtures("kafka")
def test_without_topics_of_dedup_there_is_nothing_to_index(search: FakeElasticsearch) -> None:
    with pytest.raises(NoTopicError, match=r"articles\.grouped\.v2"):
        new_run(search, SECOND).plan()


@pytest.mark.usefixtures("kafka")
def test_a_refused_swap_leaves_the_new_indices_to_be_discarded(search: FakeElasticsearch) -> None:
    run = Reindex(SETTINGS, refusing(search, "POST", 400, "illegal_argument_exception", "/_aliases"))
    run.build()
    with pytest.raises(ApiError):
        run.swap()
    assert run.discard()
    assert search.indices == {}


def test_after_a_swap_nothing_is_discarded(search: FakeElasticsearch, kafka: FakeKafka) -> None:
    run = new_run(search)
    run.build()
    run.swap()
    assert not run.discard()
    assert indices_of(run.client, "stories") == [run.indices["stories"]]
    run.close()
    assert run._consumer.closed
    assert kafka.committed == {}


@pytest.mark.usefixtures("kafka")
def test_an_outage_is_ridden_out_but_what_a_person_must_mend_ends_the_run(
    search: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(reindex, "time", SimpleNamespace(sleep=waited.append, monotonic=lambda: 0.0))
    search.refuse.append(RefusedError("down"))
    run = new_run(search)
    run.build()
    assert len(waited) == 1
    assert run.counts.indexed == 3
    search.refuse.append((403, {"error": {"type": "security_exception", "reason": "no", "root_cause": []}}))
    with pytest.raises(ReindexError, match="Elasticsearch refuses documents: security_exception"):
        new_run(search).build()


@pytest.mark.usefixtures("kafka")
def test_topics_that_cannot_be_read_to_their_end_are_no_endless_wait(
    search: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(search)
    run.plan()
    ticks = iter(range(0, 1000, 20))
    monkeypatch.setattr(reindex, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    run._consumer.pause(*run._consumer.assignment())
    with pytest.raises(KafkaTimeoutError):
        run._read_to_end()


def received(value: bytes | None, *headers: tuple[str, bytes]) -> Received:
    return Received("t", 0, 0, None, b"key", value, headers)


def test_a_tombstone_with_the_revision_of_its_successor_is_a_delete() -> None:
    action, fetched_at = to_action(received(None, (REVISION_HEADER, b"1700000000")), "articles", is_story=False)
    assert (action.id, action.document, fetched_at) == ("key", None, None)
    assert action.version == 1_700_000_000 * DECISIONS
    assert json.loads(action.lines())["delete"]["version_type"] == "external"


@pytest.mark.parametrize(
    ("value", "is_story"), [(STORY, False), (ARTICLE, True), (None, True), (None, False), (b"{", False)]
)
def test_a_message_of_another_kind_is_rejected(value: bytes | None, *, is_story: bool) -> None:
    with pytest.raises(RejectedMessage):
        to_action(received(value), "x", is_story=is_story)


@pytest.mark.parametrize("name", ["articles", "duplicates"])
def test_a_number_over_64_bits_is_a_dead_letter_and_no_crash(name: str) -> None:
    story = json.dumps(json.loads(STORY) | {name: 2**70}).encode()
    with pytest.raises(RejectedMessage, match="64-bit"):
        to_action(received(story), "stories", is_story=True)


def test_a_story_is_written_under_its_revision_with_its_places_on_the_map() -> None:
    action, fetched_at = to_action(received(STORY), "stories", is_story=True)
    document = json.loads(action.document)
    assert (action.index, action.id, action.version) == ("stories", STORY_ID, json.loads(STORY)["revision"])
    assert fetched_at is None
    assert document["entities"][0]["location"] == {"lat": 35.0, "lon": 103.0}


def test_an_article_is_written_under_its_version_with_its_places_on_the_map() -> None:
    place = {"id": "Q148", "name": "China", "lat": 35.0, "lon": 103.0}
    read: Callable[[bytes], Any] = json.loads
    message = json.dumps(read(ARTICLE) | {"places": [place]}).encode()
    action, fetched_at = to_action(received(message), "articles", is_story=False)
    assert read(action.document)["places"][0]["location"] == {"lat": 35.0, "lon": 103.0}
    assert fetched_at is not None
    assert action.version > read(ARTICLE)["revision"]
