"""Kafka goes away, for a short or a long time, or stands still."""

from __future__ import annotations

from tests.chaos.registry import fault
from tests.chaos.rounds import Round


@fault()
def baseline(run: Round) -> None:
    """Nothing happens: the oracle must not find anything."""
    run.wait(0)


@fault(short=True)
def kafka_kill_10(run: Round) -> None:
    """Kafka is killed and comes back after 10 seconds."""
    with run.pipeline.away("kafka"):
        run.wait(10)


@fault(messages=80, rate=2)
def kafka_kill_70(run: Round) -> None:
    """Kafka is killed and comes back after 70 seconds."""
    with run.pipeline.away("kafka"):
        run.wait(70)


@fault(messages=80, rate=2.5)
def kafka_stop_40(run: Round) -> None:
    """Kafka stands still (SIGSTOP) for 40 seconds."""
    with run.pipeline.frozen("kafka"):
        run.wait(40)
