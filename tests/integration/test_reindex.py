"""The index is built again beside the live indexer: nothing is lost, nothing is older, nothing half done is shown."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from schemas.article import GroupedArticle
from schemas.topics import GROUPED, STORIES
from services.common.elastic import make_client
from services.common.messages import decode, encode
from services.common.producer import SafeProducer
from services.common.topics import ensure_topics
from services.indexer.indices import ensure_indices
from services.indexer.reindex import Reindex, ReindexError
from services.indexer.settings import IndexerSettings
from tests.articles import write_articles
from tests.conftest import DRAGOMAN, ROOT, Stack
from tests.examples import GROUPED_EXAMPLES

SettingsOf = Callable[..., Any]
EXAMPLE = decode(GroupedArticle, GROUPED_EXAMPLES["v1-opened.json"])


@pytest.fixture
def desk(settings_of: SettingsOf) -> Iterator[IndexerSettings]:
    """Topics and indices of a desk that no service works on."""
    settings: IndexerSettings = settings_of(IndexerSettings, namespace=f"t{uuid.uuid4().hex[:8]}")
    ensure_topics(settings, (GROUPED, STORIES))
    client = make_client(settings)
    ensure_indices(client, settings)
    yield settings
    for index in client.indices.get(index=f"{settings.namespace}.*").body:
        client.indices.delete(index=index)
    client.close()


@pytest.fixture
def client(desk: IndexerSettings) -> Iterator[Elasticsearch]:
    made = make_client(desk)
    yield made
    made.close()


def send(settings: IndexerSettings, *values: bytes | None) -> None:
    with SafeProducer(settings) as producer:
        for value in values:
            producer.send(settings.topic(GROUPED), b"k", value)
        producer.flush()


def aliases_of(client: Elasticsearch, name: str) -> list[str]:
    return sorted(client.indices.get_alias(name=name).body)


def test_the_latest_version_of_everything_is_in_the_new_index(desk: IndexerSettings, client: Elasticsearch) -> None:
    old = EXAMPLE.model_copy(update={"title": "old"})
    new = EXAMPLE.model_copy(update={"title": "new", "decision_seq": EXAMPLE.decision_seq + 1})
    send(desk, encode(new), encode(old), None)
    run = Reindex(desk, client)
    run.build()
    before = aliases_of(client, desk.name("articles"))
    replaced = run.swap()
    run.close()
    assert (run.counts.read, run.counts.indexed, run.counts.unchanged, run.counts.removed) == (3, 1, 1, 1)
    assert before == [f"{desk.name('articles')}-v1"]
    assert replaced == sorted(f"{desk.name(alias)}-v1" for alias in ("articles", "stories"))
    for name in ("articles", "articles-write"):
        assert aliases_of(client, desk.name(name)) == [run.indices["articles"]]
    document = client.get(index=desk.name("articles"), id=EXAMPLE.article_id)
    assert (document["_source"]["title"], document["_version"]) == ("new", new.document_version)


def test_what_cannot_be_indexed_stops_the_swap(desk: IndexerSettings, client: Elasticsearch) -> None:
    send(desk, encode(EXAMPLE), b"not json")
    run = Reindex(desk, client)
    run.build()
    with pytest.raises(ReindexError, match="1 messages"):
        run.swap()
    assert aliases_of(client, desk.name("articles")) == [f"{desk.name('articles')}-v1"]
    run.discard()
    run.close()
    assert not client.indices.exists(index=run.indices["articles"])
    assert run.counts.rejected[0].startswith(desk.topic(GROUPED))


def test_another_grouping_is_shown_and_the_first_goes_on(desk: IndexerSettings, client: Elasticsearch) -> None:
    second = desk.model_copy(update={"grouping_version": 2})
    ensure_topics(second, (GROUPED, STORIES))
    ensure_indices(client, second)
    send(second, encode(EXAMPLE.model_copy(update={"grouping_version": 2})))
    run = Reindex(second, client)
    run.build()
    assert run.swap() == sorted(f"{desk.name(alias)}-v1.g2" for alias in ("articles", "stories"))
    run.close()
    assert aliases_of(client, desk.name("articles")) == [run.indices["articles"]]
    assert aliases_of(client, desk.name("articles-write")) == [f"{desk.name('articles')}-v1"]
    found = client.search(index=desk.name("articles"))["hits"]["hits"]
    assert [hit["_source"]["grouping_version"] for hit in found] == [2]


def test_an_installation_without_write_aliases_gets_them(desk: IndexerSettings, client: Elasticsearch) -> None:
    client.indices.delete_alias(index=f"{desk.name('articles')}-v1", name=desk.name("articles-write"))
    ensure_indices(client, desk)
    assert aliases_of(client, desk.name("articles-write")) == [f"{desk.name('articles')}-v1"]


def test_reindexing_beside_the_live_indexer_loses_nothing(stack: Stack, tmp_path: Path) -> None:
    """Articles come before, during and after; afterwards the ledger is the index, one by one."""
    path = write_articles(tmp_path / "live.jsonl", 250, seed=71)
    environment = {**os.environ, **stack.environment, "DRAGOMAN_HOME": str(stack.home)}
    command = [str(DRAGOMAN), "replay", str(path), "--rate", "25"]
    feed = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = stack.json("reindex", "--delete-old")
    assert feed.poll() is None
    second = json.loads(stack.run("reindex", "--delete-old", "--json").stdout)
    assert feed.wait(timeout=120) == 0
    stack.run("replay", str(path), "--wait", "--timeout", "120")
    assert (first["rejected"], second["rejected"]) == ([], [])
    assert second["old"] == sorted(first["indices"].values())
    found = stack.json("verify")
    assert (found["missing"], found["different"], found["articles"]) == ([], [], found["indexed"])
    assert stack.json("status")["books"]["balanced"]
