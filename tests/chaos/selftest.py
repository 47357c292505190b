"""Tests of the oracle: services that lose, double and forget. It must find each of them, and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.environment import ROOT
from tests.chaos.pipeline import Pipeline, PipelineError
from tests.chaos.rounds import Result, Round, Verdict, look, wait_until_settled
from tests.chaos.traffic import wait_until
from tests.chaos.verdict import Findings

LIARS = Path(__file__).parent / "liars"
MESSAGES = 40
RATE = 25.0
READY_SECONDS = 60
PATIENCE_SECONDS = 150


@dataclass(frozen=True, slots=True)
class SelfTest:
    """A liar that takes the place of some processes. `is_found` compares what it did with what the oracle found."""

    name: str
    says: str
    script: Path
    replaces: tuple[str, ...]
    is_found: Callable[[set[str], Findings], bool]


def _lost(done: set[str], found: Findings) -> bool:
    return len(done) >= 3 and found.lost == done and not found.doubled and not found.differing


def _doubled(done: set[str], found: Findings) -> bool:
    return len(done) >= 3 and found.doubled.total() == len(done) and not found.lost and not found.differing


def _forgotten(done: set[str], found: Findings) -> bool:
    return len(done) >= 3 and bool(found.differing) and not found.lost and not found.doubled


SELF_TESTS = (
    SelfTest(
        "lossy worker",
        "acknowledges every fifth article without sending it",
        ROOT / "tests" / "e2e" / "lossy_worker.py",
        ("worker-1", "worker-2"),
        _lost,
    ),
    SelfTest(
        "doubling indexer",
        "writes some articles again under another id",
        LIARS / "doubling_indexer.py",
        ("indexer",),
        _doubled,
    ),
    SelfTest(
        "forgetful dedup",
        "decides as if its state were lost",
        LIARS / "forgetful_dedup.py",
        ("dedup",),
        _forgotten,
    ),
)


def run_self_tests(run: Round, seed: int, say: Callable[[str], None]) -> Iterator[Result]:
    """Run every self-test on one stack. A result is FOUND when the oracle has found the liar."""
    before = Findings()
    for test in SELF_TESTS:
        say(f"self-test: a {test.name} {test.says}")
        result = Result(f"self-test: {test.name}", seed, Verdict.FOUND)
        findings, done = try_liar(test, run)
        new = findings.since(before)
        before = findings
        result.messages = len(new.accepted)
        result.recovery_seconds = 0.0
        result.notes = {
            "lied_about": len(done),
            "found": {"lost": len(new.lost), "doubled": new.doubled.total(), "differing": len(new.differing)},
        }
        if not test.is_found(done, new):
            result.verdict = Verdict.ERROR
            result.needs.append(f"the oracle did not find the {test.name}, or found more than it did")
        yield result


def try_liar(test: SelfTest, run: Round) -> tuple[Findings, set[str]]:
    """Let a liar work on a replay. Returns what the oracle found, and the ids that the liar wrote down."""
    pipeline = run.pipeline
    file = run.folder / f"{test.script.stem}.txt"
    with pipeline.stopped(*test.replaces), _lying(test, pipeline, file) as process:
        if not wait_until(lambda: file.exists() or process.poll() is not None, READY_SECONDS) or process.poll():
            raise PipelineError(f"the {test.name} does not start: {pipeline.end_of_log(test.script.stem)}")
        run.replay(MESSAGES, RATE)
        run.finish_sending()
        settled, left = wait_until_settled(pipeline, PATIENCE_SECONDS, is_well=lambda: process.poll() is None)
    if settled is None:
        raise PipelineError(f"the {test.name} does not work: {left}. {pipeline.end_of_log(test.script.stem)}")
    return look(run), set(file.read_text(encoding="ascii").split())


@contextmanager
def _lying(test: SelfTest, pipeline: Pipeline, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    instance = {"DRAGOMAN_INSTANCE": test.replaces[0]}
    with pipeline.beside(str(test.script), str(file), log=test.script.stem, **instance) as process:
        yield process
