"""Elasticsearch's answers, as Dragoman reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from services.indexer.bulk import Action, ItemAnswer, Verdict, make_action, read_answer


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and the alias of an empty index in it that is strict and knows `title`, `revision` and `tags`."""

    client: Elasticsearch
    alias: str

    @property
    def index(self) -> str:
        """The index behind the alias."""
        return f"{self.alias}-v1"

    def make_index(self) -> None:
        """Make the index and its alias."""
        fields = {"title": {"type": "text"}, "revision": {"type": "long"}, "tags": {"type": "keyword"}}
        self.client.indices.create(
            index=self.index,
            mappings={"dynamic": "strict", "properties": fields},
            aliases={self.alias: {"is_write_index": True}},
        )

    def write(self, identifier: str, version: int, **document: Any) -> ItemAnswer:
        """Write one document as the indexer does, and read the answer as it does."""
        return self.write_to(self.alias, identifier, version, document)

    def write_to(self, alias: str, identifier: str, version: int, document: dict[str, Any]) -> ItemAnswer:
        """The same, through another name."""
        lines = make_action(alias, identifier, version, document).lines()
        operations: Any = [lines[:-1]]
        (answer,) = read_answer(self.client.bulk(operations=operations, require_alias=True).body)
        return answer

    def delete(self, identifier: str, version: int) -> ItemAnswer:
        """Delete one document as the indexer does, and read the answer as it does."""
        operations: Any = [Action(self.alias, identifier, version, None).lines()[:-1]]
        (answer,) = read_answer(self.client.bulk(operations=operations, require_alias=True).body)
        return answer

    def find(self, query: dict[str, Any]) -> set[str]:
        """The ids of the documents that match."""
        self.client.indices.refresh(index=self.alias)
        hits = self.client.search(index=self.alias, query=query, size=100)["hits"]["hits"]
        return {hit["_id"] for hit in hits}


class ElasticsearchContract:
    """Subclasses give the fixture `server`."""

    def test_a_newer_version_is_written_an_equal_or_older_one_is_not(self, server: Server) -> None:
        verdicts = [server.write("a", version, title="x").verdict for version in (5, 5, 4, 6)]
        assert verdicts == [Verdict.INDEXED, Verdict.UNCHANGED, Verdict.UNCHANGED, Verdict.INDEXED]

    def test_a_document_is_deleted_by_a_newer_version_only(self, server: Server) -> None:
        server.write("a", 5, title="x")
        assert server.delete("a", 4).verdict is Verdict.UNCHANGED
        assert server.find({"match_all": {}}) == {"a"}
        assert server.delete("a", 6).verdict is Verdict.INDEXED
        assert server.find({"match_all": {}}) == set()
        assert server.delete("nowhere", 6).verdict is Verdict.UNCHANGED

    def test_a_field_that_a_strict_mapping_has_not_is_refused_for_good(self, server: Server) -> None:
        answer = server.write("a", 1, surprise=1)
        assert answer.verdict is Verdict.DEAD
        assert answer.reason.startswith("strict_dynamic_mapping_exception")
        assert "surprise" in answer.reason

    def test_an_index_is_not_made_where_an_alias_is_wanted(self, server: Server) -> None:
        answer = server.write_to(f"{server.alias}-nowhere", "a", 1, {"title": "x"})
        assert answer.verdict is Verdict.STOP
        assert not server.client.indices.exists(index=f"{server.alias}-nowhere")

    def test_documents_are_found_by_id_and_by_field(self, server: Server) -> None:
        for identifier, title, revision in (("a", "harbour of Ghent", 1), ("b", "town hall", 7), ("c", "harbour", 7)):
            server.write(identifier, 1, title=title, revision=revision, tags=["news", title[:4]])
        assert server.find({"match_all": {}}) == {"a", "b", "c"}
        assert server.find({"ids": {"values": ["a", "c", "nowhere"]}}) == {"a", "c"}
        assert server.find({"term": {"revision": 7}}) == {"b", "c"}
        assert server.find({"terms": {"tags": ["town", "else"]}}) == {"b"}
        assert server.find({"prefix": {"tags": "har"}}) == {"a", "c"}
        assert server.find({"bool": {"must_not": [{"term": {"revision": 7}}]}}) == {"a"}
        assert server.find({"range": {"revision": {"gte": 2}}}) == {"b", "c"}
        words = {"simple_query_string": {"query": "harbour ghent", "fields": ["title"], "default_operator": "and"}}
        assert server.find(words) == {"a"}

    def test_counts_and_documents_by_id(self, server: Server) -> None:
        server.write("a", 1, title="x", revision=3)
        server.client.indices.refresh(index=server.alias)
        assert server.client.count(index=server.alias)["count"] == 1
        answer = server.client.mget(index=server.alias, ids=["a", "b"], source_includes=["revision"])
        assert [(doc["_id"], doc["found"]) for doc in answer["docs"]] == [("a", True), ("b", False)]
        assert answer["docs"][0]["_source"]["revision"] == 3

    def test_what_is_not_there_is_not_found(self, server: Server) -> None:
        with pytest.raises(NotFoundError):
            server.client.search(index=f"{server.alias}-nowhere", query={"match_all": {}})
        with pytest.raises(NotFoundError):
            server.client.count(index=f"{server.alias}-nowhere")

    def test_an_index_is_made_once(self, server: Server) -> None:
        with pytest.raises(BadRequestError) as raised:
            server.client.indices.create(index=server.index)
        assert raised.value.error == "resource_already_exists_exception"

    def test_aliases_move_together_or_not_at_all(self, server: Server) -> None:
        other = f"{server.alias}-v2"
        server.client.indices.create(index=other)
        add = {"add": {"index": other, "alias": server.alias, "is_write_index": True}}
        with pytest.raises(NotFoundError):
            server.client.indices.update_aliases(
                actions=[{"remove": {"index": other, "alias": server.alias, "must_exist": True}}, add]
            )
        assert list(server.client.indices.get_alias(name=server.alias)) == [server.index]
        server.client.indices.update_aliases(
            actions=[{"remove": {"index": server.index, "alias": server.alias, "must_exist": True}}, add]
        )
        assert list(server.client.indices.get_alias(name=server.alias)) == [other]
        assert server.client.indices.exists_alias(name=server.alias)

    def test_new_fields_are_mapped_later(self, server: Server) -> None:
        server.client.indices.put_mapping(index=server.alias, properties={"surprise": {"type": "long"}})
        assert server.write("a", 1, surprise=1).verdict is Verdict.INDEXED

    def test_a_template_gives_its_mapping_to_new_indices(self, server: Server) -> None:
        mappings: dict[str, Any] = {"dynamic": "strict", "properties": {"only": {"type": "long"}}}
        name = f"{server.alias}-templated"
        server.client.indices.put_index_template(
            name=name, index_patterns=[f"{name}-v*"], priority=500, template={"mappings": mappings}
        )
        server.client.indices.create(index=f"{name}-v1", aliases={name: {"is_write_index": True}})
        assert server.write_to(name, "a", 1, {"title": "x"}).verdict is Verdict.DEAD
        assert server.write_to(name, "a", 1, {"only": 1}).verdict is Verdict.INDEXED

    def test_a_deleted_index_is_gone_with_its_alias(self, server: Server) -> None:
        server.client.indices.delete(index=server.index)
        assert not server.client.indices.exists_alias(name=server.alias)
