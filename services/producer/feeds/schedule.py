"""When a feed is polled next, and whether it has fallen silent: pure functions of its state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from schemas.feed import AUTO_MAX_SECONDS, AUTO_MIN_SECONDS
from services.producer.feeds.state import FIRST_INTERVAL_SECONDS, GAPS_KEPT, FeedState
from services.producer.fetch.client import Failure, FetchError

HOUR: Final = 3600
MEMORY_SECONDS: Final = 24 * HOUR
"""Time constant of the learned rate: what was two days ago counts an eighth."""
POLLS_PER_NEW_ENTRY: Final = 4
"""An entry then waits an eighth of the time between two entries, on average."""
OVERRUN_SHARE: Final = 0.8
OVERRUN_ENTRIES: Final = 5
"""When so much of a feed is new, entries may have come and gone unseen: look twice as often from now on."""
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
"""What a second look soon after rarely mends."""

Interval = Literal["auto"] | int


@dataclass(frozen=True, slots=True)
class PollResult:
    """What a successful poll brought: entries in the feed, new ones, and for how long server or feed ask to wait."""

    entries: int
    new: int
    hint_seconds: int | None = None


def learn(state: FeedState, result: PollResult, now: float) -> tuple[float | None, float]:
    """The rate of new entries (an exponential mean over a day), and the interval that fits it, in seconds."""
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
    """The state after a poll that worked; `random` in [0, 1) spreads the next one by ±10 %."""
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
    """The state after a poll that failed: tried for ever, later each time, up to a cap that depends on the failure."""
    streak = state.error_streak + 1
    wait = max(backoff_seconds(error.failure, streak, first_seconds), float(error.retry_after_seconds or 0))
    # a few failures at an address that the feed moved to: ask the first one again
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
    """Seconds to wait after so many failures in a row; `first_seconds` after the first one of the milder kind."""
    hard = failure in HARD
    if failure is Failure.GONE:
        streak += 8
    base = first_seconds * HARD_FACTOR if hard else first_seconds
    # the caps shrink with a first wait under a minute: who tries again sooner tries again sooner for ever
    cap = (HARD_CAP_SECONDS if hard else SOFT_CAP_SECONDS) * min(1.0, first_seconds / 60)
    return float(min(cap, base * 2.0 ** min(streak - 1, 40)))


def jittered(seconds: float, random: float) -> float:
    """±10 %, so that feeds that were added together do not stay together."""
    return seconds * (1 + JITTER * (2 * random - 1))


def silent_since(state: FeedState, now: float) -> float | None:
    """The Unix second of the last new entry, where that is longer ago than this feed ever was silent; else None.

    Three times its longest gap, a day at least, and only after five gaps: a feed that was never regular is not silent.
    """
    if state.last_new_at is None or len(state.gaps) < SILENT_GAPS:
        return None
    limit = max(SILENT_FACTOR * max(state.gaps), SILENT_SECONDS)
    return state.last_new_at if now - state.last_new_at > limit else None


def is_overrun(state: FeedState, result: PollResult) -> bool:
    """Whether so much was new at once that entries may have come and gone between two polls."""
    return (
        state.last_success_at is not None
        and result.entries >= OVERRUN_ENTRIES
        and result.new >= OVERRUN_SHARE * result.entries
    )
