"""What is handed to the outbox writer, and what it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from pydantic import BaseModel

from services.producer.sources.base import Entry, Problem

MAX_PROBLEMS: Final = 256
"""Problems of one poll that are remembered to be summarised; all of them are counted."""


@dataclass(frozen=True, slots=True)
class Item:
    """An entry or a problem, on its way into the store.

    `hash` is of what the feed states, also where `entry` carries its page's text. `owes_page` is true when that text
    could not be had.
    """

    entry: Entry | Problem
    hash: str = ""
    owes_page: bool = False


class ItemOutcome(StrEnum):
    """How one item ended: every item has exactly one."""

    NEW = "new"
    REVISED = "revised"
    UNCHANGED = "unchanged"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of one item, and the article or the problem that it is."""

    outcome: ItemOutcome
    article_id: str | None = None
    revision: int | None = None
    problem: Problem | None = None


@dataclass(slots=True)
class Counted:
    """How the items of one job ended.

    `written` lists them one by one where the job asks for it. `state` is the feed's state that was saved with them.
    """

    counts: Counter[ItemOutcome] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    owed: int = 0
    state: BaseModel | None = None

    def __add__(self, other: Counted) -> Counted:
        """Both together; of problems, the first ones."""
        problems = [*self.problems, *other.problems][:MAX_PROBLEMS]
        return Counted(self.counts + other.counts, problems, [*self.written, *other.written], self.owed + other.owed)


class PollEnd(Protocol):
    """The end of a poll: it knows the feed's next state as soon as its last items are counted."""

    def state_after(self, last: Counted, now: datetime) -> BaseModel:
        """The feed's next state, from what the last items of the poll came to."""


@dataclass(slots=True)
class Job:
    """Items of one feed or push; `end` where they are the last ones of a poll.

    `is_whole` is true when `items` is all that is in the feed now: what is not in it may be forgotten one day. The
    future is done when everything in the job is durable, the feed's state too.
    """

    feed_id: str | None
    items: Sequence[Item]
    end: PollEnd | None = None
    keep_written: bool = False
    is_whole: bool = False
    done: Future[Counted] = field(default_factory=Future)


def summarize(problems: Sequence[Problem]) -> tuple[str, ...]:
    """The commonest reasons of problems, a line each."""
    reasons = Counter(problem.reason for problem in problems)
    return tuple(f"{count:,} × {reason}"[:300] for reason, count in reasons.most_common(5))
