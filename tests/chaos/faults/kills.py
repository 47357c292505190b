"""Several processes are killed, in any order or all at once."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil

from services.embedded.stack import service_names
from tests.chaos.pipeline import PipelineError
from tests.chaos.registry import fault
from tests.chaos.rounds import Round

KILLS = 10


@fault(messages=120, rate=5)
def random_kills(run: Round) -> None:
    """Ten kill -9 at random moments, of any service and Kafka."""
    names = [*service_names(2), "kafka"]
    killed = []
    for _ in range(KILLS):
        run.wait(0.5, 3)
        name = run.random.choice(names)
        with suppress(PipelineError):
            run.pipeline.kill(name)
            killed.append(name)
    run.notes["killed"] = killed


@fault(messages=120, rate=6)
def everything_killed(run: Round) -> None:
    """Every process gets kill -9, the supervisor too, and `up` starts them again."""
    for process in run.pipeline.processes():
        with suppress(psutil.Error):
            if not is_replay(process):
                process.kill()
    run.wait(2)
    up_again(run)


@fault(messages=120, rate=5)
def down_and_up(run: Round) -> None:
    """`down` and `up` in the middle of a replay."""
    run.pipeline.run("down")
    up_again(run)


def is_replay(process: psutil.Process) -> bool:
    """Whether this is the sender of the round, which is no part of the stack."""
    return "replay" in process.cmdline()


def up_again(run: Round) -> None:
    """Run `up`. If it fails, a person has to run it again."""
    began = time.monotonic()
    for attempt in range(3):
        started = run.pipeline.run("up", "--detach")
        run.notes["up_seconds"] = round(time.monotonic() - began)
        if started.returncode == 0:
            return
        run.needs.append(f"`up` failed with {started.returncode} (attempt {attempt + 1}): {started.stderr[-300:]}")
    raise PipelineError("`up` does not start the stack any more")
