"""Applies each patch of this folder to a copy of the project and runs the unit tests of what it breaks.

python -m tests.mutants [NAME …]     (exit code 1 when a mutant survives, 2 when a patch does not apply or run)

A patch begins with two lines: `Breaks: ` says in a sentence what is worse, `Tests: ` which tests must see it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
COPIED = ("benchmarks", "deploy", "docs", "schemas", "seeds", "services", "tests", "tools")
TIMEOUT_SECONDS = 600
TESTS_FAILED = 1
"""pytest's exit code when tests ran and some failed; every other one but 0 is no verdict."""


class Verdict(StrEnum):
    """What the tests made of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One patch: its name, what it breaks in a sentence, and the tests that must fail on it."""

    name: str
    breaks: str
    tests: tuple[str, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on one mutant: the first failing test where it was killed, else the end of what was printed."""

    mutant: Mutant
    verdict: Verdict
    detail: str
    seconds: float


def read_mutant(path: Path) -> Mutant:
    """The mutant of a patch; ValueError where a headline is missing."""
    breaks, tests = path.read_text(encoding="utf8").splitlines()[:2]
    if not breaks.startswith("Breaks: ") or not tests.startswith("Tests: "):
        raise ValueError(f"{path.name} must begin with a line `Breaks: …` and a line `Tests: …`")
    return Mutant(path.stem, breaks.removeprefix("Breaks: "), tuple(tests.removeprefix("Tests: ").split()), path)


def try_mutant(mutant: Mutant) -> Report:
    """Apply one patch to a copy of the project, and run its tests there."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dragoman-mutant-") as name:
        copy = Path(name)
        copy_project(copy)
        applied = subprocess.run(
            ["git", "apply", str(mutant.path)], cwd=copy, capture_output=True, text=True, check=False
        )
        if applied.returncode:
            return Report(mutant, Verdict.UNUSABLE, applied.stderr.strip(), time.monotonic() - began)
        # -P would hide the copy: `python -m` puts the working folder in front of the installed project
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *mutant.tests],
            cwd=copy,
            env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    verdict = {0: Verdict.SURVIVED, TESTS_FAILED: Verdict.KILLED}.get(run.returncode, Verdict.UNUSABLE)
    return Report(mutant, verdict, describe(run.stdout, verdict), time.monotonic() - began)


def copy_project(target: Path) -> None:
    """What the tests need, without the environment and what was built."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, target / path.name)


def describe(printed: str, verdict: Verdict) -> str:
    """The first failed test, or the end of what pytest printed."""
    failed = [line.removeprefix("FAILED ") for line in printed.splitlines() if line.startswith("FAILED ")]
    if verdict is Verdict.KILLED and failed:
        return failed[0].partition(" - ")[0]
    return "\n".join(printed.strip().splitlines()[-5:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutants, print a line for each; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to try (default: all)")
    wanted = parser.parse_args(arguments).names
    mutants = [read_mutant(path) for path in sorted(FOLDER.glob("*.patch"))]
    unknown = set(wanted) - {mutant.name for mutant in mutants}
    if unknown:
        parser.error(f"no mutant is called {', '.join(sorted(unknown))}")
    chosen = [mutant for mutant in mutants if not wanted or mutant.name in wanted]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        reports = []
        for report in pool.map(try_mutant, chosen):
            reports.append(report)
            print(f"{report.verdict:<9} {report.seconds:5.0f} s  {report.mutant.name}: {report.mutant.breaks}")
            print(f"          {'' if report.verdict is Verdict.KILLED else '!! '}{report.detail}", flush=True)
    counts = {verdict: sum(report.verdict is verdict for report in reports) for verdict in Verdict}
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 2 if counts[Verdict.UNUSABLE] else 1 if counts[Verdict.SURVIVED] else 0


if __name__ == "__main__":
    sys.exit(main())
