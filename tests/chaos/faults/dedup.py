"""dedup is killed, starts twice, or finds its local store damaged. The changelog on Kafka has everything."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from services.common.exits import EXIT_TEMPORARY
from services.common.settings import ENDPOINTS_FILE
from tests.chaos.registry import SkippedError, fault
from tests.chaos.rounds import Round
from tests.chaos.traffic import wait_until

FLIPPED_BYTES = 8
BESIDE_SECONDS = 40
"""Long enough to join the group and to take over, also where a Python program starts slowly."""
REFUSED_SECONDS = 90
"""A second dedup must have ended by then, also where a Python program starts slowly."""


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
    """A second dedup with the same instance starts in the same home, and is refused."""
    second_dedup(run, "dedup", is_refused=True)


@fault(messages=180, rate=4)
def dedup_second_other_name(run: Round) -> None:
    """A second dedup with another instance starts in the same home. It must be refused, or harmless."""
    second_dedup(run, "dedup-2")


@fault(messages=160, rate=4)
def dedup_second_other_home(run: Round) -> None:
    """A second dedup starts in another home, in the same consumer group, and is refused after some 20 seconds."""
    other = run.folder / "other-home"
    other.mkdir()
    shutil.copy(run.pipeline.home / ENDPOINTS_FILE, other)
    second_dedup(run, "dedup", is_refused=True, DRAGOMAN_HOME=str(other))


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


def second_dedup(run: Round, instance: str, *, is_refused: bool = False, **more: str) -> None:
    """Run a second dedup until it ends, or for a while. One that is not refused must be harmless."""
    began = time.monotonic()
    seconds = REFUSED_SECONDS if is_refused else BESIDE_SECONDS
    with run.pipeline.beside("-m", "services.dedup", log="second-dedup", DRAGOMAN_INSTANCE=instance, **more) as second:
        wait_until(lambda: second.poll() is not None, seconds)
        run.notes["second_exit"] = second.poll()
        run.notes["second_seconds"] = round(time.monotonic() - began)
        if is_refused and second.poll() != EXIT_TEMPORARY:
            run.needs.append(f"a second dedup was not refused with {EXIT_TEMPORARY}, but ended with {second.poll()}")
        second.kill()
