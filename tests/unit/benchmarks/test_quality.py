"""The measures and the dressed articles that quality is measured on."""

from __future__ import annotations

import json

import pytest

from benchmarks.quality.__main__ import RESULTS, holds, target_of
from benchmarks.quality.corpora import shippable_sources
from benchmarks.quality.scores import label_figures, prf
from benchmarks.quality.scraped import Half, make_set, patterns

LANGUAGES = {"en", "nl", "de", "fr", "es", "it", "pt", "ru", "uk", "ar", "zh", "ja", "tr", "pl", "sv"}


def test_precision_recall_and_f1() -> None:
    assert prf(2, 4, 8) == {"precision": 0.5, "recall": 0.25, "f1": pytest.approx(1 / 3)}
    assert prf(0, 0, 8)["f1"] == 0


def test_an_undetermined_answer_is_not_a_wrong_one() -> None:
    found = label_figures([("en", "en"), ("nl", "und"), ("nl", "de"), ("nl", "nl")])
    assert (found["undetermined"], found["wrong"]) == (0.25, 0.25)
    assert found["macro_f1"] == pytest.approx((1 + 0.5) / 2)


@pytest.mark.parametrize("half", ["seen", "held_out"])
def test_both_halves_have_all_languages_and_kinds(half: Half) -> None:
    loaded = patterns(half)
    assert set(loaded) == LANGUAGES
    assert len({frozenset(kinds) for kinds in loaded.values()}) == 1


def test_the_halves_share_few_patterns() -> None:
    seen, held_out = (
        {str(one) for kinds in patterns(half).values() for many in kinds.values() for one in many}
        for half in ("seen", "held_out")
    )
    assert len(seen & held_out) < len(held_out) / 5


def test_the_same_seed_dresses_the_same_articles() -> None:
    sources = shippable_sources()[:4]
    first, again = (list(make_set(sources, "seen", 3, rows=8)) for _ in range(2))
    other = list(make_set(sources, "seen", 4, rows=8))
    assert first == again != other
    assert sum(row["date"] is None for row in first) == 4


def test_committed_figures_have_targets_that_tell() -> None:
    figures = json.loads(RESULTS.read_text())["figures"]
    judged = {name: holds(value, target) for name, value in figures.items() if (target := target_of(name))}
    assert len(judged) >= 20
    assert not holds(0.1, (">=", 0.5))
    assert holds(0.001, ("<=", 0.5))
