"""The measures of stories, and template news."""

from __future__ import annotations

import pytest

from benchmarks.quality.stories.measures import Placed, measure_partition
from benchmarks.quality.stories.templates import SLOT, template_rows


def placed(rows: str) -> list[Placed]:
    """`a1en` is an article of story a in cluster 1, in English."""
    return [Placed(row[0], row[1], row[2:]) for row in rows.split()]


def test_partitions_as_the_literature_counts_them() -> None:
    """Two stories of three and one, the first split into two and one; worked out by hand."""
    found = measure_partition(placed("a1en a1nl a2en b2nl"))
    assert found["b3.precision"] == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)
    assert found["b3.recall"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert (found["pairs.precision"], found["pairs.recall"]) == (0.5, pytest.approx(1 / 3))
    assert (found["fragmentation"], found["over_merging"]) == (1.5, 1.5)


def test_pairs_across_languages_leave_out_those_of_one_language() -> None:
    found = measure_partition(placed("a1en a1en a1nl a2nl"))
    assert found["cross_lingual.precision"] == 1
    assert found["cross_lingual.recall"] == pytest.approx(2 / 4)


def test_the_right_partition_is_perfect_whatever_it_is_called() -> None:
    found = measure_partition(placed("a7en a7nl b3en"))
    assert {found[name] for name in ("b3.f1", "pairs.f1", "cross_lingual.f1", "fragmentation")} == {1.0}


def test_template_news_is_the_same_again_and_no_two_are_alike() -> None:
    rows, again = list(template_rows()), list(template_rows())
    assert rows == again
    assert len({row["text"] for row in rows}) == len(rows) >= 12 * 20
    assert {row["lang"] for row in rows} >= {"en", "de", "es", "zh"}
    assert not any(SLOT.search(row["title"] + row["text"]) for row in rows)
