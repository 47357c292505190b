"""Figures of one process and of the machine, and the targets for comparison."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from benchmarks.corpus import ROOT

MIB = 1024 * 1024
PER = 1000
"""CPU is given in seconds per this many articles."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The targets of the project: articles per second, and MiB of one process."""

    pipeline_with_vectors: float = 40
    pipeline_without_vectors: float = 120
    producer: float = 5000
    indexer: float = 4000
    process_mib: float = 600
    polls: float = 300
    collector_mib: float = 300


TARGETS = Targets()


def peak_mib() -> float:
    """The peak resident memory of this process in MiB.

    Linux passes `ru_maxrss` on through fork and exec, so a small child of a large parent would show the value of its
    parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MIB if sys.platform == "darwin" else 1024)


def run_child(module: str, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run one of our modules in a separate process and read the JSON object on its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**clean_environment(), **(environment or {})},
        stdout=subprocess.PIPE,
        check=True,
    )
    read: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return read


def clean_environment() -> dict[str, str]:
    """The environment without settings that would measure another stack. The cache and Java stay."""
    kept = {"DRAGOMAN_CACHE", "DRAGOMAN_JAVA_HOME", "DRAGOMAN_WORKERS", "DRAGOMAN_PARTITIONS"}
    return {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_") or name in kept}


def conditions(articles: int, mean_characters: float, origin: str) -> dict[str, Any]:
    """The conditions that are needed to interpret a figure."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "loop_ms": round(statistics.median(loop_ms() for _ in range(20)), 2),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "articles": articles,
        "mean_characters": round(mean_characters),
        "made_from": origin,
    }


def loop_ms() -> float:
    """Milliseconds that this machine needs for 100,000 additions in Python, now.

    The speed of a shared machine changes from minute to minute, by a factor of two. A figure says little without it.
    """
    began = time.perf_counter()
    total = 0
    for number in range(100_000):
        total += number
    return (time.perf_counter() - began) * 1000


def cpu_model() -> str:
    """The name of the CPU, as the system reports it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share (0 to 1) of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Mean, median and 99th percentile in milliseconds."""
    return {
        "ms": round(statistics.fmean(seconds) * 1000, 4),
        "median_ms": round(statistics.median(seconds) * 1000, 4),
        "p99_ms": round(percentile(seconds, 0.99) * 1000, 4),
    }
