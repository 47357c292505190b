"""An embedded stack for one measurement, and samples of the CPU seconds and memory of its processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from benchmarks.corpus import ROOT
from benchmarks.speed.measures import MIB, PER, clean_environment
from services.embedded.elasticsearch import LAUNCH_FILE, Elasticsearch
from services.embedded.state import Stack, read_stack
from services.embedded.supervisor import Supervisor

SAMPLE_SECONDS = 0.5
DRAGOMAN = Path(sys.executable).with_name("dragoman")


@dataclass(frozen=True, slots=True)
class Running:
    """A running stack: its folder, its addresses, and whether its workers compute vectors."""

    home: Path
    stack: Stack
    vectors: bool

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which `dragoman` and our child processes find only this stack."""
        return stack_environment(self.home, vectors=self.vectors)

    def command(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `dragoman …` on this stack."""
        return subprocess.Popen(
            [str(DRAGOMAN), *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
        )

    def roots(self) -> dict[str, psutil.Process]:
        """Every process of the stack by name. Elasticsearch runs next to the process that holds it."""
        found = {}
        for state in Supervisor(self.home).states():
            process = _process(state.pid)
            if process is not None:
                found[state.name] = process
        launch = self.home / "elasticsearch" / LAUNCH_FILE
        server = Elasticsearch(**json.loads(launch.read_text(encoding="utf8"))).process()
        if server is not None:
            found["elasticsearch"] = server
        return found


def stack_environment(home: Path, *, vectors: bool) -> dict[str, str]:
    """The environment of a stack in this folder."""
    return {**clean_environment(), "DRAGOMAN_HOME": str(home), "DRAGOMAN_VECTORS": str(vectors).lower()}


@contextmanager
def embedded_stack(*, vectors: bool) -> Iterator[Running]:
    """A separate stack in a temporary folder. It is always stopped and removed."""
    home = Path(tempfile.mkdtemp(prefix="dragoman-bench-"))
    environment = stack_environment(home, vectors=vectors)
    try:
        subprocess.run([str(DRAGOMAN), "up", "--detach"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
        stack = read_stack(home)
        if stack is None:
            raise RuntimeError(f"`dragoman up` left no description of the stack in {home}")
        yield Running(home, stack, vectors)
    finally:
        subprocess.run([str(DRAGOMAN), "down"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=False)
        shutil.rmtree(home, ignore_errors=True)


@dataclass(slots=True)
class Cost:
    """CPU seconds of all processes under one name, and the peak of their total resident memory in bytes."""

    start: dict[int, float] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)
    peak_bytes: int = 0

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds since the first sample. A new process counts with everything that it used before."""
        return sum(seconds - self.start.get(pid, 0.0) for pid, seconds in self.last.items())

    def add(self, usages: dict[int, tuple[float, int]]) -> None:
        """Add one sample: (CPU seconds, bytes) by pid."""
        if not self.last:
            self.start = {pid: seconds for pid, (seconds, _) in usages.items()}
        self.last.update({pid: seconds for pid, (seconds, _) in usages.items()})
        self.peak_bytes = max(self.peak_bytes, sum(size for _, size in usages.values()))


@dataclass(slots=True)
class Sampler:
    """Samples the processes of a stack, and other processes by name, twice per second inside the `with` block."""

    running: Running
    others: dict[str, psutil.Process] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.sample()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self.sample()

    def watch(self, name: str, pid: int) -> None:
        """Sample another process from its start."""
        process = _process(pid)
        self.costs.setdefault(name, Cost(last={pid: 0.0}))
        if process is not None:
            self.others = {**self.others, name: process}

    def _run(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            self.sample()

    def sample(self) -> None:
        """Take one sample of every process."""
        for name, process in {**self.running.roots(), **self.others}.items():
            self.costs.setdefault(name, Cost()).add(_usages(process))

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds of each process since the first sample, as of now."""
        self.sample()
        return {name: cost.cpu_seconds for name, cost in list(self.costs.items())}

    def figures(self, articles: int) -> list[dict[str, Any]]:
        """CPU seconds, also per 1,000 articles, and peak MiB of each process. Services come before servers."""
        names = sorted(self.costs, key=lambda name: (name in {"kafka", "elasticsearch"}, name))
        return [
            {
                "process": name,
                "cpu_seconds": round(self.costs[name].cpu_seconds, 2),
                "cpu_seconds_per_1000": round(self.costs[name].cpu_seconds / max(1, articles) * PER, 3),
                "peak_mib": round(self.costs[name].peak_bytes / MIB, 1),
            }
            for name in names
        ]


def _process(pid: int | None) -> psutil.Process | None:
    try:
        return psutil.Process(pid) if pid else None
    except psutil.Error:
        return None


def _usages(process: psutil.Process) -> dict[int, tuple[float, int]]:
    """(CPU seconds so far, resident bytes) of a process and all its descendants, by pid."""
    usages: dict[int, tuple[float, int]] = {}
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return usages
    for member in family:
        try:
            times, memory = member.cpu_times(), member.memory_info()
        except psutil.Error:
            continue
        usages[member.pid] = (times.user + times.system, memory.rss)
    return usages


def load_average() -> float:
    """The mean number of runnable processes over the last minute. Above the number of cores, other work ran too."""
    return round(os.getloadavg()[0], 2)
