"""Rates come from counts of the last minute."""

from __future__ import annotations

import pytest

from services.status.rates import Rates


def test_one_look_gives_no_rate() -> None:
    rates = Rates()
    rates.add(0, {"worker": {"enriched": 5}})
    assert (rates.per_second(), rates.dead_per_minute()) == ({}, 0)


def test_a_rate_is_the_difference_by_the_seconds() -> None:
    rates = Rates()
    rates.add(10, {"worker": {"enriched": 5, "dead": 1}, "dedup": {"dead": 0}})
    rates.add(14, {"worker": {"enriched": 25, "dead": 3}, "dedup": {"dead": 1}, "indexer": {"indexed": 8}})
    assert rates.per_second() == {
        "worker": {"enriched": 5, "dead": 0.5},
        "dedup": {"dead": 0.25},
        "indexer": {"indexed": 2},
    }
    assert rates.dead_per_minute() == 45


def test_only_the_last_minute_counts() -> None:
    rates = Rates()
    for second in range(0, 200, 2):
        rates.add(second, {"worker": {"enriched": 0 if second < 100 else second - 100}})
    assert rates.per_second()["worker"]["enriched"] == pytest.approx(1, rel=0.05)
    rates.add(400, {"worker": {"enriched": 98}})
    rates.add(462, {"worker": {"enriched": 98}})
    assert rates.per_second()["worker"]["enriched"] == 0


def test_a_count_that_began_anew_has_no_rate() -> None:
    rates = Rates()
    rates.add(0, {"worker": {"enriched": 50, "dead": 0}})
    rates.add(2, {"worker": {"enriched": 4, "dead": 2}})
    assert rates.per_second() == {"worker": {"dead": 1}}
