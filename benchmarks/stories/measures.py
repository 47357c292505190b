"""Measures of a partition against the true one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.quality.scores import Figures, prf


@dataclass(frozen=True, slots=True)
class Placed:
    """An article: its true story, the one it was put into, and its language."""

    truth: str
    found: str
    language: str = ""


def measure_partition(placed: Sequence[Placed]) -> Figures:
    """B³ (Bagga and Baldwin 1998), pairs, pairs across languages, stories per true story and the other way round."""
    truths, founds = Counter(one.truth for one in placed), Counter(one.found for one in placed)
    both = Counter((one.truth, one.found) for one in placed)
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
    """Pairs that are right, that were put together, and that belong together; all, or those of one language."""
    languages = [one.language if by_language else "" for one in placed]
    groups = (
        Counter((one.truth, one.found, language) for one, language in zip(placed, languages, strict=True)),
        Counter((one.found, language) for one, language in zip(placed, languages, strict=True)),
        Counter((one.truth, language) for one, language in zip(placed, languages, strict=True)),
    )
    right, answered, wanted = (sum(size * (size - 1) // 2 for size in group.values()) for group in groups)
    return right, answered, wanted
