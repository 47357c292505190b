"""When a feed is polled next, and whether it has become silent. All functions are pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from schemas.feed import AUTO_MAX_SECONDS, AUTO_MIN_SECONDS
from services.producer.feeds.state import FIRST_INTERVAL_SECONDS, GAPS_KEPT, FeedState
from services.producer.fetch.client import Failure, FetchError

HOUR: Final = 3600
MEMORY_SECONDS: Final = 24 * HOUR
"""Time constant of the learned rate. Entries from two days ago count one eighth."""
POLLS_PER_NEW_ENTRY: Final = 4
"""With this value an entry waits on average one eighth of the time between two entries."""
OVERRUN_SHARE: Final = 0.8
OVERRUN_ENTRIES: Final = 5
"""When this share of a feed is new, entries may have been missed. The feed is then polled twice as often."""
JITTER: Final = 0.1
SILENT_FACTOR: Final = 3.0
SILENT_GAPS: Final = 5
SILENT_SECONDS: Final = 24 * HOUR
SOFT_CAP_SECONDS: Final = 6 * HOUR
HARD_FACTOR: Final = 15
HARD_CAP_SECONDS: Final = 24 * HOUR
MOVED_TRIES: Final = 3
HARD: Final = frozenset(
    {
        Failure.NOT_FOUND,
        Failure.GONE,
        Failure.CLIENT,
        Failure.REFUSED,
        Failure.REDIRECTS,
        Failure.BLOCKED,
        Failure.ROBOTS,
        Failure.TOO_LARGE,
        Failure.UNREADABLE,
    }
)
"""Failures that an early retry rarely solves."""

Interval = Literal["auto"] | int


@dataclass(frozen=True, slots=True)
class PollResult:
    """The result of a successful poll.

    `entries` is the number of entries in the feed and `new` the number of new ones. `hint_seconds` is the wait that the
    server or the feed asks for.
    """

    entries: int
    new: int
    hint_seconds: int | None = None


def learn(state: FeedState, result: PollResult, now: float) -> tuple[float | None, float]:
    """The rate of new entries (an exponential mean over a day) and the matching interval in seconds."""
    elapsed = now - state.last_success_at if state.last_success_at is not None else None
    if elapsed is None or elapsed <= 0:
        return state.rate, state.interval_seconds
    weight = 1 - math.exp(-elapsed / MEMORY_SECONDS)
    observed = result.new / elapsed
    before = 1 / (POLLS_PER_NEW_ENTRY * FIRST_INTERVAL_SECONDS) if state.rate is None else state.rate
    rate = before + weight * (observed - before)
    interval = 1 / (POLLS_PER_NEW_ENTRY * rate) if rate > 0 else AUTO_MAX_SECONDS
    if result.entries >= OVERRUN_ENTRIES and result.new >= OVERRUN_SHARE * result.entries:
        interval = min(interval, elapsed / 2)
    return rate, min(max(interval, AUTO_MIN_SECONDS), AUTO_MAX_SECONDS)


def after_success(state: FeedState, result: PollResult, interval: Interval, now: float, random: float) -> FeedState:
    """The state after a successful poll. `random` in [0, 1) spreads the next poll by ±10 %."""
    rate, learned = learn(state, result, now)
    wanted = float(learned if interval == "auto" else interval)
    wait = max(wanted, min(result.hint_seconds or 0, AUTO_MAX_SECONDS))
    gaps, last_new_at = state.gaps, state.last_new_at
    if result.new:
        if last_new_at is not None:
            gaps = (*gaps, now - last_new_at)[-GAPS_KEPT:]
        last_new_at = now
    return state.model_copy(
        update={
            "rate": rate,
            "interval_seconds": learned,
            "gaps": gaps,
            "last_new_at": last_new_at,
            "entries": result.entries,
            "polls": state.polls + 1,
            "last_poll_at": now,
            "last_success_at": now,
            "next_poll_at": now + jittered(wait, random),
            "error_streak": 0,
            "failure": None,
            "error": None,
        }
    )


def after_failure(state: FeedState, error: FetchError, first_seconds: float, now: float, random: float) -> FeedState:
    """The state after a failed poll. Retries never end.

    The wait grows with each failure up to a limit that depends on the kind of failure.
    """
    streak = state.error_streak + 1
    wait = max(backoff_seconds(error.failure, streak, first_seconds), float(error.retry_after_seconds or 0))
    # After MOVED_TRIES failures at the new address of a moved feed, ask its first address again.
    moved_to = state.moved_to if streak < MOVED_TRIES else None
    return state.model_copy(
        update={
            "error_streak": streak,
            "failure": error.failure,
            "error": error.reason,
            "polls": state.polls + 1,
            "last_poll_at": now,
            "next_poll_at": now + jittered(wait, random),
            "moved_to": moved_to,
        }
    )


def backoff_seconds(failure: Failure, streak: int, first_seconds: float) -> float:
    """Seconds to wait after `streak` failures in a row. The wait after a first soft failure is `first_seconds`."""
    hard = failure in HARD
    if failure is Failure.GONE:
        streak += 8
    base = first_seconds * HARD_FACTOR if hard else first_seconds
    # The caps shrink in proportion when the first wait is under a minute.
    cap = (HARD_CAP_SECONDS if hard else SOFT_CAP_SECONDS) * min(1.0, first_seconds / 60)
    return float(min(cap, base * 2.0 ** min(streak - 1, 40)))


def jittered(seconds: float, random: float) -> float:
    """The time changed by up to ±10 %, so that feeds that were added together are not always polled together."""
    return seconds * (1 + JITTER * (2 * random - 1))


def silent_since(state: FeedState, now: float) -> float | None:
    """The Unix second of the last new entry when the feed is silent, else None.

    A feed is silent when the last new entry is older than three times its longest gap and older than a day. A feed with
    fewer than five gaps has shown no regular pattern and is not silent.
    """
    if state.last_new_at is None or len(state.gaps) < SILENT_GAPS:
        return None
    limit = max(SILENT_FACTOR * max(state.gaps), SILENT_SECONDS)
    return state.last_new_at if now - state.last_new_at > limit else None


def is_overrun(state: FeedState, result: PollResult) -> bool:
    """Whether so many entries were new that others may have come and gone between two polls."""
    return (
        state.last_success_at is not None
        and result.entries >= OVERRUN_ENTRIES
        and result.new >= OVERRUN_SHARE * result.entries
    )
