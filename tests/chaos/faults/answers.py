"""Elasticsearch behind a proxy that gives bad answers, which a gateway or a sick cluster may give."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.chaos.bad_answers import ANSWERS
from tests.chaos.pipeline import Pipeline
from tests.chaos.proxy import Proxy
from tests.chaos.registry import fault
from tests.chaos.rounds import Round
from tests.chaos.traffic import wait_until

EACH_SECONDS = 3.0
ALL_SECONDS = 330.0
"""A round of all kinds ends then, even if some kinds have had no turn. Its articles come for as long: a turn needs a
request. The notes name the kinds without a turn, and another seed begins with other kinds."""
LONGER = {"slow": 40.0, "hang": 100.0}
"""Seconds of a class with one kind of answer, where the usual ones would be too short for it."""
USUAL_SECONDS = 25.0


@fault(messages=330, rate=1)
def answers_of_all_kinds(run: Round) -> None:
    """All kinds of bad answers in turn, with good answers between them, in an order that the seed makes."""
    kinds = [name for name in ANSWERS if name not in LONGER]
    run.random.shuffle(kinds)
    behind_proxy(run, tuple(kinds), ALL_SECONDS)


def make_class(kind: str) -> Callable[[Round], None]:
    """The class with one kind of answer."""

    def act(run: Round) -> None:
        behind_proxy(run, (kind,), LONGER.get(kind, USUAL_SECONDS))

    act.__doc__ = f"Bad answers of Elasticsearch of one kind: {ANSWERS[kind].says}."
    return act


for _kind in ANSWERS:
    fault(messages=60, rate=3, by_name=True, name=f"answers_{_kind}")(make_class(_kind))


def behind_proxy(run: Round, kinds: tuple[str, ...], seconds: float) -> None:
    """The indexer runs behind the proxy until every kind has had its turn, or for `seconds`."""
    pipeline = run.pipeline
    with pipeline.stopped("indexer"), Proxy(pipeline.ports.elasticsearch_port, kinds, EACH_SECONDS) as proxy:
        with indexer_behind(pipeline, proxy.port) as starts:
            wait_until(lambda: proxy.turns.is_done, seconds)
        run.notes["indexer_starts"] = len(starts)
    run.notes["bad_answers"] = dict(proxy.given)
    run.notes["kinds_without_turn"] = [kind for kind in kinds if kind not in proxy.given]


@contextmanager
def indexer_behind(pipeline: Pipeline, port: int) -> Iterator[list[int]]:
    """An indexer runs beside the stack and finds Elasticsearch at this port. Yields the pids that it has had.

    It is started again whenever it ends, as the supervisor would do. Stop the supervised one before.
    """
    is_over = threading.Event()
    pids: list[int] = []
    environment = {"DRAGOMAN_INSTANCE": "indexer", "DRAGOMAN_ELASTICSEARCH_URL": f"http://127.0.0.1:{port}"}

    def keep_running() -> None:
        while not is_over.is_set():
            with pipeline.beside("-m", "services.indexer", log="indexer-behind-proxy", **environment) as process:
                pids.append(process.pid)
                while process.poll() is None and not is_over.wait(0.2):
                    pass

    thread = threading.Thread(target=keep_running, daemon=True)
    thread.start()
    try:
        yield pids
    finally:
        is_over.set()
        thread.join()
