"""Every panel of Kibana's dashboard, asked of the embedded index: it returns data on the seeds and on Wikinews."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from benchmarks.quality.corpora import WIKINEWS, read_lines
from services.common.elastic import make_client
from services.common.settings import ElasticsearchSettings
from tests.conftest import SEEDS, Stack
from tests.kibana import read_objects, requests

ASKED = {name: (alias, request) for name, alias, request in requests(read_objects())}


@pytest.fixture(scope="module")
def wikinews() -> Iterator[Stack]:
    """A stack of its own with all articles of Wikinews, so that other tests do not find them."""
    home = Path(tempfile.mkdtemp(prefix="dragoman-test-"))
    running = Stack(home, {"DRAGOMAN_VECTORS": "false"})
    try:
        running.run("up", "--detach")
        path = home / "wikinews.jsonl"
        path.write_bytes(b"".join(map(to_line, read_lines(WIKINEWS))))
        running.run("replay", str(path), "--wait")
        yield running
    finally:
        running.run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


def to_line(row: dict[str, Any]) -> bytes:
    """An article of Wikinews as `dragoman replay` reads it."""
    fields = {
        "guid": row["id"],
        "title": row["title"],
        "content": f"{row['dateline']}\n{row['text']}",
        "source_id": f"wikinews-{row['lang']}",
    }
    return json.dumps(fields).encode() + b"\n"


@pytest.fixture(scope="module", params=["seeds", "Wikinews"])
def client(request: pytest.FixtureRequest) -> Iterator[Elasticsearch]:
    stack: Stack = request.getfixturevalue("stack" if request.param == "seeds" else "wikinews")
    if request.param == "seeds":
        stack.run("replay", str(SEEDS), "--source-id", "seeds", "--wait")  # as tests/integration/test_search_page.py
    made = make_client(ElasticsearchSettings(home=stack.home))
    made.indices.refresh(index="articles,stories")
    yield made
    made.close()


@pytest.mark.parametrize("name", ASKED)
def test_a_panel_returns_data(client: Elasticsearch, name: str) -> None:
    alias, request = ASKED[name]
    answer: Any = client.search(index=alias, **request)
    assert answer["_shards"]["failed"] == 0
    if "aggs" not in request:
        assert answer["hits"]["hits"]
        return
    buckets = answer["aggregations"]["rows"]["buckets"]
    assert buckets
    assert all(bucket["doc_count"] > 0 for bucket in buckets)
    inner: Callable[[Any], bool] = lambda bucket: bucket["metric"]["value"] is not None  # noqa: E731
    assert all(inner(bucket) for bucket in buckets if "metric" in bucket)
    assert all(bucket["rows"]["buckets"] for bucket in buckets if "rows" in bucket)
