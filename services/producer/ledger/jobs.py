"""Jobs for the outbox writer, and its answers."""

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
"""Maximum number of problems of one poll that are kept for the summary. All problems are counted."""


@dataclass(frozen=True, slots=True)
class Item:
    """An entry or a problem on its way into the store.

    `hash` covers the values from the feed, even when `entry` contains the text of its page. `earlier_hash` is the hash
    that version 0.1 gave them. `owes_page` is true when the page could not be fetched.
    """

    entry: Entry | Problem
    hash: str = ""
    owes_page: bool = False
    earlier_hash: str = ""


class ItemOutcome(StrEnum):
    """The outcome of one item. Every item has exactly one outcome."""

    NEW = "new"
    REVISED = "revised"
    UNCHANGED = "unchanged"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of one item, with its article or its problem."""

    outcome: ItemOutcome
    article_id: str | None = None
    revision: int | None = None
    problem: Problem | None = None


@dataclass(slots=True)
class Counted:
    """The outcomes of all items of one job.

    `written` lists the items one by one if the job asks for it. `state` is the state of the feed that was saved with
    them.
    """

    counts: Counter[ItemOutcome] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    owed: int = 0
    state: BaseModel | None = None

    def __add__(self, other: Counted) -> Counted:
        """The sum of both. Only the first MAX_PROBLEMS problems are kept."""
        problems = [*self.problems, *other.problems][:MAX_PROBLEMS]
        return Counted(self.counts + other.counts, problems, [*self.written, *other.written], self.owed + other.owed)


class PollEnd(Protocol):
    """The end of a poll. It computes the next state of the feed when the last items are counted."""

    def state_after(self, last: Counted, now: datetime) -> BaseModel:
        """The feed's next state, given the outcomes of the last items of the poll."""


@dataclass(slots=True)
class Job:
    """Items of one feed or one push. `end` is set when they are the last items of a poll.

    `is_whole` is true when `items` are all entries that are in the feed now. Entries that are missing for FORGET_DAYS
    are then forgotten. The future is done when everything in the job is durable, including the state of the feed.
    """

    feed_id: str | None
    items: Sequence[Item]
    end: PollEnd | None = None
    keep_written: bool = False
    is_whole: bool = False
    done: Future[Counted] = field(default_factory=Future)


def summarize(problems: Sequence[Problem]) -> tuple[str, ...]:
    """The most frequent reasons of problems, one line for each reason."""
    reasons = Counter(problem.reason for problem in problems)
    return tuple(f"{count:,} × {reason}"[:300] for reason, count in reasons.most_common(5))
