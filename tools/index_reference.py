"""Writes docs/index-reference.md: every field of both indices. `--check` fails when the page is not up to date.

python -m tools.index_reference [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from schemas.article import GroupedArticle
from schemas.story import Story
from services.indexer.indices import ARTICLES, INDEX_ONLY, STORIES, mapping
from tools.generated import write_or_check

PAGE = Path(__file__).parents[1] / "docs" / "index-reference.md"
RECORDS: dict[str, type[BaseModel]] = {ARTICLES: GroupedArticle, STORIES: Story}
ADDED = {
    "articles countries": "countries of the entities, ISO 3166-1 alpha-2",
    "articles entity_ids": "ids of the entities: Q… (Wikidata), geonames:… or name:…",
    "articles forgotten_at": "empty; for articles that will be forgotten on request",
    "articles headline.keyword": "the same, to sort and count by",
    "articles indexed_at": "when the indexer wrote the document",
    "articles localized": "title and text by the stems of the article's language: searched, and not stored",
    "articles organisations": "names of the organisations",
    "articles persons": "names of the persons",
    "articles places.location": "the same as a point for maps",
    "articles places_named": "names of the places",
    "articles unlisted_names": "names that no list holds",
    "stories article_count": "the same as `articles`",
    "stories entities.location": "the place as a point for maps",
    "stories headline.keyword": "the same, to sort and count by",
    "stories outlet_count": "number of `sources`",
}
"""What the fields are that only the index has."""
HEAD = """# The fields of the indices

`make schemas` generates this page from the mappings and the records.
`articles` and `stories` are aliases.
`stories` leaves out the stories that were merged into others, and `stories-all` has them.
Sort articles by `event_at`: every article has it, and `event_at_source` says where it comes from.
A field of type `stored` can be read and not searched.
Questions that people ask, as requests: [search.md](search.md).
"""


def render() -> str:
    """The text of the page."""
    parts = [HEAD]
    for alias, record in RECORDS.items():
        parts.append(f"\n## {alias}\n\n| field | type | meaning |\n|---|---|---|\n")
        for name, kind, meaning in rows(alias, mapping(alias)["properties"], record):
            parts.append(f"| `{name}` | {kind} | {meaning} |\n")
    return "".join(parts)


def rows(
    alias: str, properties: dict[str, Any], record: type[BaseModel] | None, prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Name, type and meaning of each field, in the order of the mapping."""
    for name, field in properties.items():
        path = prefix + name
        known = record.model_fields.get(name) if record else None
        meaning = ADDED[f"{alias} {path}"] if path in INDEX_ONLY[alias] else (known and known.description) or ""
        yield path, type_of(path, field), meaning
        for sub, kind in field.get("fields", {}).items():
            yield f"{path}.{sub}", kind["type"], ADDED[f"{alias} {path}.{sub}"]
        if path != "localized":
            inner = record_in(known.annotation) if known else None
            yield from rows(alias, field.get("properties", {}), inner, f"{path}.")


def type_of(path: str, field: dict[str, Any]) -> str:
    """The type of a field in words."""
    if path == "localized":
        return "text, one field for each analyzer"
    if field.get("enabled") is False:
        return "stored"
    return str(field.get("type", "object"))


def record_in(annotation: Any) -> type[BaseModel] | None:
    """The record that an annotation holds: itself, or inside a tuple or an optional."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def main(arguments: list[str]) -> int:
    """Write or check the page. Returns the exit code."""
    return write_or_check(PAGE, "docs/index-reference.md", render(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
