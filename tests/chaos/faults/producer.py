"""The producer is killed, its store is locked, or there are two of it. What it answered 202 is a promise."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from services.common.exits import EXIT_TEMPORARY
from services.producer.settings import ProducerSettings
from tests.chaos.registry import Traffic, fault
from tests.chaos.rounds import Round
from tests.chaos.traffic import Replay, articles_of, wait_until, write_lines

LOCKED_SECONDS = 30
REFUSED_SECONDS = 60
"""A second producer must have ended by then, also where a Python program starts slowly."""


@fault(messages=80, rate=8, traffic=Traffic.PUSH)
def producer_killed_while_pushed_to(run: Round) -> None:
    """The producer gets kill -9 five times while articles are pushed."""
    for _ in range(5):
        run.wait(0.5, 4)
        run.pipeline.kill("producer")


@fault(messages=80, rate=8, traffic=Traffic.PUSH)
def producer_killed_without_kafka(run: Round) -> None:
    """Kafka is away, articles are pushed, and the producer gets kill -9 twice."""
    with run.pipeline.away("kafka"):
        for seconds in (6, 8, 8):
            run.wait(seconds)
            run.pipeline.kill("producer")


@fault(traffic=Traffic.OWN)
def replay_killed_in_mid_file(run: Round) -> None:
    """A replay gets kill -9 four times, and is started again each time."""
    messages, rate = 120, 25.0
    path = run.new_file()
    write_lines(path, articles_of(run.make_seed(), messages))
    for _ in range(4):
        replay = Replay(run.pipeline, path, messages, rate)
        replay.launch()
        run.wait(3.5, 6)
        replay.abort()
    run.send(Replay(run.pipeline, path, messages, rate), rate)


@fault(messages=80, rate=6, traffic=Traffic.PUSH)
def producer_store_locked(run: Round) -> None:
    """Another process holds the producer's store locked for 30 seconds."""
    store = ProducerSettings(home=run.pipeline.home).store_file
    with closing(sqlite3.connect(store, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        run.wait(LOCKED_SECONDS)
        connection.execute("ROLLBACK")


@fault(messages=60, rate=4, traffic=Traffic.PUSH)
def two_producers(run: Round) -> None:
    """A second producer starts on the same store, and two replays send the same file at the same time."""
    with run.pipeline.beside(
        "-m", "services.producer", log="second-producer", DRAGOMAN_INSTANCE="producer-2"
    ) as second:
        path = run.new_file()
        count = write_lines(path, articles_of(run.make_seed(), 60))
        for _ in range(2):
            run.send(Replay(run.pipeline, path, count, 10), 10)
        wait_until(lambda: second.poll() is not None, REFUSED_SECONDS)
        run.notes["second_exit"] = second.poll()
        if second.poll() != EXIT_TEMPORARY:
            run.needs.append("a second producer on the same store was not refused")
