"""Stories do not depend on the order of arrival."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from schemas.article import EnrichedArticle
from services.dedup.articles import part_of
from tests.unit.dedup.conftest import REPORTS
from tests.unit.dedup.test_time import EVENTS, check_orders


def test_every_order_gives_the_same_stories(enriched: Callable[..., EnrichedArticle]) -> None:
    """All 720 orders of six reports of three events."""
    reports = {name: part_of(enriched(REPORTS[name], guid=name, source_id=f"outlet {name}")) for name in EVENTS}
    check_orders(reports, itertools.permutations(EVENTS))
