"""Late and out-of-order articles join the story they belong to; a story that drifts is closed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import timedelta

from services.dedup.articles import ArticlePart
from services.dedup.grouping import Grouper
from tests.conftest import NOW
from tests.unit.dedup.conftest import REPORTS, WINDOW

Enrich = Callable[..., ArticlePart]
EVENTS = {"fire 1": "fire", "fire 2": "fire", "rate": "rate", "rate 2": "rate", "match": "match", "match 2": "match"}


def partition(grouper: Grouper, names: dict[str, str]) -> set[frozenset[str]]:
    """The stories as sets of the articles' names."""
    stories: dict[str, set[str]] = {}
    for article_id, row in grouper.rows.items():
        stories.setdefault(row.decision.story_id, set()).add(names[article_id])
    return {frozenset(members) for members in stories.values()}


def test_another_order_gives_the_same_stories(reports: dict[str, ArticlePart]) -> None:
    """The order does not matter. This tests every thirtieth of 720 orders, and tests/properties tests all of them."""
    check_orders(reports, itertools.islice(itertools.permutations(EVENTS), 0, None, 30))


def check_orders(reports: dict[str, ArticlePart], orders: Iterable[tuple[str, ...]]) -> None:
    """Six reports of three events, taken in these orders, are three stories."""
    names = {reports[name].article_id: name for name in EVENTS}
    wanted = {frozenset(name for name in EVENTS if EVENTS[name] == event) for event in set(EVENTS.values())}
    for order in orders:
        grouper = Grouper(WINDOW)
        for name in order:
            grouper.take(reports[name])
        assert partition(grouper, names) == wanted, order


def test_a_late_article_joins_the_story_of_its_day(enriched: Enrich, reports: dict[str, ArticlePart]) -> None:
    """Backfill: an article that was fetched ten days ago is taken now, after other stories."""
    grouper = Grouper(WINDOW)
    now = NOW + timedelta(days=10)
    grouper.take(reports["fire 1"])
    for name in ("rate", "match", "other fire"):
        grouper.take(enriched(REPORTS[name], guid=f"now {name}", fetched_at=now))
    late = grouper.take(enriched(REPORTS["fire 2"], guid="late", fetched_at=NOW + timedelta(hours=1))).article
    assert late is not None
    assert late.story_id == reports["fire 1"].article_id


def test_a_story_closes_when_its_first_article_leaves_the_window(enriched: Enrich) -> None:
    """A chain of days would otherwise hold a story open for ever."""
    grouper = Grouper(WINDOW)
    first = enriched(REPORTS["fire 1"], guid="first")
    second = enriched(REPORTS["fire 2"], guid="second", fetched_at=NOW + timedelta(days=10))
    third = enriched(REPORTS["fire 2"] + " More.", guid="third", fetched_at=NOW + timedelta(days=15))
    told = [grouper.take(article).article for article in (first, second)]
    assert {article.story_id for article in told if article} == {first.article_id}
    fresh = enriched(REPORTS["fire 3"], guid="fresh", fetched_at=NOW + timedelta(days=15))
    found = grouper.take(fresh).article
    assert found is not None
    assert found.story_id == found.article_id
    assert all("closed: its first article has left the window" in veto for veto in found.story_reason.vetoes)
    copied = grouper.take(third).article
    assert copied is not None
    assert copied.duplicate_of == second.article_id


def test_a_story_takes_no_article_of_another_month(enriched: Enrich) -> None:
    """An archive of many years is fetched in an hour, so the stated dates count too."""
    grouper = Grouper(WINDOW)
    grouper.take(enriched(REPORTS["fire 1"], guid="a", published_at=NOW - timedelta(days=40)))
    found = grouper.take(enriched(REPORTS["fire 2"], guid="b", published_at=NOW)).article
    assert found is not None
    assert found.story_id == found.article_id
