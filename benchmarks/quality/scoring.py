"""Runs rows through the stages as `dragoman enrich` does, but without files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.article import ContentType, EnrichedArticle, RawArticle
from services.producer.identity import article_id_of, content_hash_of
from services.worker.stages import enrich, stage_slice


def enrich_rows(rows: Sequence[dict[str, Any]]) -> list[EnrichedArticle]:
    """Enrich the `content` of each row, in order, with `title`, `published_at` and `declared_language` if present."""
    stages = stage_slice((), vectors=False)
    return [enrich(to_raw(row), stages) for row in rows]


def to_raw(row: dict[str, Any]) -> RawArticle:
    """A raw article made from a row, with the current time as fetch time."""
    now = datetime.now(UTC)
    return RawArticle(
        article_id=article_id_of("quality", row["id"], None),
        source_id="quality",
        guid=row["id"],
        content_type=ContentType.TEXT,
        content=row["content"],
        declared_language=row.get("declared_language"),
        fetched_at=now,
        content_hash=content_hash_of(row["content"], None, None, None, None),
        revision=int(now.timestamp()),
    )
