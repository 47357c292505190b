"""The index is built again beside the live indexer: nothing is lost, nothing is older, nothing half done is shown."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch, TransportError
from kafka import KafkaConsumer, TopicPartition

from schemas.article import GroupedArticle
from schemas.dead_letter import ErrorClass
from schemas.story import Story
from schemas.topics import DEAD, GROUPED, STORIES
from services.cli.reindex import _run
from services.common.dead_letters import Received, make_letter
from services.common.elastic import EVERY_STORY, make_client
from services.common.kafka import client_options
from services.common.messages import RejectedMessage, decode, encode
from services.common.producer import SafeProducer
from services.common.topics import ensure_topics
from services.indexer.documents import to_action
from services.indexer.indices import ensure_indices
from services.indexer.reindex import Reindex, ReindexError
from services.indexer.settings import IndexerSettings
from tests.articles import write_articles
from tests.conftest import DRAGOMAN, ROOT, Stack
from tests.examples import GROUPED_EXAMPLES

SettingsOf = Callable[..., Any]
EXAMPLE = decode(GroupedArticle, GROUPED_EXAMPLES["v2-opened.json"])


def received(value: bytes) -> Received:
    return Received("articles.grouped", 0, 0, None, b"key", value)


@pytest.fixture
def isolated(settings_of: SettingsOf) -> Iterator[IndexerSettings]:
    """Settings of a namespace that no service works on, with its topics and indices."""
    settings: IndexerSettings = settings_of(IndexerSettings, namespace=f"t{uuid.uuid4().hex[:8]}")
    ensure_topics(settings, (GROUPED, STORIES, DEAD))
    client = make_client(settings)
    ensure_indices(client, settings)
    yield settings
    for index in client.indices.get(index=f"{settings.namespace}.*").body:
        client.indices.delete(index=index)
    client.close()


@pytest.fixture
def client(isolated: IndexerSettings) -> Iterator[Elasticsearch]:
    made = make_client(isolated)
    yield made
    made.close()


def send(settings: IndexerSettings, *values: bytes | None) -> None:
    with SafeProducer(settings) as producer:
        for value in values:
            producer.send(settings.topic(GROUPED), b"k", value)
        producer.flush()


def aliases_of(client: Elasticsearch, name: str) -> list[str]:
    return sorted(client.indices.get_alias(name=name).body)


def test_the_latest_version_of_everything_is_in_the_new_index(isolated: IndexerSettings, client: Elasticsearch) -> None:
    old = EXAMPLE.model_copy(update={"title": "old"})
    new = EXAMPLE.model_copy(update={"title": "new", "decision_seq": EXAMPLE.decision_seq + 1})
    send(isolated, encode(new), encode(old), None)
    run = Reindex(isolated, client)
    run.build()
    before = aliases_of(client, isolated.name("articles"))
    replaced = run.swap()
    run.close()
    assert (run.counts.read, run.counts.indexed, run.counts.unchanged, len(run.counts.tombstones)) == (3, 1, 1, 1)
    assert before == [f"{isolated.name('articles')}-v2"]
    assert replaced == sorted(f"{isolated.name(alias)}-v2" for alias in ("articles", "stories"))
    for name in ("articles", "articles-write"):
        assert aliases_of(client, isolated.name(name)) == [run.indices["articles"]]
    document = client.get(index=isolated.name("articles"), id=EXAMPLE.article_id)
    assert (document["_source"]["title"], document["_version"]) == ("new", new.document_version)


def test_what_cannot_be_indexed_stops_the_swap(isolated: IndexerSettings, client: Elasticsearch) -> None:
    send(isolated, encode(EXAMPLE), b"not json")
    run = Reindex(isolated, client)
    run.build()
    with pytest.raises(ReindexError, match="1 messages"):
        run.swap()
    assert aliases_of(client, isolated.name("articles")) == [f"{isolated.name('articles')}-v2"]
    run.discard()
    run.close()
    assert not client.indices.exists(index=run.indices["articles"])
    (where,) = run.counts.rejected
    assert where.startswith(isolated.topic(GROUPED))


def test_another_grouping_is_shown_and_the_first_goes_on(isolated: IndexerSettings, client: Elasticsearch) -> None:
    second = isolated.model_copy(update={"grouping_version": 2})
    ensure_topics(second, (GROUPED, STORIES))
    ensure_indices(client, second)
    send(second, encode(EXAMPLE.model_copy(update={"grouping_version": 2})))
    run = Reindex(second, client)
    run.build()
    assert run.swap() == sorted(f"{isolated.name(alias)}-v2.g2" for alias in ("articles", "stories"))
    run.close()
    assert aliases_of(client, isolated.name("articles")) == [run.indices["articles"]]
    assert aliases_of(client, isolated.name("articles-write")) == [f"{isolated.name('articles')}-v2"]
    found = client.search(index=isolated.name("articles"))["hits"]["hits"]
    assert [hit["_source"]["grouping_version"] for hit in found] == [2]


def test_an_installation_without_write_aliases_gets_them(isolated: IndexerSettings, client: Elasticsearch) -> None:
    client.indices.delete_alias(index=f"{isolated.name('articles')}-v2", name=isolated.name("articles-write"))
    ensure_indices(client, isolated)
    assert aliases_of(client, isolated.name("articles-write")) == [f"{isolated.name('articles')}-v2"]


@pytest.fixture
def own(stack: Stack, isolated: IndexerSettings) -> Stack:
    """The commands, inside the namespace."""
    return Stack(stack.home, {"DRAGOMAN_NAMESPACE": isolated.namespace})


def test_what_is_written_to_the_old_index_just_before_the_swap_is_in_the_new_one(
    isolated: IndexerSettings, client: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = EXAMPLE.model_copy(update={"article_id": str(uuid.uuid5(uuid.NAMESPACE_URL, "late"))})
    swap = client.indices.update_aliases

    def write_then_swap(**arguments: Any) -> None:
        send(isolated, encode(late))
        action, _ = to_action(received(encode(late)), isolated.name("articles-write"), is_story=False)
        client.bulk(operations=[action.lines()[:-1]], require_alias=True)  # type: ignore[list-item]
        swap(**arguments)

    monkeypatch.setattr(client.indices, "update_aliases", write_then_swap)
    send(isolated, encode(EXAMPLE))
    run = Reindex(isolated, client)
    run.build()
    run.swap()
    run.close()
    for index in (f"{isolated.name('articles')}-v2", run.indices["articles"]):
        assert client.get(index=index, id=late.article_id)["_version"] == late.document_version


def test_ctrl_c_after_the_swap_keeps_what_readers_see(
    isolated: IndexerSettings,
    client: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    swap = client.indices.update_aliases

    def swap_then_stop(**arguments: Any) -> None:
        swap(**arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(client.indices, "update_aliases", swap_then_stop)
    send(isolated, encode(EXAMPLE))
    run = Reindex(isolated, client)
    with pytest.raises(SystemExit) as ended:
        _run(run, force=False)
    run.close()
    assert ended.value.code == 130
    assert "stay" in capsys.readouterr().err
    assert aliases_of(client, isolated.name("articles")) == [run.indices["articles"]]
    assert client.count(index=isolated.name("articles"))["count"] == 1


@pytest.mark.parametrize(("stops", "code"), [(KeyboardInterrupt(), 130), (TransportError("gone"), 1)], ids=str)
def test_whatever_stops_it_before_the_swap_leaves_nothing_behind(
    isolated: IndexerSettings, client: Elasticsearch, monkeypatch: pytest.MonkeyPatch, stops: BaseException, code: int
) -> None:
    def stop(**_: Any) -> None:
        raise stops

    send(isolated, encode(EXAMPLE))
    run = Reindex(isolated, client)
    monkeypatch.setattr(client.indices, "refresh", stop)
    with pytest.raises(SystemExit) as ended:
        _run(run, force=False)
    run.close()
    assert ended.value.code == code
    assert not client.indices.exists(index=run.indices["articles"])
    assert aliases_of(client, isolated.name("articles")) == [f"{isolated.name('articles')}-v2"]


def test_an_alias_that_was_moved_meanwhile_is_not_moved_again(
    isolated: IndexerSettings, client: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs at once: the second one's request fails as a whole, and it removes what it made."""
    swap = client.indices.update_aliases
    send(isolated, encode(EXAMPLE))
    first, second = Reindex(isolated, client), Reindex(isolated, client)
    first.build()

    def overtaken(**arguments: Any) -> None:
        monkeypatch.setattr(client.indices, "update_aliases", swap)
        first.swap()
        swap(**arguments)

    monkeypatch.setattr(client.indices, "update_aliases", overtaken)
    with pytest.raises(SystemExit):
        _run(second, force=False)
    first.close()
    second.close()
    assert aliases_of(client, isolated.name("articles")) == [first.indices["articles"]]
    assert not client.indices.exists(index=second.indices["articles"])


def test_a_message_that_is_a_dead_letter_already_stops_nothing(
    isolated: IndexerSettings, client: Elasticsearch
) -> None:
    send(isolated, encode(EXAMPLE), b"not json")
    run = Reindex(isolated, client)
    run.build()
    ((where, _),) = run.counts.rejected.items()
    topic, partition, offset = where.split("/")
    received = Received(topic, int(partition), int(offset), None, b"k", b"not json")
    letter = make_letter(received, RejectedMessage("decode", ErrorClass.INVALID_MESSAGE, "no"), "indexer")
    with SafeProducer(isolated) as producer:
        producer.send(isolated.topic(DEAD), letter.letter_id.encode(), encode(letter))
        producer.flush()
    run.swap()
    run.close()
    assert aliases_of(client, isolated.name("articles")) == [run.indices["articles"]]


def test_readers_are_not_shown_less_than_now(isolated: IndexerSettings, client: Elasticsearch, own: Stack) -> None:
    """A second grouping that has seen nothing yet, and one that nobody makes."""
    action, _ = to_action(received(encode(EXAMPLE)), isolated.name("articles-write"), is_story=False)
    client.bulk(operations=[action.lines()[:-1]], refresh=True)  # type: ignore[list-item]
    ensure_topics(isolated.model_copy(update={"grouping_version": 2}), (GROUPED, STORIES))
    empty = own.run("reindex", "--grouping-version", "2", check=False)
    assert (empty.returncode, "readers see 1 articles now, and the topic holds 0" in empty.stderr) == (4, True)
    unknown = own.run("reindex", "--grouping-version", "7", check=False)
    assert (unknown.returncode, "no dedup process makes this grouping" in unknown.stderr) == (2, True)
    assert list(client.indices.get(index=f"{isolated.name('articles')}*").body) == [f"{isolated.name('articles')}-v2"]
    assert own.run("reindex", "--grouping-version", "2", "--force").returncode == 0
    assert client.count(index=isolated.name("articles"))["count"] == 0


def test_a_changed_mapping_takes_effect(isolated: IndexerSettings, client: Elasticsearch, own: Stack) -> None:
    name, writing = isolated.name("articles"), isolated.name("articles-write")
    client.indices.delete(index=f"{name}-v2")
    changed = {"properties": {"article_id": {"type": "text"}}}
    client.indices.create(index=f"{name}-v2", mappings=changed, aliases={name: {}, writing: {}})
    send(isolated, encode(EXAMPLE))
    assert own.json("reindex", "--delete-old")["documents"] == {"articles": 1, "stories": 0}
    (found,) = client.indices.get_mapping(index=name).body.values()
    assert found["mappings"]["properties"]["article_id"]["type"] == "keyword"
    assert not client.indices.exists(index=f"{name}-v2")


def test_the_first_grouping_keeps_its_index_when_readers_leave_it(
    isolated: IndexerSettings, client: Elasticsearch, own: Stack
) -> None:
    """Also where it had no write alias yet: it neither loses its index nor writes into the second one's."""
    for alias in ("articles", "stories"):
        client.indices.delete_alias(index=f"{isolated.name(alias)}-v2", name=isolated.name(f"{alias}-write"))
    second = isolated.model_copy(update={"grouping_version": 2})
    ensure_topics(second, (GROUPED, STORIES))
    send(second, encode(EXAMPLE))
    own.run("reindex", "--grouping-version", "2", "--delete-old")
    ensure_indices(client, isolated)
    assert aliases_of(client, isolated.name("articles-write")) == [f"{isolated.name('articles')}-v2"]
    assert client.count(index=isolated.name("articles"))["count"] == 1


def test_a_dry_run_changes_nothing_and_a_forced_one_names_what_it_leaves_out(
    isolated: IndexerSettings, client: Elasticsearch, own: Stack
) -> None:
    send(isolated, encode(EXAMPLE), b"not json", None)
    before = dict(client.indices.get_alias(index=f"{isolated.namespace}.*").body)
    assert own.json("reindex", "--dry-run")["messages"] == 3
    assert dict(client.indices.get_alias(index=f"{isolated.namespace}.*").body) == before
    said = own.run("reindex", "--force")
    assert "1 tombstones, 1 rejected" in said.stdout
    assert said.stderr.count(isolated.topic(GROUPED)) == 2


def latest_versions(settings: IndexerSettings) -> dict[str, dict[str, int]]:
    """The largest document version of every id on both topics, read apart from the code under test."""
    consumer = KafkaConsumer(**client_options(settings), enable_auto_commit=False)
    latest: dict[str, dict[str, int]] = {"articles": {}, "stories": {}}
    for topic, versions in ((GROUPED, latest["articles"]), (STORIES, latest["stories"])):
        name = settings.topic(topic)
        partitions = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name))]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for record in (one for part in consumer.poll(timeout_ms=500).values() for one in part):
                if topic is GROUPED:
                    article = decode(GroupedArticle, record.value)
                    identifier, version = article.article_id, article.document_version
                else:
                    story = decode(Story, record.value)
                    identifier, version = story.story_id, story.revision
                versions[identifier] = max(version, versions.get(identifier, 0))
    consumer.close()
    return latest


def indexed_versions(settings: IndexerSettings, client: Elasticsearch) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for alias in ("articles", "stories"):
        name = settings.name(alias)
        client.indices.refresh(index=name)
        every = settings.name(EVERY_STORY) if alias == "stories" else name
        hits = client.search(index=every, size=10_000, version=True, source=False)["hits"]["hits"]
        found[alias] = {hit["_id"]: hit["_version"] for hit in hits}
    return found


def test_reindexing_beside_the_live_indexer_loses_nothing(
    stack: Stack, tmp_path: Path, settings_of: SettingsOf
) -> None:
    """Articles come before, during and after; afterwards ids and versions are the topics', one by one."""
    path = write_articles(tmp_path / "live.jsonl", 250, seed=71)
    environment = {**os.environ, **stack.environment, "DRAGOMAN_HOME": str(stack.home)}
    command = [str(DRAGOMAN), "replay", str(path), "--rate", "25"]
    feed = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = stack.json("reindex", "--delete-old")
    second = json.loads(stack.run("reindex", "--delete-old", "--json").stdout)
    assert feed.wait(timeout=120) == 0
    stack.run("replay", str(path), "--wait", "--timeout", "120")
    assert (first["rejected"], second["rejected"]) == ([], [])
    assert second["old"] == sorted(first["indices"].values())
    deadline = time.monotonic() + 60
    while any(stack.json("status")["lag"].values()) and time.monotonic() < deadline:
        time.sleep(0.5)
    settings: IndexerSettings = settings_of(IndexerSettings)
    client = make_client(settings)
    for name in ("articles", "articles-write"):
        assert aliases_of(client, name) == [second["indices"]["articles"]]
    assert indexed_versions(settings, client) == latest_versions(settings)
    client.close()
