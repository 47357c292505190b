"""Index templates, versioned indices, and the aliases that everybody reads and writes through."""

from __future__ import annotations

import json
import re
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
GROUPING = re.compile(r"-v\d+\.g(\d+)(?:\.|$)")


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


def write_alias(settings: IndexerSettings, alias: str) -> str:
    """What the indexer of this grouping version writes through; people read through the alias itself."""
    return settings.name(settings.versioned(f"{alias}-write"))


def index_name(settings: IndexerSettings, alias: str) -> str:
    """The name of the first index behind an alias; those of further grouping versions say which."""
    grouping = "" if settings.grouping_version == 1 else f".g{settings.grouping_version}"
    return f"{settings.name(alias)}-v{VERSION}{grouping}"


def grouping_of(index: str) -> int:
    """The grouping version whose documents an index holds, by its name."""
    found = GROUPING.search(index)
    return int(found[1]) if found else 1


def indices_of(client: Elasticsearch, alias: str) -> list[str]:
    """The indices behind an alias; none where there is no such alias."""
    found = client.options(ignore_status=404).indices.get_alias(name=alias)
    return [] if "error" in found else sorted(found)


def ensure_indices(client: Elasticsearch, settings: IndexerSettings) -> None:
    """Put the templates; make each alias with its first index where it is not there yet.

    A further grouping version gets an index of its own to write to, and people read the old one until `reindex` swaps.
    """
    for alias in (ARTICLES, STORIES):
        name, writing = settings.name(alias), write_alias(settings, alias)
        put_template(client, settings, alias)
        readers = indices_of(client, name)
        own = [index for index in readers if grouping_of(index) == settings.grouping_version]
        if client.indices.exists_alias(name=writing):
            pass
        elif own:  # of before the write aliases
            client.indices.put_alias(index=own[0], name=writing, is_write_index=True)
        else:
            _create(client, index_name(settings, alias), (writing,) if readers else (writing, name))
        # fields that are new since the index was made; a changed field is refused, and needs `dragoman reindex`
        client.indices.put_mapping(index=writing, **mapping(alias))


def put_template(client: Elasticsearch, settings: IndexerSettings, alias: str) -> None:
    """The template that every index behind this alias is made from."""
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


def _create(client: Elasticsearch, index: str, aliases: tuple[str, ...]) -> None:
    try:
        client.indices.create(index=index, aliases={alias: {"is_write_index": True} for alias in aliases})
    except BadRequestError as error:
        if error.error != "resource_already_exists_exception":
            raise
        for alias in aliases:
            client.indices.put_alias(index=index, name=alias, is_write_index=True)
