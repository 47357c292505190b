"""When a feed is polled again: as often as it has new entries. No feed is given up, and no failure is hidden."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.feed import AUTO_MAX_SECONDS, AUTO_MIN_SECONDS
from services.producer.feeds.schedule import (
    PollResult,
    after_failure,
    after_success,
    backoff_seconds,
    is_overrun,
    jittered,
    silent_since,
)
from services.producer.feeds.state import FeedState
from services.producer.fetch.client import Failure, FetchError

HOUR = 3600.0
DAY = 24 * HOUR
MIDDLE = 0.5
"""No jitter."""


def run(gap_seconds: float, days: float, state: FeedState | None = None, start: float = 1e9) -> FeedState:
    """Poll a feed that gets a new entry at a fixed interval, for days."""
    state, now = state or FeedState(), start
    published = start
    while now < start + days * DAY:
        new = int((now - published) // gap_seconds)
        published += new * gap_seconds
        state = after_success(state, PollResult(20, new), "auto", now, MIDDLE)
        now = state.next_poll_at
    return state


@pytest.mark.parametrize("gap_seconds", [2 * HOUR, 6 * HOUR, 24 * HOUR])
def test_the_interval_is_learned_from_how_much_is_new(gap_seconds: float) -> None:
    learned = run(gap_seconds, days=10).interval_seconds
    assert gap_seconds / 10 < learned < gap_seconds


def test_busy_feeds_are_polled_every_five_minutes_and_quiet_ones_once_a_day() -> None:
    assert run(60, days=2).interval_seconds == AUTO_MIN_SECONDS
    assert run(300 * DAY, days=30).interval_seconds == AUTO_MAX_SECONDS


@given(st.integers(0, 500), st.integers(0, 500), st.floats(1, 1e7), st.floats(0, 0.999))
def test_auto_always_stays_between_its_bounds(entries: int, new: int, elapsed: float, jitter: float) -> None:
    first = after_success(FeedState(), PollResult(entries, entries), "auto", 1e9, jitter)
    second = after_success(first, PollResult(entries, min(new, entries)), "auto", 1e9 + elapsed, jitter)
    wait = second.next_poll_at - 1e9 - elapsed
    assert AUTO_MIN_SECONDS * 0.9 - 0.001 <= wait <= AUTO_MAX_SECONDS * 1.1 + 0.001, "a float of 1e9 has few decimals"


def test_a_fixed_interval_is_kept_unless_the_server_asks_for_more() -> None:
    state = after_success(FeedState(), PollResult(5, 5), 60, 1000.0, MIDDLE)
    assert state.next_poll_at == 1060.0
    asked = after_success(state, PollResult(5, 0, hint_seconds=600), 60, 2000.0, MIDDLE)
    assert asked.next_poll_at == 2600.0
    forever = after_success(state, PollResult(5, 0, hint_seconds=10**8), 60, 2000.0, MIDDLE)
    assert forever.next_poll_at == 2000.0 + AUTO_MAX_SECONDS


def test_a_feed_that_is_all_new_is_looked_at_twice_as_often() -> None:
    state = after_success(FeedState(), PollResult(20, 20), "auto", 0.0, MIDDLE)
    state = after_success(state, PollResult(20, 20), "auto", 4 * HOUR, MIDDLE)
    assert state.interval_seconds <= 2 * HOUR
    assert is_overrun(state, PollResult(20, 20))
    assert not is_overrun(FeedState(), PollResult(20, 20)), "a first look cannot overrun"


@pytest.mark.parametrize("failure", list(Failure))
def test_waits_grow_to_a_cap_and_never_end(failure: Failure) -> None:
    waits = [backoff_seconds(failure, streak, 60) for streak in range(1, 2000)]
    assert waits == sorted(waits)
    assert 60 <= waits[0] <= waits[-1] <= 24 * HOUR
    assert waits[-1] in (6 * HOUR, 24 * HOUR)


def test_lasting_failures_wait_longer_and_gone_longest() -> None:
    soft, hard, gone = (
        backoff_seconds(failure, 1, 60) for failure in (Failure.SERVER, Failure.NOT_FOUND, Failure.GONE)
    )
    assert soft < hard < gone == 24 * HOUR


def test_retry_after_is_honoured() -> None:
    error = FetchError(Failure.RATE_LIMITED, "429", retry_after_seconds=7200)
    state = after_failure(FeedState(), error, 60, 1000.0, MIDDLE)
    assert state.next_poll_at == 8200.0
    assert (state.error_streak, state.failure, state.error) == (1, Failure.RATE_LIMITED, "429")


def test_a_success_forgets_the_failures_and_a_failure_keeps_what_is_known() -> None:
    known = after_success(FeedState(etag='"x"', body_hash="h"), PollResult(3, 3), "auto", 1.0, MIDDLE)
    failed = after_failure(known, FetchError(Failure.SERVER, "500"), 60, 2.0, MIDDLE)
    assert (failed.etag, failed.body_hash, failed.last_success_at) == ('"x"', "h", 1.0)
    assert after_success(failed, PollResult(3, 0), "auto", 3.0, MIDDLE).error_streak == 0


def test_an_address_that_a_feed_moved_to_is_given_up_after_three_failures() -> None:
    state = FeedState(moved_to="https://new.example.org/")
    for number in range(3):
        state = after_failure(state, FetchError(Failure.SERVER, "500"), 60, float(number), MIDDLE)
    assert state.moved_to is None


def test_silence_is_measured_against_the_feeds_own_history() -> None:
    daily = run(DAY / 2, days=12)
    assert daily.last_new_at is not None
    assert silent_since(daily, daily.last_new_at + 1.2 * DAY) is None
    assert silent_since(daily, daily.last_new_at + 5 * DAY) == daily.last_new_at
    weekly = run(7 * DAY, days=70)
    assert weekly.last_new_at is not None
    assert silent_since(weekly, weekly.last_new_at + 5 * DAY) is None


def test_a_feed_without_a_history_is_not_silent() -> None:
    assert silent_since(FeedState(), 1e9) is None
    assert silent_since(run(DAY, days=2), 2e9) is None


def test_jitter_spreads_by_a_tenth() -> None:
    rnd = random.Random(1)
    waits = [jittered(100, rnd.random()) for _ in range(1000)]
    assert 90 <= min(waits) < 91
    assert 109 < max(waits) <= 110
