"""Turns records of schema version 1 into those of version 2, so that what is on Kafka stays readable.

Version 1 had the raw content and every line of it in each record, and the hashes of words in the fingerprint
(docs/adr/0022). What version 2 adds is derived, or absent where nobody noted it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

from schemas.article import ArticleDraft, DateSource, DeclaredDate, EnrichedArticle, GroupedArticle, RawArticle
from schemas.base import Timestamp
from schemas.story import Story
from services.common.derived import count_words, event_time, headline_of

Fields = dict[str, Any]
OLD_VERSION = 1
TIME: TypeAdapter[datetime] = TypeAdapter(Timestamp)
DATES: TypeAdapter[tuple[DeclaredDate, ...]] = TypeAdapter(tuple[DeclaredDate, ...])


def upgraded(record: type[BaseModel], value: bytes) -> bytes | None:
    """The same record in the current version, or None if it is no record of version 1 that can be upgraded.

    The result is not checked; what was wrong before is wrong after.
    """
    upgrade = UPGRADES.get(record.__name__)
    if upgrade is None:
        return None
    try:
        fields = orjson.loads(value)
        return orjson.dumps(upgrade(fields))
    except (ValueError, TypeError, LookupError, AttributeError):  # it was no such record
        return None


def upgrade_raw(fields: Fields) -> Fields:
    """A raw article: nothing but the number changed."""
    return {**_old(fields), "schema_version": 2}


def upgrade_draft(fields: Fields) -> Fields:
    """An article between two stages."""
    new = upgrade_raw(fields)
    if new.get("normalized"):
        normalized = dict(new["normalized"])
        normalized["removed"], _ = _lines(normalized.pop("paragraphs", ()))
        new["normalized"] = normalized
    if new.get("fingerprint"):
        new["fingerprint"] = _fingerprint(new["fingerprint"])
    return new


def upgrade_enriched(fields: Fields) -> Fields:
    """An enriched article: without the raw content and the hashes that dedup derives."""
    new = _readable(_old(fields))
    return {**new, "fingerprint": _fingerprint(new["fingerprint"])}


def upgrade_grouped(fields: Fields) -> Fields:
    """A grouped article."""
    return _readable(_old(fields))


def upgrade_story(fields: Fields) -> Fields:
    """A story. Its articles know the times and countries that it lacks; its next change has them."""
    new = {**_old(fields), "schema_version": 2}
    new["editions"] = [
        {**edition, "headline": headline_of(edition["title"], edition["sentence"] or "")}
        for edition in new.get("editions", ())
    ]
    first = next((edition["headline"] for edition in new["editions"]), "…")
    new["headline"] = headline_of(new["title"], first)
    new["first_event_at"], new["last_event_at"] = new["first_seen_at"], new["last_seen_at"]
    new["growth"] = 0.0
    return new


def upgrade_row(fields: Fields) -> Fields:
    """A row of dedup."""
    return {**fields, "article": upgrade_enriched(fields["article"])}


UPGRADES: Mapping[str, Callable[[Fields], Fields]] = {
    RawArticle.__name__: upgrade_raw,
    ArticleDraft.__name__: upgrade_draft,
    EnrichedArticle.__name__: upgrade_enriched,
    GroupedArticle.__name__: upgrade_grouped,
    Story.__name__: upgrade_story,
    "ArticleRow": upgrade_row,
}
"""By the name of the record. The row belongs to dedup, which imports this module and not the other way round."""


def _old(fields: Fields) -> Fields:
    if fields.get("schema_version") != OLD_VERSION:
        raise LookupError("it has another version")
    return dict(fields)


def _fingerprint(old: Fields) -> Fields:
    return {name: value for name, value in old.items() if name not in ("shingles", "words")}


def _readable(new: Fields) -> Fields:
    new.pop("content", None)
    new["schema_version"] = 2
    new["removed"], new["line_languages"] = _lines(new.pop("paragraphs", ()))
    new["headline"] = headline_of(new["title"], new["text"])
    new["words"] = count_words(new["text"])
    published = new["published_at"]
    at, source = event_time(
        TIME.validate_json(orjson.dumps(published)) if published else None,
        DateSource(new["published_at_source"]),
        DATES.validate_json(orjson.dumps(new.get("declared", {}).get("dates", ()))),
        TIME.validate_json(orjson.dumps(new["fetched_at"])),
    )
    new["event_at"], new["event_at_source"] = at.isoformat(), source.value
    return new


def _lines(paragraphs: list[Fields]) -> tuple[list[Fields], list[Fields]]:
    removed: list[Fields] = []
    languages: list[Fields] = []
    kept = 0
    for paragraph in paragraphs:
        if not paragraph["kept"]:
            removed.append({"before": kept, "rule": paragraph["reason"] or "unknown", "text": paragraph["text"]})
            continue
        if paragraph.get("language"):
            languages.append({"line": kept, "language": paragraph["language"]})
        kept += 1
    return removed, languages
