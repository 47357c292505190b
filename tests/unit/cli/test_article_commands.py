"""`dragoman raw` and `dragoman trace`. Kafka and Elasticsearch are in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes import FakeElasticsearch, FakeKafka

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]


@pytest.fixture
def raw(example: Example) -> dict[str, Any]:
    return example("articles.raw", "v2-full")


@pytest.fixture
def document(elastic: FakeElasticsearch, kafka: FakeKafka, example: Example, raw: dict[str, Any]) -> dict[str, Any]:
    """An indexed article, and its raw article on Kafka."""
    record = kafka.append("articles.raw", raw["article_id"].encode(), json.dumps(raw).encode(), partition=2)
    made = example(
        "articles.grouped",
        "v2-opened",
        article_id=raw["article_id"],
        title="Lighthouse",
        fetched_at="2026-01-01T10:00:00Z",
        enriched_at="2026-01-01T10:00:01.500000Z",
        grouped_at=None,
        indexed_at="2026-01-01T10:00:04Z",
        stages={"extraction": 0.5, "language": 12.25},
        raw={
            "topic": "articles.raw",
            "partition": 2,
            "offset": record.offset,
            "sha256": hashlib.sha256(raw["content"].encode()).hexdigest(),
        },
    )
    elastic.put("articles-v2", raw["article_id"], made)
    elastic.aliases["articles"] = {"articles-v2": True}
    return made


def test_raw_prints_what_was_fetched(dragoman: Run, document: dict[str, Any], raw: dict[str, Any]) -> None:
    name = document["article_id"]
    assert dragoman("raw", name[:12]).stdout == raw["content"] + "\n"
    assert json.loads(dragoman("raw", name, "--json").stdout)["content"] == raw["content"]


def test_what_is_not_kept_any_more_is_said(dragoman: Run, elastic: FakeElasticsearch, document: dict[str, Any]) -> None:
    place = document["raw"]
    for changed, words in (
        ({**place, "offset": 99}, "is not kept any more (articles.raw/2/99). DRAGOMAN_RAW_DAYS"),
        ({**place, "sha256": "0" * 64}, "is not kept any more"),
        (None, "It is not known where the raw article is"),
    ):
        elastic.put("articles-v2", document["article_id"], {**document, "raw": changed})
        result = dragoman("raw", document["article_id"])
        assert result.exit_code == 4
        assert words in result.stderr
        assert result.stdout == ""


def test_trace_tells_the_times_and_the_stages(dragoman: Run, document: dict[str, Any]) -> None:
    said = dragoman("trace", document["article_id"]).stdout.splitlines()
    assert said[0] == "Lighthouse"
    assert said[1].split() == ["2026-01-01T10:00:00Z", "fetched", "by", "the", "producer"]
    assert said[2].split()[:3] == ["2026-01-01T10:00:01.500000Z", "+1.5", "s"]
    assert said[3].split()[:2] == ["not", "known"]
    assert said[4].split()[:3] == ["2026-01-01T10:00:04Z", "+2.5", "s"]
    assert said[6].split()[:2] == ["extraction", "0.50"]
    assert f"articles.raw/2/{document['raw']['offset']}" in said[-1]


def test_json_of_a_trace(dragoman: Run, document: dict[str, Any]) -> None:
    report = json.loads(dragoman("trace", document["article_id"], "--json").stdout)
    assert [step["seconds"] for step in report["steps"]] == [None, 1.5, None, 2.5]
    assert report["stages"] == document["stages"]
    assert report["raw"] == document["raw"]


def test_an_unknown_article_is_refused(dragoman: Run, document: dict[str, Any]) -> None:
    del document
    for command in ("raw", "trace"):
        result = dragoman(command, "nobody")
        assert (result.exit_code, "No article has the id" in result.stderr) == (2, True)
