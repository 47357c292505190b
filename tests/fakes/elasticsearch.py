"""Elasticsearch's answers from memory, under the real client: a node of its transport that asks no network.

It knows what Dragoman asks. Anything else raises AssertionError, so that no test passes on an answer that was made up.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import elastic_transport
from elastic_transport import ApiResponseMeta, BaseNode, HttpHeaders
from elasticsearch import Elasticsearch

Json = dict[str, Any]


class _Answered(NamedTuple):
    """What the transport takes from a node."""

    meta: ApiResponseMeta
    body: bytes


Answer = tuple[int, Any]


@dataclass(slots=True)
class Index:
    """One index: its documents as (version, source), and its mapping; `is_strict` refuses fields it does not know."""

    mappings: Json = field(default_factory=dict)
    documents: dict[str, tuple[int, Json]] = field(default_factory=dict)

    def unknown_field(self, document: Mapping[str, Any]) -> str | None:
        """A field that a strict mapping has not."""
        if self.mappings.get("dynamic") != "strict":
            return None
        return next((name for name in document if name not in self.mappings["properties"]), None)


@dataclass(slots=True)
class FakeElasticsearch:
    """The server. `refuse` holds answers for the next bulk requests: a status and body, an exception, or None for none.

    `search_answers` holds answers for the next searches in the same way, each used once. `item_errors` are answers for
    single documents by id, each used once. `filters` are those of aliases. `journal` tells in order what was asked.
    """

    indices: dict[str, Index] = field(default_factory=dict)
    aliases: dict[str, dict[str, bool]] = field(default_factory=dict)
    filters: dict[str, Json] = field(default_factory=dict)
    templates: dict[str, Json] = field(default_factory=dict)
    refuse: deque[Answer | Exception | None] = field(default_factory=deque)
    search_answers: deque[Answer] = field(default_factory=deque)
    item_errors: dict[str, deque[tuple[int, str]]] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    is_down: bool = False

    def client(self, *_: object, **__: object) -> Elasticsearch:
        """The real client, connected to this server; usable in the place of `make_client`."""
        server = self

        class Node(BaseNode):
            def perform_request(
                self,
                method: str,
                target: str,
                body: bytes | None = None,
                headers: Any = None,
                request_timeout: Any = None,
            ) -> _Answered:
                del headers, request_timeout
                status, answer = server.answer(method, target, body)
                known = HttpHeaders({"content-type": "application/json", "x-elastic-product": "Elasticsearch"})
                meta = ApiResponseMeta(status, "1.1", known, 0.0, self.config)
                return _Answered(meta, b"" if method == "HEAD" else json.dumps(answer).encode())

        return Elasticsearch(
            "http://fake:9200", node_class=Node, max_retries=0, retry_on_timeout=False, retry_on_status=()
        )

    def documents(self, name: str) -> dict[str, Json]:
        """The documents behind an index or alias, by id."""
        return {
            identifier: source
            for index in self._behind(name)
            for identifier, (_, source) in self.indices[index].documents.items()
        }

    def put(self, index: str, identifier: str, source: Json, version: int = 1) -> None:
        """Put a document into an index, which is made where it is not there."""
        self.indices.setdefault(index, Index()).documents[identifier] = (version, source)

    def answer(self, method: str, target: str, body: bytes | None) -> Answer:
        """Status and JSON of one request."""
        parts = urlsplit(target)
        path = [unquote(part) for part in parts.path.strip("/").split("/")]
        if self.is_down:
            raise elastic_transport.ConnectionError("Elasticsearch is down")
        if path[-1] == "_bulk":
            return self._bulk(body or b"", parse_qs(parts.query))
        content = json.loads(body) if body else {}
        self.requests.append((method, parts.path, content))
        for (wanted, pattern), handle in self._routes().items():
            if wanted == method and len(pattern) == len(path) and all(map(_fits, pattern, path)):
                return handle([part for part, shape in zip(path, pattern, strict=True) if shape == "*"], content)
        raise AssertionError(f"the fake does not know {method} {target}")

    def _routes(self) -> dict[tuple[str, tuple[str, ...]], Callable[[list[str], Json], Answer]]:
        return {
            ("PUT", ("_index_template", "*")): self._put_template,
            ("GET", ("_alias", "*")): lambda names, _: self._get_alias(names[0]),
            ("HEAD", ("_alias", "*")): lambda names, _: (200 if names[0] in self.aliases else 404, None),
            ("PUT", ("*", "_alias", "*")): self._put_alias,
            ("GET", ("*", "_alias")): lambda names, _: self._aliases_of(names[0]),
            ("POST", ("_aliases",)): lambda _, content: self._move_aliases(content["actions"]),
            ("PUT", ("*",)): self._create,
            ("HEAD", ("*",)): lambda names, _: (200 if self._behind(names[0]) else 404, None),
            ("DELETE", ("*",)): lambda names, _: self._delete(names[0]),
            ("PUT", ("*", "_mapping")): self._put_mapping,
            ("POST", ("*", "_refresh")): lambda names, _: self._known(names[0], {"_shards": {}}),
            ("GET", ("*", "_count")): lambda names, _: self._count(names[0], None),
            ("POST", ("*", "_count")): lambda names, content: self._count(names[0], content.get("query")),
            ("POST", ("*", "_mget")): self._mget,
            ("POST", ("*", "_search")): lambda names, content: self._search(names[0], content),
            ("GET", ("_cluster", "health")): lambda *_: (200, {"status": "green"}),
        }

    # --- indices and aliases ------------------------------------------------------------------------------------------

    def _behind(self, name: str) -> list[str]:
        return [name] if name in self.indices else sorted(self.aliases.get(name, {}))

    def _known(self, name: str, answer: Json) -> Answer:
        return (200, answer) if self._behind(name) else _not_found(name)

    def _put_template(self, names: list[str], content: Json) -> Answer:
        self.templates[names[0]] = content
        return 200, {"acknowledged": True}

    def _get_alias(self, name: str) -> Answer:
        if name not in self.aliases:
            return 404, {"error": f"alias [{name}] missing", "status": 404}
        return 200, {index: {"aliases": {name: self._options(name, index)}} for index in self.aliases[name]}

    def _aliases_of(self, index: str) -> Answer:
        if index not in self.indices:
            return _not_found(index)
        found = {name: self._options(name, index) for name, behind in self.aliases.items() if index in behind}
        return 200, {index: {"aliases": found}}

    def _options(self, name: str, index: str) -> Json:
        only = {"filter": self.filters[name]} if name in self.filters else {}
        return {"is_write_index": self.aliases[name][index], **only}

    def _add_alias(self, name: str, index: str, options: Json) -> None:
        self.aliases.setdefault(name, {})[index] = bool(options.get("is_write_index"))
        if "filter" in options:
            self.filters[name] = options["filter"]

    def _put_alias(self, names: list[str], content: Json) -> Answer:
        self._add_alias(names[1], names[0], content)
        return 200, {"acknowledged": True}

    def _move_aliases(self, actions: list[Json]) -> Answer:
        for action in actions:
            what = action.get("remove")
            if what and what["index"] not in self.aliases.get(what["alias"], {}):
                return 404, _error(404, "aliases_not_found_exception", f"aliases [{what['alias']}] missing")
        for action in actions:
            (verb, what) = next(iter(action.items()))
            if verb == "remove":
                del self.aliases[what["alias"]][what["index"]]
            else:
                self._add_alias(what["alias"], what["index"], what)
        return 200, {"acknowledged": True}

    def _create(self, names: list[str], content: Json) -> Answer:
        (name,) = names
        if name in self.indices:
            return 400, _error(400, "resource_already_exists_exception", f"index [{name}] already exists")
        template: Json = next(
            (
                known["template"].get("mappings", {})
                for known in self.templates.values()
                if any(fnmatchcase(name, pattern) for pattern in known["index_patterns"])
            ),
            {},
        )
        self.indices[name] = Index(mappings=dict(content.get("mappings") or template))
        for alias, options in (content.get("aliases") or {}).items():
            self._add_alias(alias, name, options)
        return 200, {"acknowledged": True, "index": name}

    def _delete(self, name: str) -> Answer:
        if name not in self.indices:
            return _not_found(name)
        del self.indices[name]
        for alias in [alias for alias, behind in self.aliases.items() if name in behind]:
            del self.aliases[alias][name]
            if not self.aliases[alias]:
                del self.aliases[alias]
        return 200, {"acknowledged": True}

    def _put_mapping(self, names: list[str], content: Json) -> Answer:
        if not self._behind(names[0]):
            return _not_found(names[0])
        for name in self._behind(names[0]):
            mappings = self.indices[name].mappings
            if content.get("_source", mappings.get("_source")) != mappings.get("_source"):
                return 400, _error(400, "illegal_argument_exception", "Cannot update parameter [excludes]")
            mappings["dynamic"] = content.get("dynamic", mappings.get("dynamic"))
            mappings["properties"] = mappings.get("properties", {}) | content.get("properties", {})
        return 200, {"acknowledged": True}

    # --- documents ----------------------------------------------------------------------------------------------------

    def _bulk(self, body: bytes, options: Mapping[str, list[str]]) -> Answer:
        refused = self.refuse.popleft() if self.refuse else None
        if isinstance(refused, Exception):
            self.journal.append(f"bulk {type(refused).__name__}")
            raise refused
        if refused is not None:
            self.journal.append(f"bulk {refused[0]}")
            return refused
        lines = [json.loads(line) for line in body.splitlines()]
        needs_alias = options.get("require_alias") == ["true"]
        items: list[Json] = []
        rest = iter(lines)
        for head in rest:
            ((operation, place),) = head.items()
            document = next(rest) if operation == "index" else None
            items.append({operation: self._write(place, document, needs_alias=needs_alias)})
        self.journal.append(f"bulk {len(items)}")
        is_refused = any("error" in answer for item in items for answer in item.values())
        return 200, {"errors": is_refused, "items": items}

    def _write(self, head: Json, document: Json | None, *, needs_alias: bool) -> Json:
        name, identifier, version = head["_index"], head["_id"], head["version"]
        errors = self.item_errors.get(identifier)
        if errors:
            status, kind = errors.popleft()
            return _item(identifier, status, kind, f"[{identifier}] refused")
        if needs_alias and name not in self.aliases:
            reason = f"no such index [{name}] and [require_alias] request flag is [true] and [{name}] is not an alias"
            return _item(identifier, 404, "index_not_found_exception", reason)
        (target,) = [index for index, writes in self.aliases.get(name, {name: True}).items() if writes]
        index = self.indices.setdefault(target, Index())
        unknown = index.unknown_field(document or {})
        if unknown is not None:
            reason = f"mapping set to strict, dynamic introduction of [{unknown}] within [_doc] is not allowed"
            return _item(identifier, 400, "strict_dynamic_mapping_exception", reason)
        known = index.documents.get(identifier)
        if known is not None and known[0] >= version:
            reason = f"[{identifier}]: version conflict, current version [{known[0]}] is higher or equal"
            return _item(identifier, 409, "version_conflict_engine_exception", reason)
        if document is None:
            return {"_id": identifier, "status": 404 if index.documents.pop(identifier, None) is None else 200}
        index.documents[identifier] = (version, document)
        return {"_id": identifier, "status": 201 if known is None else 200, "_version": version}

    def _count(self, name: str, query: Json | None) -> Answer:
        if not self._behind(name):
            return _not_found(name)
        return 200, {"count": sum(1 for _ in self._matching(name, query))}

    def _mget(self, names: list[str], content: Json) -> Answer:
        if not self._behind(names[0]):
            return _not_found(names[0])
        documents = self.documents(names[0])
        return 200, {
            "docs": [
                {"_id": one, "found": one in documents} | ({"_source": documents[one]} if one in documents else {})
                for one in content["ids"]
            ]
        }

    def _search(self, name: str, content: Json) -> Answer:
        if self.search_answers:
            return self.search_answers.popleft()
        if not self._behind(name):
            return _not_found(name)
        matching = list(self._matching(name, content.get("query")))
        for sort in reversed(_sorts(content.get("sort"))):
            by, order = sort
            matching.sort(key=lambda hit: (str(_values(hit[1], by)[:1]),), reverse=order == "desc")
        answer: Json = {}
        total = len(matching)
        if "collapse" in content:
            matching, folded = _collapse(matching, content["collapse"]["field"])
            answer["aggregations"] = {"groups": {"value": len(matching)}}
        hits: list[Json] = [{"_id": one, "_score": 1.0, "_source": source} for one, source in matching]
        if "collapse" in content:
            for hit in hits:
                hit["inner_hits"] = {"copies": {"hits": {"total": {"value": folded[hit["_id"]]}}}}
        for wanted, aggregation in content.get("aggs", {}).items():
            if "composite" in aggregation:
                answer["aggregations"] = {wanted: _composite(matching, aggregation["composite"])}
        answer["hits"] = {"total": {"value": total, "relation": "eq"}, "hits": hits[: content.get("size", 10)]}
        return 200, answer

    def _matching(self, name: str, query: Json | None) -> Iterator[tuple[str, Json]]:
        only = self.filters.get(name)
        for identifier, source in self.documents(name).items():
            if all(_matches(one, identifier, source) for one in (query, only) if one is not None):
                yield identifier, source


def _fits(shape: str, part: str) -> bool:
    return shape == part or (shape == "*" and not part.startswith("_"))


def _error(status: int, kind: str, reason: str) -> Json:
    cause = {"type": kind, "reason": reason}
    return {"error": {**cause, "root_cause": [cause]}, "status": status}


def _not_found(name: str) -> Answer:
    return 404, _error(404, "index_not_found_exception", f"no such index [{name}]")


def _item(identifier: str, status: int, kind: str, reason: str) -> Json:
    return {"_id": identifier, "status": status, "error": {"type": kind, "reason": reason}}


def _sorts(stated: Any) -> list[tuple[str, str]]:
    """(field, order) of a request's sort, without the score, which is the same for every hit here."""
    found = []
    for one in stated or []:
        if isinstance(one, str):
            found.append((one, "asc"))
        else:
            ((name, order),) = one.items()
            found.append((name, order if isinstance(order, str) else order["order"]))
    return [(name, order) for name, order in found if name != "_score"]


def _composite(matching: list[tuple[str, Json]], asked: Json) -> Json:
    """A composite aggregation over the values of one field, page by page."""
    ((source, how),) = asked["sources"][0].items()
    field = how["terms"]["field"]
    counts = Counter(value for _, document in matching for value in _values(document, field))
    after = asked.get("after", {}).get(source, "")
    keys = sorted(key for key in counts if key > after)[: asked["size"]]
    answer: Json = {"buckets": [{"key": {source: key}, "doc_count": counts[key]} for key in keys]}
    return answer | ({"after_key": {source: keys[-1]}} if keys else {})


def _collapse(matching: list[tuple[str, Json]], name: str) -> tuple[list[tuple[str, Json]], dict[str, int]]:
    firsts: dict[Any, str] = {}
    kept: list[tuple[str, Json]] = []
    counts: dict[str, int] = {}
    for identifier, source in matching:
        first = firsts.setdefault(source.get(name, identifier), identifier)
        counts[first] = counts.get(first, 0) + 1
        if first == identifier:
            kept.append((identifier, source))
    return kept, counts


def _values(source: Any, path: str) -> list[Any]:
    """The values of a dotted field, as Elasticsearch sees them: lists are flat, null is none."""
    if isinstance(source, list):
        return [value for one in source for value in _values(one, path)]
    if not path:
        return [] if source is None else [source]
    if not isinstance(source, Mapping):
        return []
    name, _, rest = path.partition(".")
    return _values(source.get(name), rest)


def _matches(query: Json, identifier: str, source: Json) -> bool:  # noqa: PLR0911 - one way out for each kind
    ((kind, what),) = query.items()
    match kind:
        case "match_all":
            return True
        case "ids":
            return identifier in what["values"]
        case "term":
            ((name, value),) = what.items()
            return value in _values(source, name)
        case "terms":
            ((name, values),) = what.items()
            return bool(set(values) & set(_values(source, name)))
        case "prefix":
            ((name, value),) = what.items()
            return any(str(known).startswith(value) for known in _values(source, name))
        case "exists":
            return bool(_values(source, what["field"]))
        case "range":
            ((name, limits),) = what.items()
            return any(_within(str(value), limits) for value in _values(source, name))
        case "simple_query_string":
            text = f"{source.get('title') or ''} {source.get('text') or ''}".lower()
            return all(word.strip('"').lower() in text for word in what["query"].split())
        case "bool":
            return _matches_bool(what, identifier, source)
    raise AssertionError(f"the fake does not know the query {kind}")


def _within(value: str, limits: Json) -> bool:
    low, high = limits.get("gte"), limits.get("lte")
    if high is not None:
        high = high.removesuffix("||/d") + "￿"
    return (low is None or value >= str(low)) and (high is None or value <= high)


def _matches_bool(what: Json, identifier: str, source: Json) -> bool:
    def clauses(name: str) -> list[Json]:
        found = what.get(name, [])
        return found if isinstance(found, list) else [found]

    if not all(_matches(one, identifier, source) for one in (*clauses("must"), *clauses("filter"))):
        return False
    if any(_matches(one, identifier, source) for one in clauses("must_not")):
        return False
    should = clauses("should")
    return not should or any(_matches(one, identifier, source) for one in should)
