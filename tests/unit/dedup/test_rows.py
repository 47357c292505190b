"""Rows survive an upgrade: what an older version wrote is read, and what is unknown is refused."""

from __future__ import annotations

import json

import pytest

from schemas.article import StoryReason
from services.common.messages import RejectedMessage, decode, encode
from services.dedup.articles import ArticlePart
from services.dedup.rows import ArticleRow, Decision
from tests.examples import EXAMPLES

FULL = ArticlePart.model_validate_json((EXAMPLES / "articles.enriched/valid/v2-full.json").read_bytes())
ROW = ArticleRow(
    article=FULL,
    arrival=3,
    decision=Decision(story_id=FULL.article_id, story_score=0.0, story_reason=StoryReason(opened=True)),
    story_opened_at=FULL.fetched_at,
)


def test_a_row_of_an_older_version_is_read_without_its_dropped_fields() -> None:
    written = json.loads(encode(ROW))
    assert written.keys().isdisjoint({"owner_offset", "schema_version"})
    old = {"schema_version": 2, "owner_offset": 41, **written}
    assert decode(ArticleRow, json.dumps(old).encode()) == ROW


def test_any_other_unknown_field_is_refused() -> None:
    row = {"owner_offsets": 41, **json.loads(encode(ROW))}
    with pytest.raises(RejectedMessage, match="owner_offsets"):
        decode(ArticleRow, json.dumps(row).encode())
