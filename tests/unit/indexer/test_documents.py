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
from services.common.messages import decode, encode
from services.embedded.plugin import analyzers
from services.indexer.documents import NOT_INDEXED, to_article_document
from services.indexer.indices import INDEX_ONLY, mapping
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
        if prefix + name != "localized":
            names |= mapped_fields(field.get("properties", {}), f"{prefix}{name}.")
    return names


@pytest.mark.parametrize(("alias", "record"), [("articles", GroupedArticle), ("stories", Story)])
def test_schema_fields_are_the_mapped_properties(alias: str, record: type[Record]) -> None:
    properties = mapping(alias)["properties"]
    assert mapped_fields(properties) == (record_fields(record, properties) - NOT_INDEXED) | INDEX_ONLY[alias]


def test_unknown_fields_are_refused_by_the_index() -> None:
    assert mapping("articles")["dynamic"] == mapping("stories")["dynamic"] == "strict"


def test_every_analyzer_is_in_both_servers() -> None:
    assert {*ANALYZERS.values(), "brazilian"} <= analyzers().keys()


def test_only_the_languages_own_analyzer_is_filled() -> None:
    article = decode(GroupedArticle, GROUPED_EXAMPLES["v1-opened.json"])
    document = to_article_document(article, GROUPED_EXAMPLES["v1-opened.json"])
    assert document["localized"] == {"dutch": {"title": article.title, "text": article.text}}
    assert document["article_id"] == article.article_id
    json.dumps(document)


def test_the_vector_is_signed_hex_and_absent_is_null() -> None:
    article = decode(GroupedArticle, GROUPED_EXAMPLES["v1-opened.json"])
    assert article.embedding is not None
    assert bytes.fromhex(to_article_document(article, encode(article))["embedding"]) == article.embedding
    without = article.model_copy(update={"embedding": None})
    assert to_article_document(without, encode(without))["embedding"] is None


@pytest.mark.parametrize(
    ("tag", "analyzer"), [("pt-BR", "brazilian"), ("pt", "portuguese"), ("zh-Hant", "cjk"), ("und", None)]
)
def test_analyzers_by_language_tag(tag: str, analyzer: str | None) -> None:
    assert analyzer_for(tag) == analyzer
