"""Writing to the real Elasticsearch: versions, refusals, blocks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from services.common.elastic import make_client
from services.indexer.bulk import Action, Verdict, make_action
from services.indexer.documents import read_article, to_article_document
from services.indexer.indices import ensure_indices
from services.indexer.settings import IndexerSettings
from services.indexer.writer import BulkWriter
from tests.conftest import NOW
from tests.examples import GROUPED_EXAMPLES


@pytest.fixture(scope="module")
def namespace() -> str:
    """A namespace of its own, so that no other test sees these documents."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(settings_of: Callable[..., Any], namespace: str) -> Iterator[Elasticsearch]:
    settings = settings_of(IndexerSettings, namespace=namespace)
    made = make_client(settings)
    ensure_indices(made, settings)
    yield made
    made.close()


def writer(client: Elasticsearch, waits: list[float], lift: Callable[[], object] = lambda: None) -> BulkWriter:
    def wait(seconds: float) -> None:
        waits.append(seconds)
        lift()

    return BulkWriter(client, "indexer", 100, 1_000_000, wait)


def action(namespace: str, version: int, **fields: Any) -> Action:
    document = to_article_document(*read_article(GROUPED_EXAMPLES["v2-opened.json"]), NOW)
    return make_action(f"{namespace}.articles", "one", version, document | fields)


def test_a_document_of_every_field_is_taken_and_a_replay_changes_nothing(client: Elasticsearch, namespace: str) -> None:
    verdicts = [writer(client, []).write([action(namespace, version)])[0].verdict for version in (5, 5, 4, 6)]
    assert verdicts == [Verdict.INDEXED, Verdict.UNCHANGED, Verdict.UNCHANGED, Verdict.INDEXED]


def test_every_example_is_indexed(client: Elasticsearch, namespace: str) -> None:
    for name, data in GROUPED_EXAMPLES.items():
        made = make_action(f"{namespace}.articles", name, 1, to_article_document(*read_article(data), NOW))
        (answer,) = writer(client, []).write([made])
        assert answer.verdict is Verdict.INDEXED, answer.reason


REFUSED = {
    "mapping conflict": {"fetched_at": "yesterday"},
    "unknown field": {"surprise": 1},
    "keyword": {"guid": "g" * 40_000},
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_a_document_that_can_never_be_indexed_is_dead_and_its_neighbours_are_not(
    client: Elasticsearch, namespace: str, fields: dict[str, Any]
) -> None:
    bad = action(namespace, 1000, **fields)
    good = make_action(f"{namespace}.articles", uuid.uuid4().hex, 1, {"article_id": "x"})
    answers = writer(client, []).write([bad, good])
    assert [answer.verdict for answer in answers] == [Verdict.DEAD, Verdict.INDEXED]
    assert answers[0].reason


def test_a_write_block_is_waited_out(client: Elasticsearch, namespace: str) -> None:
    index = f"{namespace}.articles-v2"
    client.indices.put_settings(index=index, settings={"index.blocks.write": True})
    waits: list[float] = []
    lift = lambda: client.indices.put_settings(index=index, settings={"index.blocks.write": False})  # noqa: E731
    answers = writer(client, waits, lift).write([make_action(f"{namespace}.articles", "blocked", 1, {"guid": "x"})])
    assert answers[0].verdict is Verdict.INDEXED
    assert len(waits) == 1


def test_a_missing_index_is_never_made_by_guessing(client: Elasticsearch) -> None:
    waits: list[float] = []

    def give_up() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        writer(client, waits, give_up).write([make_action("nowhere", "x", 1, {"guid": "x"})])
    assert not client.indices.exists(index="nowhere")


def test_an_index_of_an_older_version_gets_the_new_fields(settings_of: Callable[..., Any]) -> None:
    """Fields that records gained since an index was made are mapped at the next start; else its documents would die."""
    settings = settings_of(IndexerSettings, namespace=f"t{uuid.uuid4().hex[:8]}")
    made = make_client(settings)
    name = settings.name("articles")
    made.indices.create(
        index=f"{name}-v1",
        mappings={"dynamic": "strict", "properties": {"article_id": {"type": "keyword"}}},
        aliases={name: {"is_write_index": True}},
    )
    ensure_indices(made, settings)
    (found,) = made.indices.get_mapping(index=name).body.values()
    assert "declared" in found["mappings"]["properties"]
    assert found["mappings"]["dynamic"] == "strict"
    made.close()
