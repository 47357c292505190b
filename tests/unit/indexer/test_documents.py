"""The index has exactly the fields of the schema, and a few that are named here."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from schemas.article import GroupedArticle
from schemas.base import Record
from schemas.story import Story
from services.common.languages import ANALYZERS, analyzer_for
from services.common.messages import RejectedMessage, decode, encode
from services.embedded.plugin import analyzers
from services.indexer.documents import NOT_INDEXED, ArticlePart, read_article, to_article_document
from services.indexer.indices import INDEX_ONLY, mapping
from services.worker.stages import STAGE_NAMES
from tests.conftest import NOW
from tests.examples import GROUPED_EXAMPLES


def record_fields(record: type[BaseModel], properties: dict[str, Any], prefix: str = "") -> set[str]:
    """Dotted names of a record's fields, as deep as the mapping goes."""
    names: set[str] = set()
    for name, field in record.model_fields.items():
        names.add(prefix + name)
        below = properties.get(name, {}).get("properties")
        parts = (field.annotation, *get_args(field.annotation))
        inner = next((part for part in parts if isinstance(part, type) and issubclass(part, Record)), None)
        if below is not None and inner is not None:
            names |= record_fields(inner, below, f"{prefix}{name}.")
    return names


def mapped_fields(properties: dict[str, Any], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name, field in properties.items():
        names.add(prefix + name)
        names |= {f"{prefix}{name}.{sub}" for sub in field.get("fields", {})}
        if prefix + name not in ("localized", "stages"):
            names |= mapped_fields(field.get("properties", {}), f"{prefix}{name}.")
    return names


@pytest.mark.parametrize(("alias", "record"), [("articles", GroupedArticle), ("stories", Story)])
def test_schema_fields_are_the_mapped_properties(alias: str, record: type[Record]) -> None:
    properties = mapping(alias)["properties"]
    assert mapped_fields(properties) == (record_fields(record, properties) - NOT_INDEXED) | INDEX_ONLY[alias]


def test_every_stage_has_a_field_for_its_time() -> None:
    assert tuple(mapping("articles")["properties"]["stages"]["properties"]) == STAGE_NAMES


def test_unknown_fields_are_refused_by_the_index() -> None:
    assert mapping("articles")["dynamic"] == mapping("stories")["dynamic"] == "strict"


def test_every_analyzer_is_in_both_servers() -> None:
    assert {*ANALYZERS.values(), "brazilian"} <= analyzers().keys()


def test_only_the_languages_own_analyzer_is_filled() -> None:
    article, document = document_of(GROUPED_EXAMPLES["v2-opened.json"])
    assert document["localized"] == {"dutch": {"title": article.title, "text": article.text}}
    assert document["article_id"] == article.article_id
    json.dumps(document)


def test_the_vector_is_signed_hex_and_absent_is_null() -> None:
    article = decode(GroupedArticle, GROUPED_EXAMPLES["v2-opened.json"])
    assert article.embedding is not None
    assert bytes.fromhex(document_of(encode(article))[1]["embedding"]) == article.embedding
    without = article.model_copy(update={"embedding": None})
    assert document_of(encode(without))[1]["embedding"] is None


def test_a_document_has_every_field_whether_or_not_the_message_has_it() -> None:
    """A message leaves out what has its default value, and a message of version 1 has other fields."""
    short, whole, old = (
        document_of(GROUPED_EXAMPLES[f"{name}.json"])[1] for name in ("v2-defaults-left-out", "v2-opened", "v1-opened")
    )
    assert short == whole
    assert old.keys() == whole.keys()
    assert {name for name in whole if old[name] != whole[name]} <= {"enriched_at", "grouped_at", "indexed_at"}
    assert whole.keys() <= mapping("articles")["properties"].keys()
    assert set(whole["language"]) == {"code", "confidence", "alternatives", "mixed", "translated"}


def test_names_by_kind_with_those_that_no_list_holds() -> None:
    read = json.loads(GROUPED_EXAMPLES["v2-opened.json"])
    entity = {
        "prominence": 0.1,
        "score": 1.0,
        "reasons": [],
        "mentions": [{"field": "text", "start": 0, "end": 3, "surface": "x"}],
    }
    read["entities"] = [
        {**entity, "id": "Q1", "type": "PER", "name": "Ada", "country": "GB"},
        {**entity, "id": "Q2", "type": "PER", "name": "Ada", "country": None},
        {**entity, "id": "name:acme", "type": "ORG", "name": "Acme"},
        {**entity, "id": "geonames:3", "type": "LOC", "name": "Oslo", "country": "NO"},
    ]
    _, document = document_of(json.dumps(read).encode())
    assert (document["persons"], document["organisations"], document["places_named"]) == (["Ada"], ["Acme"], ["Oslo"])
    assert (document["unlisted_names"], document["countries"]) == (["Acme"], ["GB", "NO"])
    assert document["entity_ids"] == ["Q1", "Q2", "name:acme", "geonames:3"]
    assert document["indexed_at"] == NOW.isoformat()


@pytest.mark.parametrize("name", ["story_id", "revision", "language", "entities", "text"])
def test_a_message_without_a_needed_field_is_no_article(name: str) -> None:
    read = json.loads(GROUPED_EXAMPLES["v2-opened.json"])
    del read[name]
    with pytest.raises(RejectedMessage, match=name):
        read_article(json.dumps(read).encode())
    with pytest.raises(RejectedMessage, match=name):
        read_article(json.dumps(read | {name: 1.5}).encode())


def document_of(message: bytes) -> tuple[ArticlePart, dict[str, Any]]:
    article, fields = read_article(message)
    return article, to_article_document(article, fields, NOW)


@pytest.mark.parametrize(
    ("tag", "analyzer"), [("pt-BR", "brazilian"), ("pt", "portuguese"), ("zh-Hant", "cjk"), ("und", None)]
)
def test_analyzers_by_language_tag(tag: str, analyzer: str | None) -> None:
    assert analyzer_for(tag) == analyzer
