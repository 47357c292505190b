"""Runs the unit tests with coverage, prints it by package, and holds it.

python -m tests.coverage        (exit code 1 when a test fails, 2 when the coverage is too low)
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MIN_ALL = 88.0
MIN_PACKAGE = 75.0
"""Percent of the statements that the unit tests run."""
MEASURED = ("schemas", "services", "tools")


@dataclass(slots=True)
class Covered:
    """Statements that were run, of those there are."""

    run: int = 0
    of: int = 0

    def add(self, run: int, of: int) -> None:
        """Count a file."""
        self.run += run
        self.of += of

    @property
    def percent(self) -> float:
        """The share that was run."""
        return 100 * self.run / self.of if self.of else 100.0


def package_of(path: str) -> str:
    """`services/cli/main.py` belongs to services/cli; what lies in no package below, to the first folder."""
    parts = Path(path).parts
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def by_package(report: Mapping[str, Any]) -> dict[str, Covered]:
    """The coverage of each package in coverage.py's JSON report."""
    found: dict[str, Covered] = {}
    for path, file in report["files"].items():
        summary = file["summary"]
        found.setdefault(package_of(path), Covered()).add(summary["covered_lines"], summary["num_statements"])
    return dict(sorted(found.items()))


def whole_of(packages: Mapping[str, Covered]) -> Covered:
    """The coverage of all packages together."""
    return Covered(sum(part.run for part in packages.values()), sum(part.of for part in packages.values()))


def too_low(packages: Mapping[str, Covered]) -> list[str]:
    """A sentence for the whole and each package that is below its limit."""
    whole = whole_of(packages)
    sentences = [
        f"{name} has {part.percent:.1f} %, and {MIN_PACKAGE:g} % are needed"
        for name, part in packages.items()
        if part.percent < MIN_PACKAGE
    ]
    if whole.percent < MIN_ALL:
        sentences.append(f"all packages together have {whole.percent:.1f} %, and {MIN_ALL:g} % are needed")
    return sentences


def main() -> int:
    """Run, print, judge; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="dragoman-coverage-") as folder:
        report = Path(folder) / "coverage.json"
        measure = [f"--cov={name}" for name in MEASURED]
        options = ["-n", "auto", "--dist", "worksteal", *measure, f"--cov-report=json:{report}", "--no-cov-on-fail"]
        ended = subprocess.run([sys.executable, "-m", "pytest", *options, "tests/unit"], check=False)
        if ended.returncode:
            return 1
        packages = by_package(json.loads(report.read_text(encoding="utf8")))
    for name, part in {**packages, "all": whole_of(packages)}.items():
        print(f"{name:<24} {part.percent:5.1f} %  {part.run:>5,} of {part.of:>5,} statements")
    sentences = too_low(packages)
    for sentence in sentences:
        print(f"Too low: {sentence}.")
    return 2 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
