"""The five seed articles against what is true of them (benchmarks/quality/seeds-gold.json, made by hand)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.article import EnrichedArticle
from services.common.derived import lines_in_order
from tests.conftest import ROOT

SEEDS_GOLD = ROOT / "benchmarks" / "quality" / "seeds-gold.json"
GOLD: dict[str, Any] = json.loads(SEEDS_GOLD.read_text(encoding="utf8"))["docs"]
FURNITURE = (
    "Leave a Reply",
    "Source link",
    "Plaatsingstijd",
    "date 2021-05-23",
    "date 2022-02-04",
    "Related Articles",
    "Back to top button",
    "Crypto News",
    "Washington Post",
)


@pytest.fixture(scope="module")
def seeds(enriched: Callable[..., EnrichedArticle], seed_texts: dict[str, str]) -> dict[str, EnrichedArticle]:
    return {name: enriched(text, guid=name) for name, text in seed_texts.items()}


@pytest.mark.parametrize("name", GOLD)
def test_language_date_and_agency(seeds: dict[str, EnrichedArticle], name: str) -> None:
    seed, gold = seeds[name], GOLD[name]
    assert seed.language.code == gold["lang"]
    assert seed.language.confidence > 0.9
    assert (seed.published_at.date().isoformat() if seed.published_at else None) == gold["published"]
    assert seed.title == gold["title"]
    if "agency" in gold:
        assert seed.agency == gold["agency"]


@pytest.mark.parametrize("name", GOLD)
def test_no_date_is_invented(seeds: dict[str, EnrichedArticle], seed_texts: dict[str, str], name: str) -> None:
    seed = seeds[name]
    assert (seed.published_at is None) == (GOLD[name]["published"] is None)
    assert (seed.published_at is None) == (seed.published_at_source == "none")
    content = seed_texts[name]
    assert all(date.matched in content for date in seed.dates)


@pytest.mark.parametrize("name", GOLD)
def test_entities_have_their_wikidata_ids(seeds: dict[str, EnrichedArticle], name: str) -> None:
    found = {entity.id for entity in seeds[name].entities}
    assert set(GOLD[name]["entities"]) <= found


@pytest.mark.parametrize("name", GOLD)
def test_mentions_are_offsets_into_the_clean_text(seeds: dict[str, EnrichedArticle], name: str) -> None:
    seed = seeds[name]
    fields = {"text": seed.text, "title": seed.title or ""}
    mentions = [mention for entity in seed.entities for mention in entity.mentions]
    assert mentions
    assert all(fields[mention.field][mention.start : mention.end] == mention.surface for mention in mentions)


@pytest.mark.parametrize("name", GOLD)
def test_furniture_is_dropped_with_a_rule_and_nothing_is_lost(
    seeds: dict[str, EnrichedArticle], seed_texts: dict[str, str], name: str
) -> None:
    seed = seeds[name]
    assert not [words for words in FURNITURE if words in seed.text]
    lines = [line for line, _ in lines_in_order(seed.text, seed.removed)]
    assert [word for line in lines for word in line.split()] == seed_texts[name].split()
