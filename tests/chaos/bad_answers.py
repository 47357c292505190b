"""The kinds of bad answers of Elasticsearch, or of a gateway before it."""

from __future__ import annotations

import json
from dataclasses import dataclass

JSON_TYPE = "application/vnd.elasticsearch+json;compatible-with=9"


@dataclass(frozen=True, slots=True)
class Answer:
    """A kind of bad answer. With a `status`, `body` is sent and Elasticsearch does not get the request.

    Without a status, Elasticsearch gets the request, and its answer is spoiled. An `item` is the status, the error and
    its reason that replace the result of every third document.
    """

    says: str
    status: int = 0
    body: str = "{}"
    content_type: str = JSON_TYPE
    item: tuple[int, str, str] | None = None


def _error(kind: str, status: int) -> str:
    return json.dumps({"error": {"type": kind, "reason": "made by a test"}, "status": status})


NO_WRITE = "The write index may be explicitly disabled using is_write_index=false"
SHARDS = "this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open"
HTML = "<html><body>Please log in.</body></html>"
ANSWERS: dict[str, Answer] = {
    "429": Answer("too many requests", 429, _error("es_rejected_execution_exception", 429)),
    "503": Answer("unavailable", 503, _error("unavailable", 503)),
    "502_html": Answer("a gateway's error page", 502, HTML, "text/html"),
    "413": Answer("a gateway finds every request too large", 413, HTML, "text/html"),
    "401": Answer("not logged in", 401, _error("security_exception", 401)),
    "404": Answer("no such index", 404, _error("index_not_found_exception", 404)),
    "html_200": Answer("a login page with 200", 200, HTML, "text/html"),
    "empty_200": Answer("an empty object with 200", 200, "{}"),
    "no_body_200": Answer("nothing at all with 200", 200, ""),
    "no_items_200": Answer("200 without items", 200, '{"errors": false, "items": []}'),
    "item_429": Answer(
        "some documents are refused for now",
        item=(429, "es_rejected_execution_exception", "rejected execution of coordinating operation"),
    ),
    "item_closed": Answer("some documents meet a closed index", item=(400, "index_closed_exception", "closed")),
    "item_no_write_index": Answer(
        "the alias has no write index",
        item=(400, "illegal_argument_exception", f"no write index is defined for alias [articles-write]. {NO_WRITE}"),
    ),
    "item_no_alias": Answer(
        "the alias is gone",
        item=(404, "index_not_found_exception", "no such index [articles-write] and [require_alias] request flag is"),
    ),
    "item_shard_limit": Answer(
        "the cluster has too many shards", item=(400, "validation_exception", f"Validation Failed: 1: {SHARDS};")
    ),
    "item_block": Answer(
        "some documents meet a block",
        item=(403, "cluster_block_exception", "index [articles-v2] blocked by: [FORBIDDEN/8/index write (api)];"),
    ),
    "reset": Answer("the connection ends before the request is passed on"),
    "lost_answer": Answer("Elasticsearch writes, and the answer is lost"),
    "cut": Answer("the answer ends in its middle"),
    "drip": Answer("the answer comes in small pieces"),
    "slow": Answer("the answer comes after 15 seconds"),
    "hang": Answer("the answer comes after 90 seconds, too late for the client"),
}
DELAYS = {"slow": 15.0, "hang": 90.0}
