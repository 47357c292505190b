"""Duplicates and stories, scored by the shared tool where it is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.corpus import ROOT, SHARED
from benchmarks.quality.scores import Figures

TOOL = SHARED / "tools" / "quality.py"
SETS = (
    ("neardup", SHARED / "data" / "wikinews" / "neardup.jsonl"),
    ("stories", SHARED / "data" / "wikinews" / "articles.jsonl"),
)


def measure_groups() -> Figures:
    """`neardup.…` and `stories.…` as the tool names them; RuntimeError with its words where it fails."""
    figures: Figures = {}
    for task, path in SETS if TOOL.exists() else ():
        figures |= {f"{task}.{name}": value for name, value in run_tool(task, path).items()}
    return figures


def run_tool(task: str, path: Path) -> Figures:
    """One labelled set's figures, flat."""
    done = subprocess.run(
        [sys.executable, str(TOOL), task, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    first = done.stdout.strip().partition("\n")[0]
    try:
        return {name: float(value) for name, value in flatten(json.loads(first)) if isinstance(value, (int, float))}
    except ValueError as error:
        raise RuntimeError(f"{task}: {(done.stdout + done.stderr).strip()[-300:]}") from error


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"b3": {"f1": .9}}` as `b3.f1`, .9."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
