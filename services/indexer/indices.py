"""Index templates, versioned indices, and the aliases for reading and writing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch

from services.common.elastic import EVERY_STORY
from services.common.languages import ANALYZERS
from services.indexer.settings import IndexerSettings

TEMPLATES = Path(__file__).with_name("templates")
VERSION = 2
"""Of the mapping. Documents of version 2 can be written into an index of version 1, which only gets new fields."""
ARTICLES = "articles"
STORIES = "stories"
INDEX_ONLY = {
    ARTICLES: frozenset(
        {
            *("countries", "entity_ids", "forgotten_at", "headline.keyword", "indexed_at", "localized"),
            *("organisations", "persons", "places.location", "places_named", "unlisted_names"),
        }
    ),
    STORIES: frozenset({"article_count", "entities.location", "headline.keyword", "outlet_count"}),
}
"""Mapped fields that no record has. `documents.py` makes them for searching; `forgotten_at` is for what comes."""
MAPPING = re.compile(r"-v(\d+)(?:\.|$)")
GROUPING = re.compile(r"-v\d+\.g(\d+)(?:\.|$)")
NOT_MERGED = {"bool": {"must_not": [{"exists": {"field": "merged_into"}}]}}


def mapping(alias: str) -> dict[str, Any]:
    """The mapping of an alias. Articles have `localized.<analyzer>` for each analyzer of ANALYZERS and brazilian."""
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
    """The alias through which the indexer of this grouping version writes. People read through the alias itself."""
    return settings.name(settings.versioned(f"{alias}-write"))


def index_name(settings: IndexerSettings, alias: str) -> str:
    """The name of the first index of an alias. From grouping version 2 on, the name contains the version."""
    grouping = "" if settings.grouping_version == 1 else f".g{settings.grouping_version}"
    return f"{settings.name(alias)}-v{VERSION}{grouping}"


def readers_of(settings: IndexerSettings, alias: str) -> tuple[str, ...]:
    """The aliases that people read. Stories have one without merged stories, and one with all."""
    name = settings.name(alias)
    return (name, settings.name(EVERY_STORY)) if alias == STORIES else (name,)


def alias_options(settings: IndexerSettings, name: str) -> dict[str, Any]:
    """What an alias has beside its index."""
    return {"filter": NOT_MERGED} if name == settings.name(STORIES) else {}


def grouping_of(index: str) -> int:
    """The grouping version of an index, from its name."""
    found = GROUPING.search(index)
    return int(found[1]) if found else 1


def indices_of(client: Elasticsearch, alias: str) -> list[str]:
    """The indices of an alias. Empty if there is no such alias."""
    found = client.options(ignore_status=404).indices.get_alias(name=alias)
    return [] if "error" in found else sorted(found)


def ensure_indices(client: Elasticsearch, settings: IndexerSettings) -> None:
    """Put the templates, and create each missing alias with its first index.

    A new grouping version writes to an index of its own. People read the old index until `dragoman reindex` swaps the
    aliases.
    """
    for alias in (ARTICLES, STORIES):
        name, writing = settings.name(alias), write_alias(settings, alias)
        put_template(client, settings, alias)
        readers = indices_of(client, name)
        own = [index for index in readers if grouping_of(index) == settings.grouping_version]
        if client.indices.exists_alias(name=writing):
            pass
        elif own:  # an index from a version without write aliases
            client.indices.put_alias(index=own[0], name=writing, is_write_index=True)
        else:
            _create(
                client,
                settings,
                index_name(settings, alias),
                (writing,) if readers else (writing, *readers_of(settings, alias)),
            )
        _complete_aliases(client, settings, alias)
        for index in indices_of(client, writing):
            # New fields are added to the index. Changing an existing field is refused and needs `dragoman reindex`.
            client.indices.put_mapping(index=index, **additions(alias, index))


def additions(alias: str, index: str) -> dict[str, Any]:
    """What can be added to the mapping of an index. What an index stores is fixed when it is made."""
    wanted = mapping(alias)
    if mapping_version(index) != VERSION:
        wanted.pop("_source", None)
    return wanted


def mapping_version(index: str) -> int:
    """The version of the mapping with which an index was made, from its name."""
    found = MAPPING.search(index)
    return int(found[1]) if found else 1


def old_indices(client: Elasticsearch, settings: IndexerSettings) -> list[str]:
    """The indices that people read and that were made with an earlier mapping."""
    read = {index for alias in (ARTICLES, STORIES) for index in indices_of(client, settings.name(alias))}
    return sorted(index for index in read if mapping_version(index) < VERSION)


def _complete_aliases(client: Elasticsearch, settings: IndexerSettings, alias: str) -> None:
    """Give an index from an earlier version the readers' aliases that it lacks."""
    for index in indices_of(client, settings.name(alias)):
        found: Any = client.indices.get_alias(index=index)
        known = found[index]["aliases"]
        for name in readers_of(settings, alias):
            options = alias_options(settings, name)
            if name not in known or known[name].get("filter") != options.get("filter"):
                writes = known.get(name, {}).get("is_write_index", True)
                client.indices.put_alias(index=index, name=name, is_write_index=writes, **options)


def put_template(client: Elasticsearch, settings: IndexerSettings, alias: str) -> None:
    """Put the template for every index of this alias."""
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
                "codec": "best_compression",
            },
            "mappings": mapping(alias),
        },
    )


def _create(client: Elasticsearch, settings: IndexerSettings, index: str, aliases: tuple[str, ...]) -> None:
    made = {alias: {"is_write_index": True, **alias_options(settings, alias)} for alias in aliases}
    try:
        client.indices.create(index=index, aliases=made)
    except BadRequestError as error:
        if error.error != "resource_already_exists_exception":
            raise
        for alias in aliases:
            client.indices.put_alias(index=index, name=alias, is_write_index=True, **alias_options(settings, alias))
