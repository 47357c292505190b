"""A worker that loses articles: it acknowledges every fifth one without sending it. A test of the oracle runs it.

python lossy_worker.py FILE     (the file gets the ids of what was lost, and is there once messages are taken)
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from schemas.topics import DEAD, ENRICHED, RAW
from services.common.dead_letters import Received
from services.common.faust_app import make_app, run_app
from services.common.stream import Handled, StreamWorker, prepare
from services.worker.app import make_handler
from services.worker.settings import WorkerSettings
from services.worker.stages import stage_slice, warm_up

LOSES_EVERY = 5


def main(losses: Path) -> None:
    settings = WorkerSettings(instance="lossy")
    prepare(settings, "lossy", RAW, ENRICHED, DEAD)
    stages = stage_slice((), vectors=settings.vectors)
    warm_up(stages)
    handler = make_handler(settings, stages, RAW, ENRICHED)
    taken = 0

    def handle_or_lose(received: Received) -> Handled:
        nonlocal taken
        taken += 1
        if taken % LOSES_EVERY:
            (outcome,) = handler.handle([received])
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        with losses.open("ab") as file:
            file.write((received.key or b"") + b"\n")
        return Handled("enriched")

    app = make_app(settings, settings.name("worker"), settings.home / "faust" / "lossy")
    worker = StreamWorker(settings, "lossy", app, RAW, handle_or_lose)
    threading.Thread(target=announce, args=(worker, losses), daemon=True).start()
    run_app(app)


def announce(worker: StreamWorker, file: Path) -> None:
    """Make the file once there are partitions."""
    while not worker.assigned():
        time.sleep(0.2)
    file.touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
