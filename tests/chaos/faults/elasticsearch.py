"""Elasticsearch is down, stands still, or does not take documents."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.chaos.environment import COMMAND
from tests.chaos.pipeline import Pipeline
from tests.chaos.registry import fault
from tests.chaos.rounds import Round
from tests.chaos.traffic import wait_until

HELD_SECONDS = 20


@fault(messages=100, rate=1)
def elasticsearch_down_120(run: Round) -> None:
    """Elasticsearch is killed and comes back after two minutes."""
    with run.pipeline.away("elasticsearch"):
        run.wait(120)


@fault(messages=300, rate=0.6, patience=400, by_name=True)
def elasticsearch_down_600(run: Round) -> None:
    """Elasticsearch is killed and comes back after ten minutes."""
    with run.pipeline.away("elasticsearch"):
        run.wait(600)


@fault(messages=80, rate=2)
def elasticsearch_stop_60(run: Round) -> None:
    """Elasticsearch stands still (SIGSTOP) for a minute, longer than a request may take."""
    with run.pipeline.frozen("elasticsearch"):
        run.wait(60)


@fault(short=True)
def elasticsearch_write_block(run: Round) -> None:
    """The index of the articles has a write block for 20 seconds."""
    with blocked(run.pipeline, "index.blocks.write"):
        run.wait(HELD_SECONDS)


@fault()
def elasticsearch_flood_stage(run: Round) -> None:
    """All indices are read-only for 20 seconds, as they are when the disk is nearly full."""
    with blocked(run.pipeline, "index.blocks.read_only_allow_delete"):
        run.wait(HELD_SECONDS)


@fault()
def index_closed(run: Round) -> None:
    """The index of the articles is closed for 20 seconds."""
    names = indices_of(run.pipeline, "articles")
    run.pipeline.search_request("POST", f"/{names}/_close")
    try:
        run.wait(HELD_SECONDS)
    finally:
        run.pipeline.search_request("POST", f"/{names}/_open")


@fault()
def alias_without_index(run: Round) -> None:
    """The alias for writing articles is gone for 20 seconds."""
    name = indices_of(run.pipeline, "articles")
    alias = {"index": name, "alias": "articles-write"}
    run.pipeline.search_request("POST", "/_aliases", {"actions": [{"remove": alias}]})
    try:
        run.wait(HELD_SECONDS)
    finally:
        run.pipeline.search_request("POST", "/_aliases", {"actions": [{"add": {**alias, "is_write_index": True}}]})


@fault()
def alias_without_write_index(run: Round) -> None:
    """The alias for writing articles has two indices and no write index for 20 seconds."""
    name = indices_of(run.pipeline, "articles")
    other = "articles-v0-chaos"
    run.pipeline.search_request("PUT", f"/{other}")
    actions = [
        {"add": {"index": name, "alias": "articles-write", "is_write_index": False}},
        {"add": {"index": other, "alias": "articles-write", "is_write_index": False}},
    ]
    run.pipeline.search_request("POST", "/_aliases", {"actions": actions})
    try:
        run.wait(HELD_SECONDS)
    finally:
        run.pipeline.search_request("DELETE", f"/{other}")
        again = {"index": name, "alias": "articles-write", "is_write_index": True}
        run.pipeline.search_request("POST", "/_aliases", {"actions": [{"add": again}]})


@fault(messages=80, rate=5)
def indexer_kills(run: Round) -> None:
    """The indexer gets kill -9 eight times."""
    for _ in range(8):
        run.wait(0.5, 2.5)
        run.pipeline.kill("indexer")


@fault(messages=120, rate=4)
def reindex_with_kills(run: Round) -> None:
    """`reindex` is killed three times, with the indexer killed meanwhile, and then runs to its end."""
    for _ in range(3):
        with run.pipeline.beside("-c", COMMAND, "reindex", log="reindex") as reindex:
            run.wait(1.0, 3.0)
            run.pipeline.kill("indexer")
            reindex.kill()
    began = time.monotonic()
    wait_until(lambda: "indexer" in run.pipeline.pids(), 30)
    done = run.pipeline.run("reindex")
    run.notes["reindex_seconds"] = round(time.monotonic() - began)
    if done.returncode:
        run.needs.append(f"`reindex` after the kills ended with {done.returncode}: {done.stderr[-200:]}")


def indices_of(pipeline: Pipeline, alias: str) -> str:
    """The indices behind an alias, comma-separated."""
    return ",".join(sorted(pipeline.search_request("GET", f"/_alias/{alias}")))


@contextmanager
def blocked(pipeline: Pipeline, setting: str) -> Iterator[None]:
    """All indices have this block inside the block of code."""
    pipeline.search_request("PUT", "/articles-v*,stories-v*/_settings", {setting: True})
    try:
        yield
    finally:
        pipeline.search_request("PUT", "/articles-v*,stories-v*/_settings", {setting: None})
