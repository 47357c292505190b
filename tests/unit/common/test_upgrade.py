"""Records of schema version 1 are read as those of version 2."""

from __future__ import annotations

import base64

import orjson
import pytest

from schemas.article import ArticleDraft, EnrichedArticle, EventSource, GroupedArticle, RawArticle
from schemas.story import Story
from services.common.derived import lines_in_order
from services.common.messages import RejectedMessage, decode, encode
from services.dedup.rows import ArticleRow
from services.fingerprint import text_hashes
from tests.examples import EXAMPLES


def old(topic: str, name: str) -> bytes:
    return (EXAMPLES / topic / "valid" / f"{name}.json").read_bytes()


def test_an_enriched_article_keeps_every_line_and_loses_the_raw_content() -> None:
    value = old("articles.enriched", "v1-full")
    before = orjson.loads(value)
    article = decode(EnrichedArticle, value)
    assert [line for line, _ in lines_in_order(article.text, article.removed)] == [
        paragraph["text"] for paragraph in before["paragraphs"]
    ]
    assert [line.rule for line in article.removed] == [
        paragraph["reason"] for paragraph in before["paragraphs"] if not paragraph["kept"]
    ]
    assert before["content"].strip() not in encode(article).decode()
    assert (article.headline, article.raw, article.enriched_at) == (before["title"], None, None)
    assert article.event_at == article.published_at
    assert article.event_at_source is EventSource.STATED


def test_what_dedup_derives_is_what_version_1_sent() -> None:
    """Otherwise articles of before and after the upgrade would not be compared."""
    sent = orjson.loads(old("articles.enriched", "v1-one-line"))
    read = decode(EnrichedArticle, old("articles.enriched", "v1-one-line"))
    shingles, words = text_hashes(read.title, read.text)
    assert _base64(shingles.astype("<u4").tobytes()) == sent["fingerprint"]["shingles"]
    assert _base64(words.astype("<u4").tobytes()) == sent["fingerprint"]["words"]


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def test_a_row_of_dedup_is_read_with_its_decision() -> None:
    article = orjson.loads(old("articles.enriched", "v1-full"))
    decision = {
        "story_id": article["article_id"],
        "story_score": 0.0,
        "story_reason": {"opened": True},
    }
    row = {"article": article, "arrival": 7, "decision": decision, "story_opened_at": article["fetched_at"]}
    read = decode(ArticleRow, orjson.dumps(row))
    assert (read.article_id, read.arrival, read.decision.story_id) == (read.article.article_id, 7, read.article_id)
    assert decode(ArticleRow, encode(read)) == read


def test_an_article_between_two_stages_keeps_what_was_found() -> None:
    raw = orjson.loads(old("articles.raw", "v1-full"))
    whole = orjson.loads(old("articles.enriched", "v1-full"))
    normalized = {"title": whole["title"], "text": whole["text"], "paragraphs": whole["paragraphs"]}
    draft = {**raw, "normalized": normalized, "fingerprint": whole["fingerprint"]}
    read = decode(ArticleDraft, orjson.dumps(draft))
    assert read.normalized is not None
    assert len(read.normalized.removed) == sum(not paragraph["kept"] for paragraph in whole["paragraphs"])
    assert read.fingerprint is not None
    assert decode(ArticleDraft, orjson.dumps(raw)).normalized is None


def test_a_story_has_a_headline_and_its_times() -> None:
    story = decode(Story, old("stories", "v1-full"))
    assert story.headline == story.title
    assert all(edition.headline for edition in story.editions)
    assert (story.first_event_at, story.last_event_at) == (story.first_seen_at, story.last_seen_at)


@pytest.mark.parametrize("record", [RawArticle, EnrichedArticle, GroupedArticle, Story])
@pytest.mark.parametrize(
    "value", [b"[]", b"7", b'"x"', b"null", b"{}", b'{"schema_version": 1}', b'{"schema_version": 3}']
)
def test_what_is_no_record_of_any_version_is_refused(record: type[RawArticle], value: bytes) -> None:
    with pytest.raises(RejectedMessage):
        decode(record, value)


def test_what_was_wrong_in_version_1_stays_wrong() -> None:
    article = orjson.loads(old("articles.enriched", "v1-full"))
    for bad in ({"text": ""}, {"revision": "7"}, {"unknown": 1}, {"paragraphs": [{}]}, {"published_at": "yesterday"}):
        with pytest.raises(RejectedMessage):
            decode(EnrichedArticle, orjson.dumps(article | bad))
