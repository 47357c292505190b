"""What happens to the stack: traffic alone, and then trouble."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from kafka import KafkaProducer

from schemas.topics import RAW
from services.common.kafka import client_options
from services.producer.feeds.state import parse_states
from services.producer.settings import FEEDS_FILE
from tests.chaos.faults.elasticsearch import blocked
from tests.chaos.pipeline import Pipeline, PipelineError
from tests.chaos.rounds import wait_until_settled
from tests.chaos.traffic import Replay, articles_of, open_store, push, write_lines
from tests.web import Answer, rss, serve_answers, story

GROWING, BREAKING, QUIET, UNCONFIGURED = "growing", "breaking", "quiet", "unconfigured"
ARTICLES, ARTICLES_A_SECOND = 160, 8.0
SLOW_ARTICLES, SLOW_ARTICLES_A_SECOND = 120, 4.0
PUSHED = 12
POISON = 3
HEALTHY_SECONDS = 55
"""The rules of the books need 39 seconds of a Prometheus that sees every process."""
BLOCKED_SECONDS = 20
"""A process that stands still so long would not do: the indexer waits 30 seconds for an answer before it retries."""
BETWEEN_SECONDS = 6
DAY_SECONDS = 86_400
PATIENCE_SECONDS = 120
SETTINGS = {
    "DRAGOMAN_ALLOW_NETWORKS": "127.0.0.0/8",
    "DRAGOMAN_HOST_SPACING_SECONDS": "0",
    "DRAGOMAN_HOST_CONNECTIONS": "20",
    "DRAGOMAN_RETRY_SECONDS": "0.1",
}
"""Feeds on this machine may be read, and a feed fails eight times within seconds instead of hours."""


@dataclass(slots=True)
class Feeds:
    """A web server with a feed that grows, one that breaks when it is told to, and one that never changes."""

    base: str = ""
    is_broken: bool = False
    requests: Counter[str] = field(default_factory=Counter)

    def answer(self, path: str, _: dict[str, str]) -> Answer:
        """The feed of a path."""
        name = path.strip("/").removesuffix(".xml")
        if name not in {GROWING, BREAKING, QUIET}:
            return Answer(404)
        if name == BREAKING and self.is_broken:
            return Answer(500)
        self.requests[name] += 1
        entries = 8 + self.requests[name] // 4 if name == GROWING else 8
        return Answer(body=rss([story(name, number) for number in range(entries)]))


@contextmanager
def serve_feeds() -> Iterator[Feeds]:
    """The feeds on a free port."""
    feeds = Feeds()
    with serve_answers(feeds.answer) as feeds.base:
        yield feeds


def run_healthy(pipeline: Pipeline, feeds: Feeds, folder: Path) -> None:
    """Feeds are added, articles are replayed and pushed, and all of them arrive."""
    began = time.monotonic()
    replay = _replay(pipeline, folder / "healthy.jsonl", 1, ARTICLES, ARTICLES_A_SECOND)
    for name in (GROWING, BREAKING, QUIET):
        added = pipeline.run("feeds", "add", f"{feeds.base}/{name}.xml", "--id", name, "--interval", "1s")
        if added.returncode:
            raise PipelineError(f"`feeds add` ended with {added.returncode}: {added.stderr[-400:]}")
    push(pipeline, articles_of(2, PUSHED))
    _finish(replay)
    _settle(pipeline)
    time.sleep(max(0.0, HEALTHY_SECONDS - (time.monotonic() - began)))


def run_trouble(pipeline: Pipeline, feeds: Feeds, folder: Path) -> None:
    """The producer restarts, feeds fail and fall silent, messages are poisoned, Elasticsearch takes no documents."""
    _edit_feeds(pipeline, feeds)
    feeds.is_broken = True
    replay = _replay(pipeline, folder / "trouble.jsonl", 3, SLOW_ARTICLES, SLOW_ARTICLES_A_SECOND)
    _send_poison(pipeline)
    time.sleep(BETWEEN_SECONDS)
    with blocked(pipeline, "index.blocks.write"):
        time.sleep(BLOCKED_SECONDS)
    _finish(replay)
    _settle(pipeline)


def _replay(pipeline: Pipeline, path: Path, seed: int, count: int, rate: float) -> Replay:
    replay = Replay(pipeline, path, write_lines(path, articles_of(seed, count)), rate)
    replay.begin()
    return replay


def _finish(replay: Replay) -> None:
    notes = replay.finish()
    if notes["replay_exit"]:
        raise PipelineError(f"the replay ended with {notes['replay_exit']}: {notes['replay_said']}")


def _settle(pipeline: Pipeline) -> None:
    settled, left = wait_until_settled(pipeline, PATIENCE_SECONDS)
    if settled is None:
        raise PipelineError(f"not everything arrived: {left}")


def _edit_feeds(pipeline: Pipeline, feeds: Feeds) -> None:
    """While the producer is stopped, add a feed that lacks its password, and make another one silent.

    The store then says that this feed was regular and brought nothing for ten days.
    """
    with pipeline.stopped("producer"), closing(open_store(pipeline)) as store:
        state = parse_states(store.feed_states())[QUIET]
        silent = state.model_copy(update={"last_new_at": time.time() - 10 * DAY_SECONDS, "gaps": (3600.0,) * 5})
        store.save_feed_state(QUIET, silent.model_dump_json(exclude_defaults=True))
        path = pipeline.home / FEEDS_FILE
        file = yaml.safe_load(path.read_text(encoding="utf8"))
        lacking = {"Authorization": "Bearer ${DRAGOMAN_TEST_NO_SUCH_TOKEN}"}
        file["feeds"].append({"id": UNCONFIGURED, "url": f"{feeds.base}/{GROWING}.xml", "headers": lacking})
        path.write_text(yaml.safe_dump(file), encoding="utf8")
    _settle(pipeline)


def _send_poison(pipeline: Pipeline) -> None:
    """Send messages at once that no worker can read."""
    producer = KafkaProducer(**client_options(pipeline.settings))
    try:
        for number in range(POISON):
            producer.send(pipeline.settings.topic(RAW), key=b"poison-%d" % number, value=b"{", partition=0)
        producer.flush(30)
    finally:
        producer.close()
