"""Tests of the oracle: services that lose, double and forget. It must find each of them, and nothing else.

They run one after the other, or all at once, which takes a third of the time and tells less about a false finding.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
LEAST_LIES = 3


@dataclass(frozen=True, slots=True)
class SelfTest:
    """A liar that takes the place of some processes. `is_found` compares what it did with what the oracle found.

    `kind` is the list of findings that it fills.
    """

    name: str
    says: str
    script: Path
    replaces: tuple[str, ...]
    kind: str
    is_found: Callable[[set[str], Findings], bool]


def _lost(done: set[str], found: Findings) -> bool:
    return found.lost == done


def _doubled(done: set[str], found: Findings) -> bool:
    return found.doubled.total() == len(done)


def _forgotten(_done: set[str], found: Findings) -> bool:
    return bool(found.differing)


SELF_TESTS = (
    SelfTest(
        "lossy worker",
        "acknowledges every fifth article without sending it",
        ROOT / "tests" / "e2e" / "lossy_worker.py",
        ("worker-1", "worker-2"),
        "lost",
        _lost,
    ),
    SelfTest(
        "doubling indexer",
        "writes some articles again under another id",
        LIARS / "doubling_indexer.py",
        ("indexer",),
        "doubled",
        _doubled,
    ),
    SelfTest(
        "forgetful dedup",
        "decides as if its state were lost",
        LIARS / "forgetful_dedup.py",
        ("dedup",),
        "differing",
        _forgotten,
    ),
)


def run_self_tests(
    run: Round, seed: int, say: Callable[[str], None], before: Findings, *, at_once: bool
) -> Iterator[Result]:
    """Run every self-test on one stack. A result is FOUND when the oracle has found the liar."""
    for tests in [SELF_TESTS] if at_once else [(test,) for test in SELF_TESTS]:
        for test in tests:
            say(f"self-test: a {test.name} {test.says}")
        findings, lies = try_liars(tests, run)
        new, before = findings.since(before), findings
        for test, done in zip(tests, lies, strict=True):
            result = Result(f"self-test: {test.name}", seed, Verdict.FOUND, messages=len(new.accepted))
            result.recovery_seconds = 0.0
            result.notes = {
                "lied_about": len(done),
                "found": {"lost": len(new.lost), "doubled": new.doubled.total(), "differing": len(new.differing)},
                "at_once": at_once,
            }
            if not is_exact(test, tests, done, new):
                result.verdict = Verdict.ERROR
                result.needs.append(f"the oracle did not find the {test.name}, or found more than it did")
            yield result


def is_exact(test: SelfTest, tests: Sequence[SelfTest], done: set[str], found: Findings) -> bool:
    """Whether the oracle found what a liar did, and nothing that none of the liars does."""
    kinds = {kind for kind in ("lost", "doubled", "differing") if getattr(found, kind)}
    return len(done) >= LEAST_LIES and test.is_found(done, found) and kinds <= {other.kind for other in tests}


def try_liars(tests: Sequence[SelfTest], run: Round) -> tuple[Findings, list[set[str]]]:
    """Let liars work on a replay. Returns what the oracle found, and the ids that each liar wrote down."""
    pipeline = run.pipeline
    files = [run.folder / f"{test.script.stem}.txt" for test in tests]
    with ExitStack() as liars:
        liars.enter_context(pipeline.stopped(*(name for test in tests for name in test.replaces)))
        processes = [liars.enter_context(_lying(test, pipeline, file)) for test, file in zip(tests, files, strict=True)]
        for test, file, process in zip(tests, files, processes, strict=True):
            if not wait_until(lambda f=file, p=process: f.exists() or p.poll() is not None, READY_SECONDS):  # type: ignore[misc]
                raise PipelineError(f"the {test.name} does not start: {pipeline.end_of_log(test.script.stem)}")
        run.replay(MESSAGES, RATE)
        run.finish_sending()
        settled, left = wait_until_settled(
            pipeline, PATIENCE_SECONDS, is_well=lambda: all(process.poll() is None for process in processes)
        )
    if settled is None:
        ends = "; ".join(pipeline.end_of_log(test.script.stem) for test in tests)
        raise PipelineError(f"the {', '.join(test.name for test in tests)} did not work: {left}. {ends}")
    return look(run), [set(file.read_text(encoding="ascii").split()) for file in files]


@contextmanager
def _lying(test: SelfTest, pipeline: Pipeline, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    instance = {"DRAGOMAN_INSTANCE": test.replaces[0]}
    with pipeline.beside(str(test.script), str(file), log=test.script.stem, **instance) as process:
        yield process
