"""Elasticsearch has as many shards as it may have, when somebody wants to make an index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess

from tests.chaos.faults.elasticsearch import indices_of
from tests.chaos.faults.kills import up_again
from tests.chaos.pipeline import Pipeline
from tests.chaos.registry import Place, Traffic, fault
from tests.chaos.rounds import Round
from tests.chaos.traffic import wait_until

LIMIT = "cluster.max_shards_per_node"
ALIASES = ("articles", "stories")
HELD_SECONDS = 20
START_SECONDS = 120
MESSAGES = 60
RATE = 8.0


@fault(messages=80, rate=4)
def shard_limit_while_reindexing(run: Round) -> None:
    """`reindex` meets the limit of shards. It says so and changes nothing, and without the limit it works."""
    pipeline = run.pipeline
    before = all_indices(pipeline)
    with no_more_shards(pipeline):
        check_refusal(run, "reindex", pipeline.run("reindex"))
    if all_indices(pipeline) != before:
        run.needs.append("`reindex` left indices behind, or changed the aliases")
    done = pipeline.run("reindex")
    if done.returncode:
        run.needs.append(f"`reindex` without the limit ended with {done.returncode}: {done.stderr[-200:]}")


@fault(traffic=Traffic.OWN, place=Place.FRESH)
def shard_limit_while_indexer_starts(run: Round) -> None:
    """The indexer starts without its indices, and meets the limit of shards for 20 seconds."""
    pipeline = run.pipeline
    log = pipeline.home / "logs" / "indexer.log"
    with pipeline.stopped("indexer"):
        delete_indices(pipeline)
        logged = log.stat().st_size
        run.replay(MESSAGES, RATE)
        set_limit(pipeline, 1)
    run.wait(HELD_SECONDS)
    said = log.read_bytes()[logged:].decode("utf8", "replace")
    run.notes["indexer_said"] = said[-300:]
    if "shards" not in said:
        run.needs.append("the log of the indexer does not name the limit of shards")
    set_limit(pipeline, None)


@fault(traffic=Traffic.OWN, place=Place.FRESH)
def shard_limit_while_going_up(run: Round) -> None:
    """`up` has to make the indices, and meets the limit of shards. A person lifts it, and runs `up` again."""
    pipeline = run.pipeline
    pipeline.stop_service("indexer")
    delete_indices(pipeline)
    set_limit(pipeline, 1)
    pipeline.run("down")
    check_refusal(run, "up", pipeline.run("up", "--detach"))
    if pipeline.processes():
        run.needs.append("`up` failed and left processes behind")
    folder = str(pipeline.home / "elasticsearch")
    with pipeline.beside("-m", "services.embedded.elasticsearch", folder, log="elasticsearch-alone"):
        wait_until(lambda: answers(pipeline), START_SECONDS)
        set_limit(pipeline, None)
    up_again(run)
    run.replay(MESSAGES, RATE)


def check_refusal(run: Round, command: str, done: CompletedProcess[str]) -> None:
    """A command must end with a sentence that names the limit."""
    said = done.stdout + done.stderr
    run.notes[f"{command}_said"] = said[-300:]
    if not done.returncode:
        run.needs.append(f"`{command}` ended with 0 although the cluster takes no more shards")
    elif "Traceback" in said:
        run.needs.append(f"`{command}` ends with a traceback when the cluster takes no more shards")
    elif "shards" not in said:
        run.needs.append(f"`{command}` does not say that the cluster takes no more shards")


@contextmanager
def no_more_shards(pipeline: Pipeline) -> Iterator[None]:
    """The cluster takes no further shard inside the block."""
    set_limit(pipeline, 1)
    try:
        yield
    finally:
        set_limit(pipeline, None)


def set_limit(pipeline: Pipeline, shards: int | None) -> None:
    """Set the limit of shards, also for the next start of Elasticsearch. None is the usual limit."""
    pipeline.search_request("PUT", "/_cluster/settings", {"persistent": {LIMIT: shards}})


def delete_indices(pipeline: Pipeline) -> None:
    """Delete the indices behind the aliases."""
    for alias in ALIASES:
        pipeline.search_request("DELETE", f"/{indices_of(pipeline, alias)}")


def all_indices(pipeline: Pipeline) -> object:
    """Every index of articles and stories, with its aliases."""
    return pipeline.search_request("GET", "/articles-v*,stories-v*/_alias")


def answers(pipeline: Pipeline) -> bool:
    """Whether Elasticsearch answers."""
    try:
        pipeline.search_request("GET", "/_cluster/health")
    except OSError:
        return False
    return True
