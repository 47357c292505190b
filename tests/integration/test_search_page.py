"""Every request of docs/search.md runs on the real index and finds what its heading says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from services.common.elastic import make_client
from services.common.settings import ElasticsearchSettings
from tests.conftest import ROOT, SEEDS, Stack

PAGE = (ROOT / "docs" / "search.md").read_text(encoding="utf8")
BLOCK = re.compile(r"## (?P<number>\d+)\. (?P<title>.+?)\n.*?```json\nPOST (?P<path>\S+)\n(?P<body>.*?)```", re.DOTALL)
REQUESTS = {int(match["number"]): match for match in BLOCK.finditer(PAGE)}
FOUND = {1: 1, 2: 1, 3: 5, 4: 3, 5: 5, 8: 4, 9: 5, 10: 1}
"""How many articles each must find at least, of the five seeds and a copy of one."""


@pytest.fixture(scope="module")
def indexed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    copy: Path = tmp_path_factory.mktemp("copies") / "copy.txt"
    text = (SEEDS / "002_05a3f57faac5768a.txt").read_text(encoding="utf8")
    copy.write_text(text.replace("“", '"').replace("Monday", "monday"), encoding="utf8")
    stack.run("replay", str(SEEDS), "--source-id", "seeds", "--wait")
    stack.run("replay", str(copy), "--source-id", "copies", "--wait")
    return stack


@pytest.fixture
def client(indexed: Stack, settings_of: Callable[..., Any]) -> Any:
    assert indexed.home.is_dir()
    made = make_client(settings_of(ElasticsearchSettings))
    yield made
    made.close()


def test_there_are_ten() -> None:
    assert sorted(REQUESTS) == list(range(1, 11))


@pytest.mark.parametrize("number", sorted(REQUESTS))
def test_the_request_runs_and_finds(client: Elasticsearch, number: int) -> None:
    match = REQUESTS[number]
    text = match["body"]
    if "VECTOR" in text:
        text = text.replace("VECTOR", "01" * 512)
    answer: Any = client.perform_request(
        "POST",
        match["path"],
        body=json.loads(text),
        headers={"content-type": "application/json", "accept": "application/json"},
    )
    assert not answer["timed_out"]
    if number in FOUND:
        assert len(answer["hits"]["hits"]) >= FOUND[number]
    else:
        assert all(part["buckets"] for part in answer["aggregations"].values())


def test_the_copy_is_folded_and_names_its_original(client: Elasticsearch) -> None:
    answer: Any = client.search(index="articles", query={"term": {"source_id": "copies"}})
    (hit,) = answer["hits"]["hits"]
    original: Any = client.get(index="articles", id=hit["_source"]["duplicate_of"])
    assert original["_source"]["source_id"] == "seeds"
    assert hit["_source"]["duplicate_reason"]["level"] == "copy"
