"""Reads the saved objects of Kibana, and says what each panel asks of Elasticsearch. Only what they use is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.conftest import ROOT

FILE = ROOT / "deploy" / "kibana" / "dragoman.ndjson"
Json = dict[str, Any]
QUERIES: dict[str, Json] = {
    "": {"match_all": {}},
    "not duplicate_of: *": {"bool": {"must_not": {"exists": {"field": "duplicate_of"}}}},
}
"""What the KQL of the panels means."""


def read_objects() -> list[Json]:
    """Every saved object of the file."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf8").splitlines()]


def requests(objects: list[Json]) -> Iterator[tuple[str, str, Json]]:
    """The name of each panel or layer of a map, the alias that it asks, and its search request."""
    titles = {one["id"]: one["attributes"]["title"] for one in objects if one["type"] == "index-pattern"}
    for one in objects:
        references = {reference["name"]: titles.get(reference["id"], "") for reference in one["references"]}
        if one["type"] == "lens":
            (alias,) = references.values()
            yield one["id"], alias, lens_request(one["attributes"]["state"])
        elif one["type"] == "map":
            yield from map_requests(one, references)
        elif one["type"] == "search":
            yield one["id"], *search_request(one, references)


def lens_request(state: Json) -> Json:
    """The aggregations of a chart: one inside the other, in the order of its columns."""
    (layer,) = state["datasourceStates"]["formBased"]["layers"].values()
    assert set(layer["columnOrder"]) == set(layer["columns"])
    columns = [layer["columns"][name] for name in layer["columnOrder"]]
    inner: Json = {}
    metric = columns.pop()
    assert not metric["isBucketed"]
    if metric["operationType"] != "count":
        inner = {"metric": {metric["operationType"]: {"field": metric["sourceField"]}}}
    for one in reversed(columns):
        field = {"field": one["sourceField"]}
        if one["operationType"] == "date_histogram":
            bucket: Json = {"date_histogram": {**field, "calendar_interval": "month", "min_doc_count": 1}}
        else:
            assert one["operationType"] == "terms"
            order = {"metric": "desc"} if inner and "metric" in inner else {"_count": "desc"}
            bucket = {"terms": {**field, "size": one["params"]["size"], "order": order}}
        inner = {"rows": {**bucket, "aggs": inner}} if inner else {"rows": bucket}
    return {"size": 0, "query": QUERIES[state["query"]["query"]], "aggs": inner}


def map_requests(one: Json, references: dict[str, str]) -> Iterator[tuple[str, str, Json]]:
    """What the layers of a map ask that show documents."""
    for layer in json.loads(one["attributes"]["layerListJSON"]):
        source = layer["sourceDescriptor"]
        if source["type"] == "ES_GEO_GRID":
            grid = {"geotile_grid": {"field": source["geoField"], "precision": 6}}
            alias = references[source["indexPatternRefName"]]
            yield f"{one['id']} {layer['id']}", alias, {"size": 0, "aggs": {"rows": grid}}
        for join in layer.get("joins", ()):
            right = join["right"]
            terms = {"terms": {"field": right["term"], "size": 300}}
            alias = references[right["indexPatternRefName"]]
            yield f"{one['id']} {layer['id']}", alias, {"size": 0, "aggs": {"rows": terms}}


def search_request(one: Json, references: dict[str, str]) -> tuple[str, Json]:
    """What a saved search asks."""
    source = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    sort = [{field: order} for field, order in one["attributes"]["sort"]]
    request = {"size": 50, "query": QUERIES[source["query"]["query"]], "sort": sort}
    return references[source["indexRefName"]], request


def fields_of(request: Json) -> Iterator[str]:
    """The fields that a request names."""
    for name, value in request.items():
        if name == "field":
            yield value
        elif name == "sort":
            yield from (field for entry in value for field in entry)
        elif isinstance(value, dict):
            yield from fields_of(value)
