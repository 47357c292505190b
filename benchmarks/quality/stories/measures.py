"""Compares a partition of articles with the true partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.quality.scores import Figures, prf


@dataclass(frozen=True, slots=True)
class Placed:
    """An article: its true story, its assigned story and its language."""

    truth: str
    found: str
    language: str = ""


def measure_partition(placed: Sequence[Placed]) -> Figures:
    """B³ (Bagga and Baldwin 1998), pairs, pairs across languages, stories per true story and true stories per story."""
    truths, founds = Counter(article.truth for article in placed), Counter(article.found for article in placed)
    both = Counter((article.truth, article.found) for article in placed)
    count = len(placed)
    precision = sum(size * size / founds[found] for (_, found), size in both.items()) / count
    recall = sum(size * size / truths[truth] for (truth, _), size in both.items()) / count
    right, answered, wanted = _pairs(placed)
    inside = _pairs(placed, by_language=True)
    return {
        "b3.precision": precision,
        "b3.recall": recall,
        "b3.f1": 2 * precision * recall / (precision + recall),
        **prf(right, answered, wanted, "pairs."),
        **prf(right - inside[0], answered - inside[1], wanted - inside[2], "cross_lingual."),
        "fragmentation": len(both) / len(truths),
        "over_merging": len(both) / len(founds),
    }


def _pairs(placed: Sequence[Placed], *, by_language: bool = False) -> tuple[int, int, int]:
    """The numbers of right pairs, grouped pairs and true pairs, for all articles or for one language."""
    languages = [article.language if by_language else "" for article in placed]
    groups = (
        Counter((article.truth, article.found, language) for article, language in zip(placed, languages, strict=True)),
        Counter((article.found, language) for article, language in zip(placed, languages, strict=True)),
        Counter((article.truth, language) for article, language in zip(placed, languages, strict=True)),
    )
    right, answered, wanted = (sum(size * (size - 1) // 2 for size in group.values()) for group in groups)
    return right, answered, wanted
