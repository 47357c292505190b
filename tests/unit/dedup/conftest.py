"""Reports of a few events, which were written for these tests. Each one is enriched once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.article import EnrichedArticle, GroupedArticle
from services.common.messages import decode, encode
from services.dedup.articles import ArticlePart, GroupedPart, part_of
from services.dedup.grouping import Grouper
from services.dedup.pairs import PairWeights, load_weights
from services.dedup.stories import StoryIndex

REPORTS = json.loads((Path(__file__).parent / "reports.json").read_text(encoding="utf8"))
WINDOW = timedelta(days=14)


@pytest.fixture(scope="session")
def enriched(enriched: Callable[..., EnrichedArticle]) -> Callable[..., ArticlePart]:
    """Enriches a text with the real stages, and reads what dedup needs of it."""
    return lambda content, **fields: part_of(enriched(content, **fields))


@pytest.fixture(scope="session")
def reports(enriched: Callable[..., ArticlePart]) -> dict[str, ArticlePart]:
    """The reports by name. Each has its own outlet."""
    return {name: enriched(text, guid=name, source_id=f"outlet {name}") for name, text in REPORTS.items()}


@pytest.fixture
def eager() -> Callable[..., Grouper]:
    """Makes a grouper that joins and merges on little evidence, to test what must hold for every join and merge."""

    def make(**state: Any) -> Grouper:
        weights = load_weights()
        return Grouper(WINDOW, stories=StoryIndex(weights=PairWeights(np.array(weights.models), -2.5, -20.0)), **state)

    return make


def document_version(article: GroupedPart | None) -> int:
    """The version that the document of an article has in Elasticsearch."""
    assert article is not None
    return decode(GroupedArticle, encode(article)).document_version
