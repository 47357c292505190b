"""Summaries of stories for readers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from services.dedup.articles import ArticlePart
from services.dedup.grouping import Grouper
from tests.conftest import NOW
from tests.unit.dedup.conftest import REPORTS, WINDOW

Enrich = Callable[..., ArticlePart]


def test_a_story_has_an_edition_for_each_language(enriched: Enrich) -> None:
    grouper = Grouper(WINDOW)
    texts = {"1": REPORTS["fire 1"], "2": REPORTS["fire 2"], "3": REPORTS["fire 3"], "4": REPORTS["fire 1"]}
    articles = {
        guid: enriched(text, guid=guid, source_id=f"outlet {int(guid) % 3}", feeds=(f"feed {guid}",),
                       fetched_at=NOW + timedelta(minutes=40 * int(guid)))
        for guid, text in texts.items()
    }  # fmt: skip
    for article in articles.values():
        grouper.take(article)
    story = grouper.story(articles["1"].article_id)
    assert story is not None
    assert (story.articles, story.duplicates, story.languages) == (4, 1, ("de", "en"))
    assert story.sources == ("outlet 0", "outlet 1", "outlet 2")
    editions = {edition.language: edition for edition in story.editions}
    assert (editions["en"].articles, editions["de"].articles) == (3, 1)
    assert editions["de"].article_id == articles["3"].article_id
    assert (editions["de"].sentence or "").startswith("Brand im Grand Hotel in Brighton")
    assert story.title == editions["en"].title
    assert [(bucket.start_at.hour, bucket.articles) for bucket in story.timeline] == [(12, 1), (13, 1), (14, 2)]
    assert story.first_seen_at == NOW + timedelta(minutes=40)


def test_other_events_of_the_same_actors_are_related(enriched: Enrich) -> None:
    grouper = Grouper(WINDOW)
    visit = enriched(
        "Xi Jinping met Vladimir Putin in Kazan on Monday to open a bridge of 1,420 metres over the Volga."
    )
    quarrel = enriched(
        "Wheat is dear: a letter of Vladimir Putin asks Xi Jinping to lower a tariff of 17 per cent, Anton Belov says.",
        guid="q",
    )
    other = enriched(REPORTS["match"], guid="m")
    for article in (visit, quarrel, other):
        grouper.take(article)
    story = grouper.story(visit.article_id)
    assert story is not None
    (related,) = story.related
    assert related.story_id == quarrel.article_id
    assert len(related.shared) >= 2
    kazan = {entity.name: entity for entity in story.entities}["Kazan"]
    assert (kazan.articles, round(kazan.lat or 0), round(kazan.lon or 0)) == (1, 56, 49)


def test_a_splice_is_a_link_and_joins_no_second_group(enriched: Enrich) -> None:
    one, two = REPORTS["fire 1"] + " " + REPORTS["other fire"], REPORTS["rate"] + " " + REPORTS["match"]
    grouper = Grouper(WINDOW)
    first, second = enriched(one, guid="1"), enriched(two, guid="2")
    for article in (first, second):
        grouper.take(article)
    splice = grouper.take(enriched(f"{one} {two}", guid="3")).article
    assert splice is not None
    assert splice.duplicate_of in {first.article_id, second.article_id}
    (link,) = splice.duplicate_links
    assert {splice.duplicate_of, link.article_id} == {first.article_id, second.article_id}
    again = grouper.take(enriched(two, guid="4")).article
    assert again is not None
    assert again.duplicate_of == second.article_id
