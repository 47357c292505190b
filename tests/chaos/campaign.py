"""Runs rounds one after another, on one stack as long as it stays whole."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.chaos.environment import ROOT
from tests.chaos.pipeline import Pipeline, PipelineError
from tests.chaos.registry import Fault, Place
from tests.chaos.rounds import Result, Round, Verdict, run_round
from tests.chaos.verdict import Findings

MAX_ARTICLES = 1200
"""A stack with more articles is not used for another round, because the oracle reads all of them."""


ROUND_SECONDS = 60.0
"""How long a round takes with the start of its stack, until the rounds themselves show that it is longer here."""


@dataclass(slots=True)
class Limits:
    """When no further round starts, on the clock of time.monotonic.

    That is after `starts_until`, and when a round that takes as long as the longest one so far would not end by
    `ends_by`. What comes after all rounds takes `after` times as long as a round. A slow machine runs fewer rounds
    then, and not the same ones with less patience. `at_least` so many rounds start in any case.
    """

    starts_until: float = float("inf")
    ends_by: float = float("inf")
    longest: float = ROUND_SECONDS
    after: float = 0.0
    at_least: int = 0
    started: int = 0

    def allow(self, now: float) -> bool:
        """Whether a round may start now."""
        if self.started < self.at_least:
            return True
        return now <= self.starts_until and now + self.longest * (1 + self.after) <= self.ends_by

    def note(self, seconds: float) -> None:
        """A round took so long."""
        self.started += 1
        self.longest = max(self.longest, seconds)


@dataclass(slots=True)
class Campaign:
    """`say` prints a line. Leaving the context stops the stack, also after an error."""

    say: Callable[[str], None]
    is_short: bool = False
    limits: Limits = field(default_factory=Limits)
    _stack: Pipeline | None = None
    findings: Findings = field(default_factory=Findings)
    """All findings so far on the running stack."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.renew()

    def run(self, faults: Sequence[Fault], rounds: int, seed: int) -> Iterator[Result]:
        """Yield the result of every round. The stack of the last round goes on, if that round left it whole."""
        for number in range(rounds):
            for fault in faults:
                began = time.monotonic()
                if not self.limits.allow(began):
                    self.say("The time is over: no further round starts.")
                    return
                yield self.run_one(fault, seed + number)
                self.limits.note(time.monotonic() - began)

    def run_one(self, fault: Fault, seed: int) -> Result:
        """Run one round of a class, on the right stack."""
        self.say(f"{time.strftime('%H:%M:%S')} {fault.name}, seed {seed}: {fault.says}")
        if fault.place is not Place.SHARED:
            self.renew()
        folder = Path(tempfile.mkdtemp(prefix="dragoman-articles-"))
        try:
            with ExitStack() as cleanup:
                run = Round(folder, random.Random(f"{fault.name} {seed}"), self.is_short, cleanup)
                if fault.place is not Place.OWN:
                    try:
                        run.stack = self.stack()
                    except PipelineError as error:
                        return Result(fault.name, seed, Verdict.ERROR, needs=[str(error)])
                result, self.findings = run_round(fault, run, seed, self.findings)
                hide_paths(result, run)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        is_whole = result.verdict in {Verdict.HELD, Verdict.SKIPPED}
        if not is_whole or fault.place is not Place.SHARED or len(self.findings.accepted) > MAX_ARTICLES:
            self.renew()
        return result

    def stack(self) -> Pipeline:
        """The running stack. It is started when there is none."""
        if self._stack is None:
            self._stack = Pipeline()
            self._stack.start()
        return self._stack

    def renew(self) -> None:
        """Stop the stack. The next round gets a new one."""
        if self._stack is not None:
            self._stack.close()
        self._stack = None
        self.findings = Findings()


def hide_paths(result: Result, run: Round) -> None:
    """Leave the paths of this machine out of what is written."""
    places = {str(run.folder): "$FOLDER"} | ({str(run.stack.home): "$DRAGOMAN_HOME"} if run.stack else {})
    places[f"{ROOT}/"] = ""
    for place, name in places.items():
        result.needs = [need.replace(place, name) for need in result.needs]
        for key, note in result.notes.items():
            if isinstance(note, str):
                result.notes[key] = note.replace(place, name)
