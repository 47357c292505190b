"""One round: traffic, a fault, the wait until everything has arrived, and the verdict of the oracle."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import psutil
from elasticsearch import ApiError, TransportError
from kafka.errors import KafkaError

from services.common.messages import RejectedMessage
from tests.chaos.evidence import collect, waiting
from tests.chaos.pipeline import Pipeline, PipelineError
from tests.chaos.registry import Fault, SkippedError, Traffic
from tests.chaos.traffic import Push, Replay, Sending, articles_of, write_lines
from tests.chaos.verdict import Findings, find_buried, judge

S = TypeVar("S", bound=Sending)
LOOK_SECONDS = 1.0
SHORT_MESSAGES = 40
UNREADABLE = (KafkaError, ApiError, TransportError, OSError, LookupError, sqlite3.Error, RejectedMessage)
"""Errors of reading while something is broken."""


class Verdict(StrEnum):
    """The result of a round, the worst first."""

    LOST = "lost"
    DOUBLED = "doubled"
    DIFFERS = "differs"
    PERSON = "needs a person"
    ERROR = "could not be run"
    HELD = "held"
    FOUND = "found by the oracle"
    SKIPPED = "skipped"


@dataclass(slots=True)
class Result:
    """What is written about a round. `waiting` are articles that never arrived, but still wait in Kafka."""

    fault: str
    seed: int
    verdict: Verdict = Verdict.HELD
    messages: int = 0
    lost: int = 0
    waiting: int = 0
    doubled: int = 0
    differing: int = 0
    recovery_seconds: float | None = None
    needs: list[str] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Round:
    """What a class of faults may use.

    `may_die` gets the keys of articles, or the places of messages, that are rightly dead letters. `needs` gets a
    sentence for each thing that a person would have to do. `cleanup` is closed after the verdict.
    """

    folder: Path
    random: random.Random
    is_short: bool
    cleanup: ExitStack
    stack: Pipeline | None = None
    sendings: list[Sending] = field(default_factory=list)
    promised: dict[str, int] = field(default_factory=dict)
    may_die: set[str] = field(default_factory=set)
    needs: list[str] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)
    compares_decisions: bool = True
    ends_at: float = 0.0
    _files: int = 0

    @property
    def pipeline(self) -> Pipeline:
        """The stack of this round."""
        if self.stack is None:
            raise PipelineError("this class has not started its stack")
        return self.stack

    def wait(self, low: float, high: float | None = None) -> None:
        """Wait for some seconds, or for a random time between two limits."""
        time.sleep(low if high is None else self.random.uniform(low, high))

    def make_seed(self) -> int:
        """A seed for articles that no other round has."""
        return self.random.randrange(10**9)

    def new_file(self) -> Path:
        """The path of a new file for a replay."""
        self._files += 1
        return self.folder / f"articles-{self._files}.jsonl"

    def replay(self, messages: int, rate: float, clock: int = 0) -> Replay:
        """Start a replay in the background. The round waits for its end."""
        path = self.new_file()
        count = write_lines(path, articles_of(self.make_seed(), messages))
        return self.send(Replay(self.pipeline, path, count, rate, clock), rate)

    def push(self, messages: int, rate: float) -> Push:
        """Start to push articles in the background. The round waits for its end."""
        articles = articles_of(self.make_seed(), messages)
        return self.send(Push(self.pipeline, articles, rate, self.promised, len(articles)), rate)

    def send(self, sending: S, rate: float) -> S:
        """Begin something that sends articles. The round waits for its end."""
        self.sendings.append(sending)
        sending.begin()
        self.ends_at = max(self.ends_at, time.monotonic() + sending.messages / rate)
        return sending

    def finish_sending(self) -> None:
        """Wait until everything was sent."""
        while self.sendings:
            notes = self.sendings.pop(0).finish()
            self.notes |= notes
            if notes.get("replay_exit"):
                self.needs.append(f"the replay ended with {notes['replay_exit']}: {notes['replay_said']}")


def run_round(fault: Fault, run: Round, seed: int, before: Findings) -> tuple[Result, Findings]:
    """Run a round. Returns the result, and all findings so far on this stack."""
    result = Result(fault.name, seed, needs=run.needs, notes=run.notes)
    exits = run.stack.exits() if run.stack else None
    try:
        messages = min(fault.messages, SHORT_MESSAGES) if run.is_short else fault.messages
        if fault.traffic is Traffic.REPLAY:
            run.replay(messages, fault.rate)
        elif fault.traffic is Traffic.PUSH:
            run.push(messages, fault.rate)
        fault.act(run)
        lifted = time.monotonic()
        run.finish_sending()
        settled, left = wait_until_settled(run.pipeline, fault.patience)
        if settled is None:
            run.needs.append(f"not finished after {fault.patience:.0f} s: {left}")
            result.verdict = Verdict.PERSON
        else:
            result.recovery_seconds = round(max(0.0, settled - max(lifted, run.ends_at)), 1)
        findings = look(run)
    except SkippedError as skipped:
        result.verdict = Verdict.SKIPPED
        run.notes["reason"] = str(skipped)
        return result, before
    except (*UNREADABLE, PipelineError, psutil.Error, subprocess.SubprocessError) as error:
        if result.verdict is not Verdict.PERSON:  # else a stack that does not come back cannot be read either
            result.verdict = Verdict.ERROR
        run.needs.append(f"{type(error).__name__}: {error}"[:400])
        return result, before
    finally:
        for sending in run.sendings:
            sending.abort()
    if exits is not None:
        run.notes["restarts"] = dict(run.pipeline.exits() - exits)
    summarise(result, findings.since(before), run, is_settled=settled is not None)
    return result, findings


def summarise(result: Result, new: Findings, run: Round, *, is_settled: bool) -> None:
    """Fill in the figures and the verdict. What has not arrived is not lost while it waits in Kafka."""
    result.messages = len(new.accepted)
    result.lost = len(new.lost) if is_settled else 0
    result.waiting = 0 if is_settled else len(new.lost)
    result.doubled = new.doubled.total()
    if run.compares_decisions and new.is_order_known:
        result.differing = len(new.differing) + (len(new.differing_stories) if is_settled else 0)
    else:
        run.notes["decisions"] = "not compared"
    buried = find_buried(new.letters, run.may_die)
    if buried:
        reasons = {letter.reason for letter in buried}
        run.needs.append(f"{len(buried)} messages in order are dead letters: {', '.join(sorted(reasons))}")
    examples = {"lost": sorted(new.lost), "doubled": sorted(new.doubled), "differing": sorted(new.differing)}
    run.notes["examples"] = {name: ids[:3] for name, ids in examples.items() if ids}
    result.verdict = verdict_of(result)


def verdict_of(result: Result) -> Verdict:
    """The worst that happened."""
    if result.lost:
        return Verdict.LOST
    if result.doubled:
        return Verdict.DOUBLED
    if result.differing:
        return Verdict.DIFFERS
    return Verdict.PERSON if result.needs else Verdict.HELD


def look(run: Round, seconds: float = 90) -> Findings:
    """Read the evidence and judge it. While something cannot be read, this tries again for a while."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return judge(collect(run.pipeline), run.promised)
        except UNREADABLE:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_SECONDS)


def wait_until_settled(
    pipeline: Pipeline, patience: float, *, is_well: Callable[[], bool] | None = None
) -> tuple[float | None, str]:
    """Wait until no message waits and every service is healthy.

    Returns the time of it, and what was left: the time is None when `patience` seconds were not enough.
    """
    deadline, left = time.monotonic() + patience, "nothing could be read"
    while time.monotonic() < deadline:
        try:
            counts = waiting(pipeline)
            ill = pipeline.unhealthy() if is_well is None else [] if is_well() else ["a service"]
            if not any(counts.values()) and not ill:
                return time.monotonic(), ""
            behind = ", ".join(f"{count} for {name}" for name, count in counts.items() if count)
            left = f"waiting: {behind or 'nothing'}; not healthy: {', '.join(ill) or 'none'}"
        except (*UNREADABLE, PipelineError) as error:
            left = f"not readable: {type(error).__name__}: {error}"[:200]
        time.sleep(LOOK_SECONDS)
    return None, left
