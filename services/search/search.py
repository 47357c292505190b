"""One search over the articles, for the CLI and later for the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from elasticsearch import ApiError, BadRequestError, Elasticsearch, NotFoundError, TransportError

from services.common.languages import ANALYZERS, analyzer_for
from services.common.refusals import elasticsearch_refusal
from services.common.settings import ElasticsearchSettings

R = TypeVar("R")
TITLE_BOOST = 3
MAX_QUERY = 2000
HIGHLIGHT_TAGS = ("<em>", "</em>")


class SearchError(Exception):
    """A search that is not possible. The message is for a person."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for. `query` is a simple_query_string: `+` and, `|` or, `-` not, quotes, final `*`, brackets."""

    query: str
    language: str | None = None
    entity: str | None = None
    published_from: date | None = None
    published_to: date | None = None
    with_duplicates: bool = False
    size: int = 10


@dataclass(frozen=True, slots=True)
class Hit:
    """One article that matches. `duplicates` is the number of its copies that are not listed."""

    article: dict[str, Any]
    score: float
    highlights: tuple[str, ...]
    duplicates: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best hits, and the number of all articles that match."""

    total: int
    hits: tuple[Hit, ...]


def to_request(search: Search) -> dict[str, Any]:
    """The Elasticsearch request of a search. Raises SearchError if the search is empty or not possible."""
    if not search.query.strip():
        raise SearchError("The query is empty. Say what to look for, or * for everything.")
    if len(search.query) > MAX_QUERY:
        raise SearchError(f"The query has {len(search.query):,} characters; at most {MAX_QUERY:,} are allowed.")
    if search.published_from and search.published_to and search.published_from > search.published_to:
        raise SearchError(f"--from {search.published_from} is later than --to {search.published_to}.")
    request: dict[str, Any] = {
        "size": search.size,
        "track_total_hits": True,
        "_source": {"excludes": ["content", "paragraphs", "removed", "embedding", "localized"]},
        "query": {"bool": {"must": [_words(search)], "filter": _filters(search)}},
        "highlight": {
            "pre_tags": [HIGHLIGHT_TAGS[0]],
            "post_tags": [HIGHLIGHT_TAGS[1]],
            "fragment_size": 160,
            "number_of_fragments": 2,
            "max_analyzed_offset": 900_000,
            # the stems are indexed and not stored: what they match is shown in `text`
            "fields": {"text": {"matched_fields": [f"localized.{name}.text" for name in _analyzers(search)]}},
        },
        "sort": ["_score", {"fetched_at": "desc"}],
    }
    if not search.with_duplicates:
        inner = {"name": "copies", "size": 0}
        request["collapse"] = {"field": "duplicate_group", "inner_hits": inner}
        request["aggs"] = {"groups": {"cardinality": {"field": "duplicate_group"}}}
    return request


def _words(search: Search) -> dict[str, Any]:
    if search.query.strip() == "*":
        return {"match_all": {}}
    localized = [
        f"localized.{name}.{field}" for name in _analyzers(search) for field in (f"title^{TITLE_BOOST}", "text")
    ]
    return {
        "simple_query_string": {
            "query": search.query,
            "fields": [f"title^{TITLE_BOOST}", "text", *localized],
            "default_operator": "and",
        }
    }


def _analyzers(search: Search) -> list[str]:
    chosen = analyzer_for(search.language) if search.language else None
    return [chosen] if chosen else sorted({*ANALYZERS.values(), "brazilian"})


def _filters(search: Search) -> list[dict[str, Any]]:
    filters: list[dict[str, Any]] = []
    if search.language:
        filters.append({"term": {"language.code": search.language}})
    if search.entity:
        filters.append({"term": {"entities.id": search.entity}})
    limits = {}
    if search.published_from:
        limits["gte"] = search.published_from.isoformat()
    if search.published_to:
        limits["lte"] = f"{search.published_to.isoformat()}||/d"
    if limits:
        filters.append({"range": {"published_at": limits}})
    return filters


def run_search(client: Elasticsearch, index: str, search: Search) -> SearchResult:
    """Run a search. Raises SearchError with a sentence if Elasticsearch refuses or does not answer."""
    answer = answered(lambda: client.search(index=index, **_as_arguments(to_request(search))), index)
    hits = tuple(_hit(hit) for hit in answer["hits"]["hits"])
    groups = answer.get("aggregations", {}).get("groups", {}).get("value")
    return SearchResult(groups if groups is not None else answer["hits"]["total"]["value"], hits)


def answered(ask: Callable[[], R], index: str) -> R:
    """The answer of Elasticsearch. Raises SearchError with a sentence if it refuses or does not answer."""
    try:
        return ask()
    except NotFoundError as error:
        raise SearchError(f"There is no index {index} yet. Start the stack with `dragoman up`.") from error
    except BadRequestError as error:
        raise SearchError(f"Elasticsearch does not understand the query: {_root_cause(error)}.") from error
    except (ApiError, TransportError) as error:
        plain = "Elasticsearch does not answer. Is the stack up? See `dragoman status`."
        if isinstance(error, ApiError):
            plain = f"Elasticsearch refused the search ({error.status_code} {error.error})."
        raise SearchError(elasticsearch_refusal(ElasticsearchSettings(), error) or plain) from error


def _as_arguments(request: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_source", "source"): value for name, value in request.items()}


def _root_cause(error: ApiError) -> str:
    try:
        return str(error.body["error"]["root_cause"][0]["reason"])[:300].rstrip(".")
    except (KeyError, IndexError, TypeError):
        return str(error.error)


def _hit(hit: dict[str, Any]) -> Hit:
    fragments = [fragment for parts in hit.get("highlight", {}).values() for fragment in parts]
    unique = dict.fromkeys(" ".join(fragment.split()) for fragment in fragments)
    copies = hit.get("inner_hits", {}).get("copies", {}).get("hits", {}).get("total", {}).get("value", 1)
    return Hit(hit["_source"], float(hit["_score"] or 0.0), tuple(unique)[:2], max(0, copies - 1))
