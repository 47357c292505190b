"""Elasticsearch behind a proxy that gives bad answers, which a gateway or a sick cluster may give."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.chaos.bad_answers import ANSWERS
from tests.chaos.proxy import Proxy
from tests.chaos.registry import fault
from tests.chaos.rounds import Round

EACH_SECONDS = 3.0
ALL_SECONDS = 330.0
"""A campaign of all kinds ends then, even if some kinds have had no turn."""
LONGER = {"slow": 40.0, "hang": 100.0}
"""Seconds of a class with one kind of answer, where the usual ones would be too short for it."""
USUAL_SECONDS = 25.0


@fault(messages=220, rate=1.1)
def answers_of_all_kinds(run: Round) -> None:
    """All kinds of bad answers in turn, with good answers between them."""
    behind_proxy(run, tuple(name for name in ANSWERS if name not in LONGER), ALL_SECONDS)


def make_class(kind: str) -> Callable[[Round], None]:
    """The class with one kind of answer."""

    def act(run: Round) -> None:
        behind_proxy(run, (kind,), LONGER.get(kind, USUAL_SECONDS))

    act.__doc__ = f"Bad answers of Elasticsearch of one kind: {ANSWERS[kind].says}."
    return act


for _kind in ANSWERS:
    fault(messages=60, rate=3, by_name=True, name=f"answers_{_kind}")(make_class(_kind))


def behind_proxy(run: Round, kinds: tuple[str, ...], seconds: float) -> None:
    """The indexer runs behind the proxy until every kind has had its turn, or for `seconds`.

    The supervised one is stopped, and started again at the end.
    The indexer is started again whenever it ends, as the supervisor would do.
    """
    pipeline = run.pipeline
    starts = 0
    with pipeline.stopped("indexer"), Proxy(pipeline.ports.elasticsearch_port, kinds, EACH_SECONDS) as proxy:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not proxy.turns.is_done:
            with ExitStack() as running:
                process: subprocess.Popen[bytes] = running.enter_context(
                    pipeline.beside(
                        "-m",
                        "services.indexer",
                        log="indexer-behind-proxy",
                        DRAGOMAN_INSTANCE="indexer",
                        DRAGOMAN_ELASTICSEARCH_URL=f"http://127.0.0.1:{proxy.port}",
                    )
                )
                starts += 1
                while time.monotonic() < deadline and not proxy.turns.is_done and process.poll() is None:
                    time.sleep(0.2)
    run.notes["bad_answers"] = dict(proxy.given)
    run.notes["indexer_starts"] = starts
