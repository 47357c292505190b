"""Writes deploy/kibana/dragoman.ndjson: data views, a saved search, panels, a dashboard and a map for Kibana.

python -m tools.kibana [--check]

The ids carry the version of the mapping. So an import that overwrites nothing brings what is new and keeps what a user
has changed. Formats: the saved objects that Kibana 9 exports (Lens, dashboard, map).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.indexer.indices import ARTICLES, STORIES, VERSION
from tools.generated import write_or_check

FILE = Path(__file__).parents[1] / "deploy" / "kibana" / "dragoman.ndjson"
LAYER: Final = "layer"
COUNT: Final = "count"
Json = dict[str, Any]
KUERY: Final[Json] = {"language": "kuery", "query": ""}
ORIGINALS: Final = "not duplicate_of: *"
"""KQL: every text once."""
DESCRIPTIONS: Final = {
    ARTICLES: {
        "duplicate_of": "The article that this one repeats; absent for an original.",
        "duplicate_score": "Share of the shorter text's word pairs that are in both.",
        "event_at": "The stated date, else that of the feed, a declared one, or the time of the fetch.",
        "event_at_source": "Where event_at comes from: stated, feed, declared or fetched.",
        "language.code": "BCP 47; und when unsure.",
        "persons": "Persons that the text names and a list knows.",
        "story_id": "The id of the article that opened the story.",
        "story_reason.gap_days": "Days between the stated dates of both.",
        "story_reason.moved_by": "The merge, or the edit by a person, that moved the article to its story.",
        "story_reason.shared": "Names and entities that it shares with the nearest article, rarest first.",
        "story_reason.vetoes": "Stories that were near enough and not taken, and why.",
        "supersedes": "The earlier version of the agency's text that this one replaces.",
        "unlisted_names": "Names that no list holds.",
    },
    STORIES: {
        "article_count": "Articles, with those that repeat another one.",
        "duplicates": "Articles that repeat another one.",
        "editions.sentence": "The sentence that says most of the story in this language.",
        "growth": "Articles of its last hour against the mean of its last day. 24: all came in one hour.",
        "outlet_count": "Outlets, each once however many feeds it has.",
        "related.title": "Another event of the same actors.",
    },
}


@dataclass(frozen=True, slots=True)
class View:
    """A data view: the alias that it shows, and the field that its time filter uses."""

    name: str
    alias: str
    time_field: str
    title: str

    @property
    def id(self) -> str:
        """The id of the saved object."""
        return object_id(self.name)


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart of the dashboard. `rows` are the fields that it counts by; a date is drawn over time.

    `metric` is the number of documents, or the largest value of a field. `width` is in columns of 48.
    """

    name: str
    title: str
    view: View
    kind: str
    rows: tuple[str, ...]
    metric: str = COUNT
    query: str = ORIGINALS
    size: int = 10
    width: int = 16
    height: int = 14


def object_id(name: str) -> str:
    """The id of a saved object of this version."""
    return f"dragoman-{name}-{VERSION}"


BY_EVENT = View("articles", ARTICLES, "event_at", "Articles")
BY_FETCHING = View("articles-fetched", ARTICLES, "fetched_at", "Articles by fetching")
OF_STORIES = View("stories", STORIES, "last_seen_at", "Stories")
VIEWS = (BY_EVENT, BY_FETCHING, OF_STORIES)
PANELS = (
    Panel("over-time", "Articles over time by language", BY_EVENT, "bars", ("event_at", "language.code"), width=32),
    Panel("date-sources", "Where the time comes from", BY_EVENT, "donut", ("event_at_source",)),
    Panel("persons", "Most named persons", BY_EVENT, "ranking", ("persons",)),
    Panel("organisations", "Most named organisations", BY_EVENT, "ranking", ("organisations",)),
    Panel("places", "Most named places", BY_EVENT, "ranking", ("places_named",)),
    Panel("outlets", "Outlets", BY_EVENT, "ranking", ("source_id",), query=""),
    Panel("growing", "Stories by growth", OF_STORIES, "table", ("headline.keyword",), metric="growth", query=""),
    Panel("largest", "Stories by outlets", OF_STORIES, "table", ("headline.keyword",), metric="outlet_count", query=""),
)
POINTS: Final = "places.location"
AREAS: Final = "countries"
SEARCH_COLUMNS: Final = ("language.code", "headline", "story_id", "source_id")


def make_objects() -> Iterator[Json]:
    """Every saved object, in an order in which each stands behind what it refers to."""
    yield from map(make_view, VIEWS)
    yield make_search()
    yield from map(make_lens, PANELS)
    yield make_map()
    yield make_dashboard(PANELS)


def saved(kind: str, name: str, attributes: Json, references: Sequence[tuple[str, str, str]], migration: str) -> Json:
    """A saved object. `references` are (name, type, id)."""
    return {
        "attributes": attributes,
        "coreMigrationVersion": "8.8.0",
        "id": object_id(name),
        "managed": False,
        "references": [{"id": target, "name": name, "type": kind} for name, kind, target in references],
        "type": kind,
        "typeMigrationVersion": migration,
    }


def make_view(view: View) -> Json:
    """A data view with what its fields mean."""
    described = {name: {"customDescription": words} for name, words in DESCRIPTIONS[view.alias].items()}
    attributes = {
        "allowHidden": False,
        "fieldAttrs": json.dumps(described),
        "fieldFormatMap": "{}",
        "fields": "[]",
        "name": view.title,
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "timeFieldName": view.time_field,
        "title": view.alias,
        "typeMeta": "{}",
    }
    return saved("index-pattern", view.name, attributes, (), "8.0.0")


def make_search() -> Json:
    """The saved search: every article once, the latest event first."""
    where = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"filter": [], "indexRefName": where, "query": {"language": "kuery", "query": ORIGINALS}}
    attributes = {
        "columns": list(SEARCH_COLUMNS),
        "description": "Every article once: near-duplicates are left out.",
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
        "sort": [["event_at", "desc"]],
        "timeRestore": False,
        "title": "Articles without near-duplicates",
    }
    return saved("search", "articles-unique", attributes, [(where, "index-pattern", BY_EVENT.id)], "10.5.0")


def make_lens(panel: Panel) -> Json:
    """A Lens chart."""
    columns = {f"row{number}": row_column(panel, field) for number, field in enumerate(panel.rows)}
    columns["metric"] = metric_column(panel.metric)
    layer = {"columnOrder": list(columns), "columns": columns, "incompleteColumns": {}, "sampling": 1}
    kind, visualization = VISUALIZATIONS[panel.kind](panel)
    attributes = {
        "description": "",
        "state": {
            "adHocDataViews": {},
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "filters": [],
            "internalReferences": [],
            "query": {"language": "kuery", "query": panel.query},
            "visualization": visualization,
        },
        "title": panel.title,
        "visualizationType": kind,
    }
    reference = (f"indexpattern-datasource-layer-{LAYER}", "index-pattern", panel.view.id)
    return saved("lens", f"panel-{panel.name}", attributes, [reference], "8.9.0")


def row_column(panel: Panel, field: str) -> Json:
    """What a chart counts by."""
    if field == panel.view.time_field:
        params: Json = {"dropPartials": False, "includeEmptyRows": True, "interval": "auto"}
        return column(field, "date", "date_histogram", "interval", params, bucketed=True)
    params = {
        "exclude": [],
        "excludeIsRegex": False,
        "include": [],
        "includeIsRegex": False,
        "missingBucket": False,
        "orderBy": {"columnId": "metric", "type": "column"},
        "orderDirection": "desc",
        "otherBucket": False,
        "parentFormat": {"id": "terms"},
        "size": panel.size,
    }
    return column(field, "string", "terms", "ordinal", params, bucketed=True)


def metric_column(metric: str) -> Json:
    """What a chart shows."""
    if metric == COUNT:
        return column("___records___", "number", "count", "ratio", {"emptyAsNull": True}, label="Articles")
    return column(metric, "number", "max", "ratio", {"emptyAsNull": True})


def column(
    field: str, data: str, operation: str, scale: str, params: Json, *, bucketed: bool = False, label: str = ""
) -> Json:
    """A column of a Lens layer."""
    return {
        "customLabel": bool(label),
        "dataType": data,
        "isBucketed": bucketed,
        "label": label or field,
        "operationType": operation,
        "params": params,
        "scale": scale,
        "sourceField": field,
    }


def _bars(_: Panel) -> tuple[str, Json]:
    return _xy("bar_stacked", split=True)


def _ranking(_: Panel) -> tuple[str, Json]:
    return _xy("bar_horizontal", split=False)


def _xy(series: str, *, split: bool) -> tuple[str, Json]:
    """Bars of the first row. With `split`, the second row divides each of them."""
    layer = {
        "accessors": ["metric"],
        "layerId": LAYER,
        "layerType": "data",
        "position": "top",
        "seriesType": series,
        "showGridlines": False,
        "xAccessor": "row0",
        **({"splitAccessor": "row1"} if split else {}),
    }
    return "lnsXY", {
        "layers": [layer],
        "legend": {"isVisible": split, "position": "right"},
        "preferredSeriesType": series,
        "title": "Empty XY chart",
        "valueLabels": "hide",
    }


def _donut(_: Panel) -> tuple[str, Json]:
    layer = {
        "categoryDisplay": "default",
        "layerId": LAYER,
        "layerType": "data",
        "legendDisplay": "default",
        "metrics": ["metric"],
        "nestedLegend": False,
        "numberDisplay": "percent",
        "primaryGroups": ["row0"],
    }
    return "lnsPie", {"layers": [layer], "shape": "donut"}


def _table(_: Panel) -> tuple[str, Json]:
    columns = [{"columnId": "row0"}, {"columnId": "metric"}]
    return "lnsDatatable", {"columns": columns, "layerId": LAYER, "layerType": "data"}


VISUALIZATIONS = {"bars": _bars, "ranking": _ranking, "donut": _donut, "table": _table}


def make_map() -> Json:
    """Countries by their articles, and the named places as points."""
    world: Json = {
        "alpha": 1,
        "id": "world",
        "label": None,
        "maxZoom": 24,
        "minZoom": 0,
        "sourceDescriptor": {"isAutoSelect": True, "type": "EMS_TMS"},
        "style": {"color": "", "type": "EMS_VECTOR_TILE"},
        "type": "EMS_VECTOR_TILE",
        "visible": True,
    }
    join = {
        "id": "articles-of-countries",
        "indexPatternRefName": "layer_1_join_0_index_pattern",
        "metrics": [{"type": "count"}],
        "term": AREAS,
        "type": "ES_TERM_SOURCE",
        "applyGlobalQuery": True,
        "applyGlobalTime": True,
    }
    count_of_join = "__kbnjoin__count__articles-of-countries"
    areas: Json = {
        "alpha": 0.6,
        "id": "areas",
        "joins": [{"leftField": "iso2", "right": join}],
        "label": "Articles by country",
        "maxZoom": 24,
        "minZoom": 0,
        "sourceDescriptor": {"id": "world_countries", "tooltipProperties": ["name"], "type": "EMS_FILE"},
        "style": _vector({"fillColor": _dynamic("Blues", count_of_join, "join")}),
        "type": "GEOJSON_VECTOR",
        "visible": True,
    }
    points: Json = {
        "alpha": 0.8,
        "id": "points",
        "joins": [],
        "label": "Named places",
        "maxZoom": 24,
        "minZoom": 0,
        "sourceDescriptor": {
            "applyGlobalQuery": True,
            "applyGlobalTime": True,
            "geoField": POINTS,
            "id": "points-source",
            "indexPatternRefName": "layer_2_source_index_pattern",
            "metrics": [{"type": "count"}],
            "requestType": "point",
            "resolution": "MOST_FINE",
            "type": "ES_GEO_GRID",
        },
        "style": _vector(
            {
                "fillColor": {"options": {"color": "#DD0A73"}, "type": "STATIC"},
                "iconSize": {
                    "options": {"field": {"name": "doc_count", "origin": "source"}, "maxSize": 24, "minSize": 5},
                    "type": "DYNAMIC",
                },
            }
        ),
        "type": "GEOJSON_VECTOR",
        "visible": True,
    }
    attributes = {
        "description": "Countries and places that articles name.",
        "layerListJSON": json.dumps([world, areas, points]),
        "mapStateJSON": json.dumps({"center": {"lat": 25, "lon": 15}, "query": KUERY, "zoom": 1.4}),
        "title": "Places in the news",
        "uiStateJSON": "{}",
    }
    references = [
        ("layer_1_join_0_index_pattern", "index-pattern", BY_EVENT.id),
        ("layer_2_source_index_pattern", "index-pattern", BY_EVENT.id),
    ]
    return saved("map", "map", attributes, references, "8.4.0")


def _vector(properties: Json) -> Json:
    return {"isTimeAware": True, "properties": properties, "type": "VECTOR"}


def _dynamic(colours: str, field: str, origin: str) -> Json:
    return {"options": {"color": colours, "field": {"name": field, "origin": origin}}, "type": "DYNAMIC"}


def make_dashboard(panels: Sequence[Panel]) -> Json:
    """The panels in rows of 48 columns, and the map below them."""
    cells: list[Json] = []
    references: list[tuple[str, str, str]] = []
    x = y = 0
    placed = [("lens", f"panel-{panel.name}", panel.width, panel.height) for panel in panels]
    for kind, name, width, height in (*placed, ("map", "map", 48, 22)):
        if x + width > 48:
            x, y = 0, y + cells[-1]["gridData"]["h"]
        cells.append(
            {
                "embeddableConfig": {"enhancements": {}},
                "gridData": {"h": height, "i": name, "w": width, "x": x, "y": y},
                "panelIndex": name,
                "panelRefName": f"panel_{name}",
                "type": kind,
            }
        )
        references.append((f"{name}:panel_{name}", kind, object_id(name)))
        x += width
    attributes = {
        "description": "What the news is about: over time, by name, by place, and which stories grow.",
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps({"filter": [], "query": KUERY})},
        "optionsJSON": json.dumps({"hidePanelTitles": False, "syncColors": True, "useMargins": True}),
        "panelsJSON": json.dumps(cells),
        "timeRestore": False,
        "title": "Dragoman",
        "version": 1,
    }
    return saved("dashboard", "dashboard", attributes, references, "8.9.0")


def render() -> str:
    """The text of the file: one object a line."""
    return "".join(json.dumps(one, ensure_ascii=False, sort_keys=True) + "\n" for one in make_objects())


def main(arguments: list[str]) -> int:
    """Write or check the file. Returns the exit code."""
    return write_or_check(FILE, "deploy/kibana/dragoman.ndjson", render(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
