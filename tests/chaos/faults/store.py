"""The SQLite store of the producer is damaged, and a person puts a copy back.

What can be promised is little. SQLite has no checksums: it notices damage to the structure of its file, and not a
flipped byte in the middle of a revision or a hash. Damage to its write-ahead log looks as if the last transactions had
never been. So these classes stop the producer in good order, which empties that log, and damage the structure.

This needs a person, and that is what is promised. The producer must not go on: it ends with the exit code of a wrong
configuration and a sentence that names the store. A push is not accepted, so nothing is promised that a copy does not
have. `replay` sends nothing and `verify` does not judge: both end with the same code and sentence. When a person has
put a copy from before in its place, everything goes on and nothing is lost. Then the round has held, and its line names
what the person did.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from services.common.exits import EXIT_CONFIGURATION
from services.producer.settings import ProducerSettings
from tests.chaos.pipeline import Pipeline
from tests.chaos.registry import SkippedError, Traffic, fault
from tests.chaos.rounds import Round, wait_until_settled
from tests.chaos.traffic import articles_of, push, wait_until, write_lines

MESSAGES = 40
RATE = 10.0
FLIPPED_BYTES = 8
PAGE_BYTES = 4096
NAME_BYTES = 16
"""The name of the format, which the file begins with."""
REFUSAL_SECONDS = 30
SETTLE_SECONDS = 120
ACCEPTED = ("accepted", "unchanged")


@fault(traffic=Traffic.OWN)
def producer_store_flipped(run: Round) -> None:
    """Eight bytes of each page but the first one of the producer's store are flipped. A person puts a copy back."""
    damage_store(run, flip_pages)


@fault(traffic=Traffic.OWN)
def producer_store_header_flipped(run: Round) -> None:
    """Bytes in the header of the producer's store are flipped. A person puts a copy back."""
    damage_store(run, flip_header)


@fault(traffic=Traffic.OWN)
def producer_store_cut(run: Round) -> None:
    """The producer's store loses its second half. A person puts a copy back."""
    damage_store(run, cut_in_half)


def flip_pages(path: Path, chance: random.Random) -> None:
    """Flip some bytes of each page. Opening the store reads the first page only, so that one stays whole."""
    data = bytearray(path.read_bytes())
    for start in range(PAGE_BYTES, len(data), PAGE_BYTES):
        for _ in range(FLIPPED_BYTES):
            data[chance.randrange(start, start + PAGE_BYTES)] ^= 0xFF
    path.write_bytes(data)


def flip_header(path: Path, chance: random.Random) -> None:
    """Flip some bytes of the name of the format."""
    data = bytearray(path.read_bytes())
    for place in chance.sample(range(NAME_BYTES), FLIPPED_BYTES):
        data[place] ^= 0xFF
    path.write_bytes(data)


def cut_in_half(path: Path, _chance: random.Random) -> None:
    """Cut the file to half its pages."""
    os.truncate(path, path.stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)


def damage_store(run: Round, damage: Callable[[Path, random.Random], None]) -> None:
    """Send articles, damage the store, look at what everybody says, put the copy back, and send more articles."""
    pipeline = run.pipeline
    run.push(MESSAGES, RATE)
    run.finish_sending()
    wait_until_settled(pipeline, SETTLE_SECONDS)
    store, log = ProducerSettings(home=pipeline.home).store_file, pipeline.home / "logs" / "producer.log"
    copy = run.folder / store.name
    with pipeline.stopped("producer"):
        shutil.copy(store, copy)
        damage(store, run.random)
        if is_sound(store, run.folder):
            raise SkippedError("the damage hit nothing that SQLite could notice")
        ends, logged = len(exit_codes(pipeline)), log.stat().st_size
    has_ended = wait_until(lambda: len(exit_codes(pipeline)) > ends, REFUSAL_SECONDS)
    said = log.read_bytes()[logged:].decode("utf8", "replace")
    run.notes["producer_said"] = said.replace(str(pipeline.home), "$DRAGOMAN_HOME")[-300:]
    codes = run.notes["producer_ends"] = exit_codes(pipeline)[ends:]
    if not has_ended:
        run.needs.append("the producer goes on with a damaged store")
    elif str(store) not in said or "Traceback" in said:
        run.needs.append("the producer ends, but without a sentence that names the damaged store")
    if any(code != EXIT_CONFIGURATION for code in codes):
        run.needs.append(f"the producer ends with {codes}, and not always with {EXIT_CONFIGURATION}")
    answer = run.notes["push_answer"] = try_push(run, pipeline)
    if answer in ACCEPTED:
        run.needs.append("a push is accepted with a damaged store, and a copy does not have it")
    ask_commands(run, pipeline)
    with pipeline.stopped("producer"):
        for name in (store.name, f"{store.name}-wal", f"{store.name}-shm"):
            store.with_name(name).unlink(missing_ok=True)
        shutil.copy(copy, store)
    run.notes["person"] = "put a copy of the store in its place"
    run.push(MESSAGES, RATE)


def try_push(run: Round, pipeline: Pipeline) -> str:
    """Push one article, and return the answer. It is no promise to the oracle, because the copy is put back later."""
    try:
        return str(push(pipeline, articles_of(run.make_seed(), 1))[0]["status"])
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def is_sound(store: Path, folder: Path) -> bool:
    """Whether SQLite finds nothing wrong with a copy of the store."""
    copy = folder / "examined.sqlite"
    shutil.copy(store, copy)
    try:
        with closing(sqlite3.connect(copy)) as connection:
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False


def exit_codes(pipeline: Pipeline) -> list[int]:
    """The codes that the producer has ended with, in order, without the ends that it was told to come to."""
    text = (pipeline.home / "logs" / "supervisord.log").read_text(encoding="utf8", errors="replace")
    return [int(code) for code in re.findall(r"exited: producer \(exit status (\d+)", text)]


def ask_commands(run: Round, pipeline: Pipeline) -> None:
    """Run the commands that read or write the store. None may end with a traceback.

    The two that rely on what the store says must refuse it by name. `status` only counts.
    """
    store = ProducerSettings(home=pipeline.home).store_file
    path = run.new_file()
    write_lines(path, articles_of(run.make_seed(), 1))
    exits: dict[str, int] = {}
    for name, *arguments in (("status",), ("verify",), ("replay", str(path))):
        done = pipeline.run(name, *arguments, timeout=120)
        said = done.stdout + done.stderr
        exits[name] = done.returncode
        if "Traceback" in said:
            run.needs.append(f"`{name}` ends with a traceback: {said.strip().splitlines()[-1][-150:]}")
        elif name != "status" and (done.returncode != EXIT_CONFIGURATION or not names(said, store)):
            run.needs.append(f"`{name}` ends with {done.returncode} on a damaged store: {said.strip()[-150:]}")
    run.notes["command_exits"] = exits


def names(said: str, store: Path) -> bool:
    """Whether a text names the store. A terminal breaks lines."""
    return str(store) in said.replace("\n", "") or str(store) in said.replace("\n", " ")
