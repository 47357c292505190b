"""Every panel of Kibana's dashboard, asked of the embedded index: it returns data on the seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from services.common.elastic import make_client
from services.common.settings import ElasticsearchSettings
from tests.conftest import SEEDS, Stack
from tests.kibana import read_objects, requests

ASKED = {name: (alias, request) for name, alias, request in requests(read_objects())}


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Elasticsearch]:
    stack.run("replay", str(SEEDS), "--source-id", "seeds", "--wait")  # as tests/integration/test_search_page.py does
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
