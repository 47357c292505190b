"""dedup is killed, starts twice, or finds its local store damaged. The changelog on Kafka has everything."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.chaos.registry import SkippedError, fault
from tests.chaos.rounds import Round

FLIPPED_BYTES = 8
BESIDE_SECONDS = 20


@fault(messages=100, rate=4, short=True)
def dedup_killed_while_restoring(run: Round) -> None:
    """The store of dedup is lost, and dedup gets kill -9 five times while it restores it."""
    with run.pipeline.stopped("dedup"):
        shutil.rmtree(store_of(run))
    for _ in range(3 if run.is_short else 5):
        run.wait(2.5, 6)
        run.pipeline.kill("dedup")


@fault(messages=100, rate=4)
def dedup_second_same_name(run: Round) -> None:
    """A second dedup with the same instance starts beside the first one."""
    second_dedup(run, "dedup")


@fault(messages=100, rate=4)
def dedup_second_other_name(run: Round) -> None:
    """A second dedup with another instance starts beside the first one, and is killed."""
    second_dedup(run, "dedup-2")


@fault(messages=60, rate=3, patience=150)
def dedup_store_cut(run: Round) -> None:
    """The files CURRENT and MANIFEST of dedup's store lose their second half."""
    cut(run, ("CURRENT", "MANIFEST"))


@fault(messages=60, rate=3, patience=150)
def dedup_manifest_cut(run: Round) -> None:
    """Only the file MANIFEST of dedup's store loses its second half."""
    cut(run, ("MANIFEST",))


@fault(messages=60, rate=3, patience=150)
def dedup_log_cut(run: Round) -> None:
    """The write-ahead log of dedup's store loses its second half."""
    cut(run, (".log",))


@fault(messages=60, rate=3, patience=150)
def dedup_store_flipped(run: Round) -> None:
    """Bytes of dedup's store are flipped, in its tables and logs."""
    flipped = 0
    with run.pipeline.away("dedup"):
        for path in files_of(run, (".sst", ".log")):
            data = bytearray(path.read_bytes())
            for _ in range(FLIPPED_BYTES):
                data[run.random.randrange(len(data))] ^= 0xFF
            path.write_bytes(data)
            flipped += 1
    run.notes["files"] = flipped


def store_of(run: Round) -> Path:
    """The folder of dedup's local store."""
    return run.pipeline.home / "faust" / "dedup"


def files_of(run: Round, kinds: tuple[str, ...]) -> list[Path]:
    """The files of the store whose names begin or end so, and that are not empty."""
    files = (path for path in sorted(store_of(run).rglob("*")) if path.is_file() and path.stat().st_size > 1)
    found = [path for path in files if path.name.startswith(kinds) or path.name.endswith(kinds)]
    if not found:
        raise SkippedError(f"the store of dedup has no file {' or '.join(kinds)}")
    return found


def cut(run: Round, kinds: tuple[str, ...]) -> None:
    """Cut files to half their length while dedup is away. Killed, it leaves more files than at an orderly end."""
    with run.pipeline.away("dedup"):
        files = files_of(run, kinds)
        for path in files:
            os.truncate(path, path.stat().st_size // 2)
    run.notes["files"] = len(files)


def second_dedup(run: Round, instance: str) -> None:
    """Run a second dedup for a while. It may be refused, and otherwise it must be harmless."""
    name = "second-dedup"
    with run.pipeline.beside("-m", "services.dedup", log=name, DRAGOMAN_INSTANCE=instance) as second:
        run.wait(BESIDE_SECONDS)
        run.notes["second_exit"] = second.poll()
        second.kill()
