"""The machine has a wrong clock, or no more memory or disk space.

A power cut is missing. It loses what was written and is not on the disk yet, while the kernel still writes that after
every kill here. Only a block device that drops writes can show it (dm-flakey, dm-log-writes), and that takes root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.chaos.environment import with_clock
from tests.chaos.faults.kills import up_again
from tests.chaos.pipeline import Pipeline, PipelineError
from tests.chaos.registry import Place, SkippedError, Traffic, fault
from tests.chaos.rounds import Round
from tests.chaos.traffic import wait_until

SHARES = (0.5, 0.6, 0.65, 0.7, 0.8)
"""Shares of the address space that a worker usually takes. A limit on a worker that runs changes nothing, because it
has enough free memory of its own by then."""
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_AS, ({0}, {0})); "
WORKER = "from services.worker.app import main; main()"
LIMITED_SECONDS = 30
"""A worker with too little memory ends within this time, also where a Python program starts slowly."""
DISK_MEGABYTES = 1500
BLOCK_BYTES = 2**20
FULL_SECONDS = 40
UP_AGAIN_SECONDS = 20
PAST_SECONDS, FUTURE_SECONDS = -30 * 24 * 3600, 2 * 3600
RETENTION_SECONDS = 660
"""Kafka looks for messages to remove every five minutes, and takes the files away a minute later."""


@fault(messages=100, rate=2)
def out_of_memory(run: Round) -> None:
    """A worker may have only a part of the memory that it needs, and ends at different moments."""
    name = "worker-1"
    usual = psutil.Process(run.pipeline.pid(name)).memory_info().vms
    exits: dict[str, int | None] = {}
    with run.pipeline.stopped(name):
        for share in SHARES:
            code = LIMIT.format(int(usual * share)) + WORKER
            with run.pipeline.beside("-c", code, log="limited", DRAGOMAN_INSTANCE=name) as worker:
                wait_until(lambda process=worker: process.poll() is not None, LIMITED_SECONDS)  # type: ignore[misc]
                exits[f"{share:.0%}"] = worker.poll()
    run.notes["exits"] = exits
    if all(code is None for code in exits.values()):
        raise PipelineError("no limit of memory ended a worker")


@fault(traffic=Traffic.OWN, place=Place.OWN, patience=300)
def disk_full(run: Round) -> None:
    """The disk of Kafka, Elasticsearch and all stores is full for 40 seconds."""
    disk = run.cleanup.enter_context(small_disk(DISK_MEGABYTES))
    run.stack = run.cleanup.enter_context(Pipeline(disk / "home"))
    run.stack.start()
    run.replay(100, 2)
    run.wait(5)
    ballast = disk / "ballast"
    try:
        fill(ballast)
        run.notes["free_bytes"] = shutil.disk_usage(disk).free
        run.wait(FULL_SECONDS)
    finally:
        ballast.unlink()
    run.wait(UP_AGAIN_SECONDS)
    if not run.stack.supervisor.is_running():
        run.needs.append("the supervisor ended, so that nothing starts again until a person runs `up`")
        up_again(run)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb") as file, suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(BLOCK_BYTES))


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system in memory. SkippedError if this user may not mount one."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode:
            raise SkippedError(f"no file system can be mounted here: {mounted.stderr.strip()[:100]}")
        try:
            yield folder
        finally:
            if subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode:
                subprocess.run(["umount", "--lazy", str(folder)], check=False)
    finally:
        with suppress(OSError):
            folder.rmdir()


@fault(traffic=Traffic.OWN)
def clock_of_a_replay_behind(run: Round) -> None:
    """The clock of a replay is thirty days behind."""
    run.replay(60, 8, PAST_SECONDS)


@fault(traffic=Traffic.OWN)
def clock_of_a_replay_ahead(run: Round) -> None:
    """The clock of a replay is two hours ahead."""
    run.replay(60, 8, FUTURE_SECONDS)


@fault(messages=80, rate=4)
def clock_of_a_worker_ahead(run: Round) -> None:
    """The clock of a worker is two hours ahead, for 20 seconds."""
    name = "worker-1"
    code = with_clock(FUTURE_SECONDS, WORKER)
    with (
        run.pipeline.stopped(name),
        run.pipeline.beside("-c", code, log="wrong-clock", DRAGOMAN_INSTANCE=name) as worker,
    ):
        run.wait(20)
        run.notes["worker_exit"] = worker.poll()


@fault(traffic=Traffic.OWN, place=Place.FRESH, by_name=True)
def clock_behind_and_retention(run: Round) -> None:
    """The clock of a replay is thirty days behind, and the workers come after eleven minutes."""
    with run.pipeline.stopped("worker-1", "worker-2"):
        run.replay(60, 8, PAST_SECONDS)
        run.wait(RETENTION_SECONDS)
