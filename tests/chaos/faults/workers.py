"""Workers come and go."""

from __future__ import annotations

from tests.chaos.registry import fault
from tests.chaos.rounds import Round


@fault(messages=100, rate=4, short=True)
def workers_come_and_go(run: Round) -> None:
    """Workers are stopped and started six times, in turn."""
    for number in range(3 if run.is_short else 6):
        name = f"worker-{number % 2 + 1}"
        with run.pipeline.stopped(name):
            run.wait(1)
        run.wait(0.5, 3)


@fault(messages=100, rate=6)
def workers_killed_in_a_rebalance(run: Round) -> None:
    """Workers get kill -9 while partitions move from one to the other."""
    with run.pipeline.stopped("worker-2"):
        run.wait(1)
        run.pipeline.kill("worker-1")
    run.wait(2.5)
    run.pipeline.kill("worker-2")
    run.wait(1.5)
    run.pipeline.kill("worker-1")


@fault(messages=100, rate=4)
def worker_stop_25(run: Round) -> None:
    """A worker stands still (SIGSTOP) for 25 seconds, longer than its session, and goes on."""
    with run.pipeline.frozen("worker-1"):
        run.wait(25)
