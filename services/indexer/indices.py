"""Index templates, versioned indices, and the aliases that everybody reads and writes through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch

from services.common.languages import ANALYZERS
from services.indexer.settings import IndexerSettings

TEMPLATES = Path(__file__).with_name("templates")
VERSION = 1
ARTICLES = "articles"
STORIES = "stories"
INDEX_ONLY = {ARTICLES: frozenset({"localized", "places.location"}), STORIES: frozenset({"entities.location"})}
"""Mapped fields that no record has: made by `documents.py` for searching."""


def mapping(alias: str) -> dict[str, Any]:
    """The mapping behind an alias; articles get `localized.<analyzer>` for every analyzer of the table."""
    read: dict[str, Any] = json.loads((TEMPLATES / f"{alias}.json").read_text(encoding="utf8"))
    if alias == ARTICLES:
        read["properties"]["localized"] = {
            "properties": {
                name: {"properties": {field: {"type": "text", "analyzer": name} for field in ("title", "text")}}
                for name in sorted({*ANALYZERS.values(), "brazilian"})
            }
        }
    return read


def ensure_indices(client: Elasticsearch, settings: IndexerSettings) -> None:
    """Put the templates; make each alias with its first index where it is not there yet."""
    for alias in (ARTICLES, STORIES):
        name = settings.name(alias)
        client.indices.put_index_template(
            name=f"dragoman-{name}",
            index_patterns=[f"{name}-v*"],
            priority=200,
            template={
                "settings": {
                    "number_of_shards": settings.shards,
                    "number_of_replicas": settings.replicas,
                    "refresh_interval": settings.refresh_interval,
                },
                "mappings": mapping(alias),
            },
        )
        if client.indices.exists_alias(name=name):
            # fields that are new since the index was made; a changed field is refused, and needs a new VERSION
            client.indices.put_mapping(index=name, **mapping(alias))
        else:
            _create(client, f"{name}-v{VERSION}", name)


def _create(client: Elasticsearch, index: str, alias: str) -> None:
    try:
        client.indices.create(index=index, aliases={alias: {"is_write_index": True}})
    except BadRequestError as error:
        if error.error != "resource_already_exists_exception":
            raise
        client.indices.put_alias(index=index, name=alias, is_write_index=True)
