"""What dedup reads of a message: only what it needs, and nothing that is no article. What it does not need goes on."""

from __future__ import annotations

import contextlib
import json
import random
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from schemas.article import EnrichedArticle, GroupedArticle, StoryReason
from schemas.topics import ENRICHED
from services.common.messages import RejectedMessage, decode, encode
from services.dedup.articles import read_article
from services.dedup.rows import ArticleRow, Decision, to_grouped
from tests.chaos.faults.poison import twins
from tests.examples import EXAMPLES

VALID = sorted((EXAMPLES / "articles.enriched" / "valid").glob("*.json"))
TWINS = {key.decode(): value for key, value in twins(ENRICHED)}
FULL = (EXAMPLES / "articles.enriched" / "valid" / "v2-full.json").read_bytes()


HASHES_AND_A_BYTE = b64encode(b64decode(json.loads(FULL)["fingerprint"]["keys"]["hashes"]) + b"x").decode()


def row_of(message: bytes) -> ArticleRow:
    article = read_article(message)
    opened = Decision(story_id=article.article_id, story_score=0.0, story_reason=StoryReason(opened=True))
    return ArticleRow(article=article, arrival=0, decision=opened, story_opened_at=article.fetched_at)


def as_json(record: Any) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(record.model_dump_json())
    return fields


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_nothing_of_an_article_is_lost_on_its_way_through_dedup(path: Path) -> None:
    """The row is read back as it was written, and the grouped article has every field of the enriched one."""
    message = path.read_bytes()
    whole = as_json(decode(EnrichedArticle, message))
    row = row_of(message)
    again = decode(ArticleRow, encode(row))
    assert again == row
    assert as_json(decode(EnrichedArticle, encode(again.article))) == whole
    grouped = as_json(decode(GroupedArticle, encode(to_grouped(again, 1))))
    assert {name: grouped[name] for name in whole.keys() - {"fingerprint"}} == {
        name: value for name, value in whole.items() if name != "fingerprint"
    }
    assert "fingerprint" not in json.loads(encode(to_grouped(again, 1)))


def test_what_is_not_needed_is_not_read() -> None:
    """The fields that only the index needs are carried along as they came, at every depth."""
    message = {**json.loads(FULL), "byline": 5, "dates": "no list"}
    message["entities"][0]["mentions"] = {"odd": [1, 2.5, None]}
    grouped = json.loads(encode(to_grouped(row_of(json.dumps(message).encode()), 1)))
    assert (grouped["byline"], grouped["dates"]) == (5, "no list")
    assert grouped["entities"][0]["mentions"] == {"odd": [1, 2.5, None]}


def test_a_number_that_is_none_stays_what_it_is() -> None:
    """The indexer refuses it. As `null` it would pass."""
    message = FULL.replace(b'"stages": {', b'"stages": {"odd": NaN, ', 1)
    assert message != FULL
    row = decode(ArticleRow, encode(row_of(message)))
    assert b"NaN" in encode(to_grouped(row, 1))


@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_what_is_accepted_can_be_read_from_its_row(opening: bytes, closing: bytes) -> None:
    """A JSON parser has a limit of depth, and an article stands one level deeper in its row."""
    accepted = []
    for depth in range(150, 260):
        nested = opening * depth + b"1" + closing * depth
        message = FULL.replace(b'"byline": ', b'"byline": ' + nested + b', "agency": ', 1)
        assert message != FULL
        try:
            row = row_of(message)
        except RejectedMessage:
            continue
        assert decode(ArticleRow, encode(row)) == row
        accepted.append(depth)
    assert 0 < len(accepted) < 110


@pytest.mark.parametrize("name", ["words", "content_hash", "stage_versions", "published_at_source"])
def test_a_field_that_every_article_has_must_be_there(name: str) -> None:
    fields = json.loads(FULL)
    del fields[name]
    with pytest.raises(RejectedMessage, match=name):
        read_article(json.dumps(fields).encode())


def misfits() -> dict[str, dict[str, Any]]:
    """Fingerprints and vectors that only look like ones."""
    found: dict[str, dict[str, Any]] = {}
    for name, path, value in (
        ("a flag too few", ("keys", "flags"), "AA=="),
        ("a count too few", ("keys", "counts"), "AQ=="),
        ("no labels", ("keys", "labels"), []),
        ("a byte too many", ("keys", "hashes"), HASHES_AND_A_BYTE),
        ("a term too few", ("terms",), "AAAAAA=="),
        ("a count of a term too few", ("term_counts",), "AQ=="),
        ("no flags of terms", ("term_flags",), ""),
    ):
        fields = json.loads(FULL)
        at = fields["fingerprint"]
        for part in path[:-1]:
            at = at[part]
        at[path[-1]] = value
        found[name] = fields
    counts = json.loads(FULL)
    counts["fingerprint"]["term_counts"] = "A" * len(counts["fingerprint"]["term_counts"])
    return {
        **found,
        "counts of zero": counts,
        "a vector without a direction": {**json.loads(FULL), "embedding": b64encode(bytes(512)).decode()},
        "a country of a thousand letters": with_country("N" * 2000),
    }


def with_country(country: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(FULL)
    fields["entities"][0]["country"] = country
    return fields


@pytest.mark.parametrize("name", misfits())
def test_what_does_not_fit_together_is_a_dead_letter(name: str) -> None:
    """An error behind the reading would end the process, and the message would come again."""
    with pytest.raises(RejectedMessage):
        read_article(json.dumps(misfits()[name]).encode())


@pytest.mark.parametrize(
    "message", [value for _, value in twins(ENRICHED)], ids=[key.decode() for key, _ in twins(ENRICHED)]
)
def test_a_twin_of_the_current_version_is_refused(message: bytes) -> None:
    with pytest.raises(RejectedMessage):
        read_article(message)


@pytest.mark.parametrize("field", ["title", "fingerprint", "event_at", "language", "source_id"])
def test_a_needed_field_that_is_absent_is_named(field: str) -> None:
    fields = json.loads(FULL)
    del fields[field]
    with pytest.raises(RejectedMessage, match=field):
        read_article(json.dumps(fields).encode())


def test_a_message_without_a_value_is_refused() -> None:
    with pytest.raises(RejectedMessage, match="no value"):
        read_article(None)


def test_bytes_changed_at_random_never_end_in_another_error() -> None:
    chance = random.Random(5)
    refused = 0
    for path in VALID:
        value = path.read_bytes()
        for _ in range(150):
            changed = bytearray(value)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            with contextlib.suppress(RejectedMessage):
                encode(to_grouped(row_of(bytes(changed)), 1))
                continue
            refused += 1
    assert refused > 100
