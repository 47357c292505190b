"""Near-duplicates: copies are found however they were edited, template news is kept apart."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from schemas.article import DuplicateLevel
from services.dedup.articles import ArticlePart
from services.dedup.duplicates import Overlap, overlaps
from services.dedup.grouping import Grouper

SEED = "002_05a3f57faac5768a.txt"
Enrich = Callable[..., ArticlePart]


def shuffled(text: str) -> str:
    lines = [line for line in text.split("\n") if line.strip()]
    random.Random(3).shuffle(lines)
    return "\n".join(lines)


def replaced(text: str, share: float) -> str:
    rnd = random.Random(4)
    return " ".join("lorem" if rnd.random() < share and word.islower() else word for word in text.split(" "))


EDITS: dict[str, Callable[[str], str]] = {
    "same": lambda text: text,
    "retyped punctuation": lambda text: text.replace("“", '"').replace("”", '"').replace("’", "'"),
    "half": lambda text: text[: len(text) // 2],
    "shuffled": shuffled,
    "ten per cent replaced": lambda text: replaced(text, 0.1),
    "boilerplate added": lambda text: text + "\nSubscribe to our newsletter\n© 2023 Another Paper",
    "spaces": lambda text: text.replace(" ", "  "),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_copy_is_a_duplicate_and_says_why(
    enriched: Enrich, seed_texts: dict[str, str], edit: Callable[[str], str]
) -> None:
    grouper = Grouper(timedelta(days=14))
    original = enriched(seed_texts[SEED], guid="original")
    grouper.take(original)
    result = grouper.take(enriched(edit(seed_texts[SEED]), guid="copy"))
    assert result.article is not None
    assert result.article.duplicate_of == original.article_id
    assert result.article.duplicate_group == original.article_id
    assert result.article.story_id == original.article_id
    reason = result.article.duplicate_reason
    assert reason is not None
    assert reason.shingle_containment == result.article.duplicate_score


TEMPLATE = (
    "The {index} index closed {move} {points} points at {level} on {day} in {city}, brokers said, as investors weighed "
    "company results against fears about interest rates. Shares of {firm} rose {a} per cent while {other} fell {b} per "
    "cent. Traders in {city} said volumes were thin before the holiday. The next session opens at nine."
)
CLOSES = [
    ["Nikkei", "up", "212", "31,233", "Monday", "Tokyo", "Sony", "2.1", "Toyota", "0.4"],
    ["Dax", "down", "97", "15,876", "Tuesday", "Frankfurt", "Siemens", "1.7", "Bayer", "3.2"],
]
KEYS = ["index", "move", "points", "level", "day", "city", "firm", "a", "other", "b"]


def test_template_news_with_other_facts_is_no_duplicate(enriched: Enrich) -> None:
    grouper = Grouper(timedelta(days=14))
    for number, values in enumerate(CLOSES):
        result = grouper.take(enriched(TEMPLATE.format(**dict(zip(KEYS, values, strict=True))), guid=str(number)))
        assert result.article is not None
        assert result.article.duplicate_of is None


WEATHER = (
    "In {place} wird es am Freitag nach Auflösung örtlicher Nebelfelder freundlich bei Höchstwerten von {high} Grad. "
    "Der Wind weht mit {wind} Kilometern pro Stunde aus westlicher Richtung. In der Nacht sinken die Temperaturen auf "
    "{low} Grad. Am Wochenende scheint die Sonne mehrere Stunden am Tag, sagte die Meteorologin vom Wetterdienst. Die "
    "Wahrscheinlichkeit für Gewitter bleibt bis zum Abend gering, und auf den Straßen der Region ist mit Behinderungen "
    "nicht zu rechnen."
)


@pytest.mark.parametrize(
    ("changed", "is_copy"),
    [
        ({"place": "Rodenau", "high": "28", "wind": "45"}, False),
        ({"high": "28"}, True),
        ({}, True),
    ],
    ids=["another report of the template", "one figure corrected", "the same"],
)
def test_texts_that_differ_in_facts_alone_are_two_reports(
    enriched: Enrich, changed: dict[str, str], *, is_copy: bool
) -> None:
    """German nouns have capitals, so most facts are shared. But a person who edits a copy changes other words too."""
    grouper = Grouper(timedelta(days=14))
    values = {"place": "Kehl", "high": "21", "low": "4", "wind": "31"}
    grouper.take(enriched(WEATHER.format(**values), guid="first"))
    second = grouper.take(enriched(WEATHER.format(**values | changed), guid="second")).article
    assert second is not None
    assert (second.duplicate_of is not None) == is_copy
    if not is_copy:
        first, other = (grouper.live[article_id] for article_id in grouper.rows)
        assert grouper.explain(first.article_id, other.article_id)["duplicate_veto"] == "they differ in facts alone"


def test_only_first_members_are_matched(enriched: Enrich, seed_texts: dict[str, str]) -> None:
    """A chain of copies has one head, so that a splice cannot join two groups."""
    grouper = Grouper(timedelta(days=14))
    ids = [grouper.take(enriched(replaced(seed_texts[SEED], 0.03 * n), guid=str(n))).article for n in range(4)]
    heads = {article.duplicate_of for article in ids[1:] if article}
    assert heads == {ids[0].article_id if ids[0] else None}


def test_a_new_revision_of_an_article_is_no_duplicate_of_it(enriched: Enrich, seed_texts: dict[str, str]) -> None:
    grouper = Grouper(timedelta(days=14))
    grouper.take(enriched(seed_texts[SEED], guid="a", revision=10))
    result = grouper.take(enriched(seed_texts[SEED] + "\nUpdated on Friday evening.", guid="a", revision=11))
    assert result.article is not None
    assert (result.article.duplicate_of, result.article.revision) == (None, 11)
    assert len(grouper.rows) == 1


def test_one_word_articles_do_not_crash_or_match_everything(enriched: Enrich) -> None:
    grouper = Grouper(timedelta(days=14))
    found = [grouper.take(enriched(text, guid=text)).article for text in ("Yes", "No", "?", "1", "Yes no")]
    assert [article.duplicate_of for article in found if article] == [None] * 5


PLAIN = (
    "the council said on monday that it would repair the old bridge before winter because the river had damaged one of "
    "its pillars and engineers feared that heavy lorries might make the cracks wider while residents asked for a ferry "
    "so that children could still reach their school without walking around the whole valley every single morning"
)


def with_words_replaced(text: str, every: int) -> str:
    """Each replaced word stands alone, so that it changes two pairs of words."""
    return " ".join(f"x{place}y" if place % every == every // 2 else word for place, word in enumerate(text.split(" ")))


def overlap_of(enriched: Enrich, one: str, other: str) -> Overlap:
    """What two articles share, even if the index would not find the first one."""
    grouper = Grouper(timedelta(days=14))
    for guid, text in (("one", one), ("other", other)):
        grouper.take(enriched(text, guid=guid))
    first, second = (grouper.live.profile(grouper.live[article_id]) for article_id in grouper.rows)
    (found,) = overlaps(second, [first])
    return found


@pytest.mark.parametrize(("every", "is_copy"), [(20, True), (6, True), (4, False)])
def test_a_short_text_is_a_copy_while_two_thirds_of_its_word_pairs_are_the_others(
    enriched: Enrich, every: int, *, is_copy: bool
) -> None:
    text = " ".join(PLAIN.split(" ")[:50])
    found = overlap_of(enriched, text, with_words_replaced(text, every))
    assert (found.duplicate is not None) is is_copy
    assert found.veto is None
    if found.duplicate is not None:
        assert found.duplicate.level is DuplicateLevel.COPY
        assert found.shingles > 0.62


def test_a_longer_text_with_half_of_its_word_pairs_is_a_rewrite(enriched: Enrich) -> None:
    """Its words are nearly all the same."""
    text = (
        f"{PLAIN} nobody wanted another flood like last year when cellars stood under water for weeks, farmers lost "
        "half their cattle and insurers refused most claims"
    )
    found = overlap_of(enriched, text, with_words_replaced(text, 5))
    assert 0.4 < found.shingles < 0.62
    assert found.duplicate is not None
    assert found.duplicate.level is DuplicateLevel.REWRITE


CLOSING = (
    " most analysts expect quiet trade until the end of this month because large funds have closed their books already "
    "and small savers tend to wait for fresh figures before they buy again"
)
ADVERTISED = (
    " readers who want more of this can subscribe below and will then get our letter each morning without paying "
    "anything for the first three months"
)


def test_a_template_with_other_facts_is_no_duplicate_although_other_words_were_added(enriched: Enrich) -> None:
    """Each text has other words of its own. Only the low number of shared facts prevents a duplicate."""
    one, other = (TEMPLATE.format(**dict(zip(KEYS, values, strict=True))) + CLOSING for values in CLOSES)
    found = overlap_of(enriched, one, other + ADVERTISED)
    assert found.shingles >= 0.62
    assert found.duplicate is None
    assert found.veto is not None
    assert found.veto.endswith("facts are shared")


def test_the_same_facts_with_words_added_are_a_duplicate(enriched: Enrich) -> None:
    one = TEMPLATE.format(**dict(zip(KEYS, CLOSES[0], strict=True)))
    found = overlap_of(enriched, one, one + ADVERTISED)
    assert found.duplicate is not None
    assert found.duplicate.missing_facts == 0
