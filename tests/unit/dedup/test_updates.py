"""An agency's later version supersedes the earlier one and is no duplicate of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.dedup.articles import ArticlePart
from services.dedup.grouping import Grouper
from services.dedup.updates import version_of
from tests.unit.dedup.conftest import WINDOW

Enrich = Callable[..., ArticlePart]
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
BODY = (
    "A ferry with 214 people on board ran aground off the island of Naxos on Tuesday evening, the Greek coast guard "
    "said. Captain Yannis Melas told the port of Piraeus that nobody was hurt. Two tugs from Paros were on their way, "
    "and the wind had reached 7 Beaufort. Passengers were brought to a school in Chora, mayor Dimitris Lianos said."
)


@pytest.mark.parametrize(
    ("headline", "version"),
    [
        ("Ferry runs aground off Naxos", 0),
        ("2nd lead: Ferry runs aground off Naxos", 2),
        ("UPDATE 3-Ferry runs aground off Naxos", 3),
        ("WRAPUP 1-Ferries in trouble", 1),
        ("Fähre läuft auf Grund (2. Zusammenfassung)", 2),
        ("ZUSAMMENFASSUNG 2: Fähre läuft auf Grund", 2),
        ("(AMPLIACIÓN) Un ferry encalla en Naxos", 1),
        ("AGGIORNAMENTO 4 - Traghetto incagliato", 4),
        ("Traversier échoué (2e mise à jour)", 2),
        ("第3次更新：渡轮搁浅", 3),
        ("The update of the ferry's papers", 0),
        ("Ferry takes the lead in 2 races", 0),
    ],
)
def test_versions_are_read_from_slugs(enriched: Enrich, headline: str, version: int) -> None:
    assert version_of(enriched(f"{headline}\n\n{BODY}")) == version


def test_an_update_joins_the_story_and_is_no_duplicate(enriched: Enrich) -> None:
    grouper = Grouper(WINDOW)
    first = enriched(f"Ferry runs aground off Naxos\n\n{BODY}", guid="1", source_id="agency")
    update = enriched(f"UPDATE 2-Ferry runs aground off Naxos\n\n{BODY} All are safe.", guid="2", source_id="agency")
    reprint = enriched(f"UPDATE 2-Ferry runs aground off Naxos\n\n{BODY} All are safe.", guid="3", source_id="paper")
    made = [grouper.take(article).article for article in (first, update, reprint)]
    _, second, third = made
    assert second is not None
    assert third is not None
    assert (second.duplicate_of, second.supersedes) == (None, first.article_id)
    assert second.story_id == first.article_id
    assert third.duplicate_of == update.article_id
    assert third.supersedes is None


def test_another_outlets_update_is_a_copy(enriched: Enrich) -> None:
    """Only the author of a text can replace it."""
    grouper = Grouper(WINDOW)
    first = enriched(f"Ferry runs aground\n\n{BODY}", guid="1", source_id="one")
    copy = enriched(f"UPDATE 2-Ferry runs aground\n\n{BODY}", guid="2", source_id="two")
    grouper.take(first)
    found = grouper.take(copy).article
    assert found is not None
    assert (found.duplicate_of, found.supersedes) == (first.article_id, None)


@pytest.mark.parametrize(("days", "supersedes"), [(0, True), (3, False)])
def test_an_update_may_differ_in_its_facts_alone(enriched: Enrich, days: int, *, supersedes: bool) -> None:
    """A toll that rises is an update within hours; days later the same text with other figures is another report."""
    grouper = Grouper(WINDOW)
    later = BODY.replace("214", "231").replace("7 Beaufort", "9 Beaufort").replace("Paros", "Delos")
    first = enriched(f"Ferry runs aground off Naxos\n\n{BODY}", guid="1", source_id="agency", fetched_at=NOON)
    update = enriched(
        f"UPDATE 2-Ferry runs aground off Naxos\n\n{later}",
        guid="2",
        source_id="agency",
        fetched_at=NOON + timedelta(days=days, hours=2),
    )
    grouper.take(first)
    found = grouper.take(update).article
    assert found is not None
    assert found.duplicate_of is None
    assert found.supersedes == (first.article_id if supersedes else None)
