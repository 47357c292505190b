"""The indexer's loop on the fakes: what it does in which order, and what it may commit."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY

from schemas.dead_letter import DeadLetter, ErrorClass
from services.common.dead_letters import to_received
from services.common.messages import decode
from services.indexer import app as module
from services.indexer.app import SERVICE, STORY_SERVICE, Indexer, wait_for_elasticsearch
from services.indexer.indices import ensure_indices
from services.indexer.settings import IndexerSettings
from tests.examples import EXAMPLES, GROUPED_EXAMPLES
from tests.fakes import FakeConsumer, FakeElasticsearch, FakeKafka, FakeProducer

ARTICLE = orjson.loads(GROUPED_EXAMPLES["v2-opened.json"])
STORY = orjson.loads((EXAMPLES / "stories" / "valid" / "v2-full.json").read_bytes())
TOPIC = "articles.grouped"


def article(number: int) -> bytes:
    """A grouped article with its own id."""
    return orjson.dumps(ARTICLE | {"article_id": f"{number:08d}-0000-5000-8000-000000000000"})


def article_id(number: int) -> str:
    return f"{number:08d}-0000-5000-8000-000000000000"


@dataclass
class Line:
    """An indexer between a fake broker and a fake server. It stops when there are no more messages."""

    home: Path
    settings_values: dict[str, Any] = field(default_factory=dict)
    kafka: FakeKafka = field(default_factory=FakeKafka)
    server: FakeElasticsearch = field(default_factory=FakeElasticsearch)
    on_poll: Callable[[int], object] = lambda _: None
    indexer: Indexer = field(init=False)

    def __post_init__(self) -> None:
        values = {"bulk_linger_seconds": 0, "halt_window": 10} | self.settings_values
        self.settings = IndexerSettings(home=self.home, **values)
        self.kafka.make_topic(TOPIC)
        self.kafka.make_topic("stories")
        ensure_indices(self.server.client(), self.settings)
        self.start()

    def start(self) -> None:
        """Make an indexer, as a new process does."""
        consumer = FakeConsumer(self.kafka, TOPIC, "stories", group_id="indexer", on_poll=self._polled)
        producer: Any = FakeProducer(kafka=self.kafka)
        self.indexer = Indexer(self.settings, consumer, producer, self.server.client())
        self.server.journal = self.kafka.journal

    def _polled(self, count: int) -> None:
        self.on_poll(count)
        if not count and not self.indexer.writer.waiting and not self.indexer.halt.is_halted:
            self.indexer.stopping.set()

    def run(self) -> list[str]:
        """Run until there are no more messages. Returns what was done, in order."""
        self.indexer.run()
        return self.kafka.journal

    def put(self, *values: bytes | None, topic: str = TOPIC) -> None:
        for value in values:
            self.kafka.append(topic, b"key", value)

    def letters(self) -> list[DeadLetter]:
        return [
            decode(DeadLetter, record.value)
            for partition in self.kafka.partitions("articles.dead")
            for record in self.kafka.logs[partition]
        ]

    def committed(self, topic: str = TOPIC) -> int | None:
        (partition,) = self.kafka.partitions(topic)
        return self.kafka.committed.get(("indexer", partition))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses end after a number of events, not by the clock."""
    monkeypatch.setattr(module.time, "sleep", lambda _: None)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def outcomes(service: str, outcome: str) -> float:
    return REGISTRY.get_sample_value("dragoman_outcomes_total", {"service": service, "outcome": outcome}) or 0.0


def test_articles_are_written_then_flushed_then_committed(line: Line) -> None:
    line.put(article(1), article(2))
    assert line.run() == ["poll 2", "bulk 2", "flush", f"commit {TOPIC}/0@2"]
    assert set(line.server.documents("articles")) == {article_id(1), article_id(2)}


def test_the_committed_offset_is_that_of_the_next_message(line: Line) -> None:
    """A process that starts afterwards reads nothing twice and skips nothing."""
    line.put(article(1), article(2), article(3))
    line.run()
    assert line.committed() == 3
    line.start()
    line.put(article(4))
    line.run()
    assert line.kafka.journal[-4:] == ["poll 1", "bulk 1", "flush", f"commit {TOPIC}/0@4"]


def test_every_partition_is_committed_at_its_own_offset(line: Line) -> None:
    line.put(article(1), article(2))
    line.put(orjson.dumps(STORY), topic="stories")
    line.run()
    assert (line.committed(), line.committed("stories")) == (2, 1)
    assert set(line.server.documents("stories")) == {STORY["story_id"]}


def test_nothing_is_committed_when_the_write_did_not_end(line: Line) -> None:
    """If a process dies between writing and committing, the next one writes the same again, which changes nothing."""
    line.put(article(1))
    line.server.refuse.append(RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        line.run()
    assert line.committed() is None
    line.start()
    line.run()
    assert line.committed() == 1
    assert set(line.server.documents("articles")) == {article_id(1)}


def test_nothing_is_committed_when_a_dead_letter_is_not_confirmed(line: Line) -> None:
    line.put(b"no article", article(2))
    producer: Any = FakeProducer(confirms=0, kafka=line.kafka)
    line.indexer.producer = producer
    with pytest.raises(Exception, match="gone"):
        line.run()
    assert line.committed() is None


def test_what_is_no_article_is_a_dead_letter_and_its_neighbours_are_indexed(line: Line) -> None:
    before = outcomes(SERVICE, "dead"), outcomes(SERVICE, "indexed")
    line.put(article(1), b"{}", article(3))
    journal = line.run()
    assert journal == ["poll 3", "bulk 2", "flush", f"commit {TOPIC}/0@3"]
    (letter,) = line.letters()
    assert (letter.source_topic, letter.source_offset, letter.original_value) == (TOPIC, 1, b"{}")
    assert (letter.service, letter.error_class) == (SERVICE, ErrorClass.INVALID_MESSAGE)
    assert (outcomes(SERVICE, "dead"), outcomes(SERVICE, "indexed")) == (before[0] + 1, before[1] + 2)


def test_a_document_that_elasticsearch_refuses_for_good_is_a_dead_letter(line: Line) -> None:
    line.put(article(1), article(2))
    line.server.item_errors[article_id(1)] = deque([(400, "document_parsing_exception")])
    line.run()
    (letter,) = line.letters()
    assert (letter.stage, letter.error_class) == ("elasticsearch", ErrorClass.REJECTED_DOCUMENT)
    assert set(line.server.documents("articles")) == {article_id(2)}
    assert line.committed() == 2


def test_a_document_too_large_for_a_request_of_its_own_says_so(tmp_path: Path) -> None:
    line = Line(tmp_path / "small", {"bulk_bytes": 1024})
    line.put(article(1))
    line.server.refuse.append((413, {"error": "too large", "status": 413}))
    line.run()
    (letter,) = line.letters()
    assert letter.error_class is ErrorClass.TOO_LARGE
    assert line.committed() == 1


def test_stories_are_counted_apart_from_articles(line: Line) -> None:
    before = outcomes(STORY_SERVICE, "indexed"), outcomes(SERVICE, "indexed")
    line.put(orjson.dumps(STORY), topic="stories")
    line.run()
    assert (outcomes(STORY_SERVICE, "indexed"), outcomes(SERVICE, "indexed")) == (before[0] + 1, before[1])


def test_a_repeated_message_is_unchanged_and_committed(line: Line) -> None:
    before = outcomes(SERVICE, "unchanged")
    line.put(article(1), article(1))
    line.run()
    assert outcomes(SERVICE, "unchanged") == before + 1
    assert line.committed() == 2


def test_a_commit_that_a_rebalance_refuses_is_no_failure(line: Line) -> None:
    """Another process has the partition and indexes the messages again. This process continues."""
    line.kafka.refuse_commits = True
    line.put(article(1))
    line.on_poll = lambda count: count and line.put(article(2)) if not line.committed() and count == 1 else None
    line.put(article(1))
    journal = line.run()
    assert "commit refused" in journal
    assert line.committed() is None
    assert article_id(1) in line.server.documents("articles")


def test_polling_goes_on_until_a_request_is_full(tmp_path: Path) -> None:
    line = Line(tmp_path, {"bulk_documents": 2})
    line.put(*(article(number) for number in range(5)))
    journal = line.run()
    assert [step for step in journal if step.startswith("bulk")] == ["bulk 2", "bulk 2", "bulk 1"]
    assert line.committed() == 5


class Outage:
    """Counts the polls of an outage, and ends it or stops the service after some of them."""

    def __init__(self, line: Line, after: int, end: Callable[[], object]) -> None:
        self.polls = 0
        self._line, self._after, self._end = line, after, end

    def __call__(self, count: int) -> None:
        if self._line.indexer.writer.waiting:
            assert count == 0, "a paused partition gives nothing"
            self.polls += 1
            if self.polls == self._after:
                self._end()


@pytest.mark.parametrize(
    "fault",
    [
        (503, {"error": {"type": "unavailable", "reason": "busy"}, "status": 503}),
        (429, {"error": {"type": "es_rejected_execution_exception", "reason": "busy"}, "status": 429}),
    ],
    ids=["503", "429"],
)
def test_an_outage_is_waited_out_inside_the_group(line: Line, fault: Any) -> None:
    """The paused consumer keeps polling, so that it keeps its partitions. Then everything is written once."""
    line.put(article(1), article(2))
    line.server.refuse.extend([fault, fault])
    outage = line.on_poll = Outage(line, 10**9, lambda: None)
    journal = line.run()
    assert [step for step in journal if not step.startswith("poll")] == [
        f"bulk {fault[0]}",
        f"bulk {fault[0]}",
        "bulk 2",
        "flush",
        f"commit {TOPIC}/0@2",
    ]
    assert outage.polls >= 2
    assert line.indexer.consumer.paused() == set()
    assert line.letters() == []
    assert line.indexer.health()[0]


def test_what_a_rebalance_brings_during_an_outage_is_not_lost(line: Line) -> None:
    """A partition that is assigned during the wait returns records once before it is paused. They are read again."""
    line.put(article(1))
    line.server.refuse.append((503, {"error": "busy", "status": 503}))
    moved: list[bool] = []

    def rebalance(count: int) -> None:
        if line.indexer.writer.waiting and not moved and count == 0:
            moved.append(True)
            line.put(orjson.dumps(STORY), topic="stories")
            line.indexer.consumer.resume(*line.indexer.consumer.assignment())

    pause = line.indexer.consumer.pause
    line.indexer.consumer.pause = lambda *partitions: (
        None if moved == [True] and moved.append(True) is None else pause(*partitions)
    )
    line.on_poll = rebalance
    line.run()
    assert len(moved) == 2, "the records were polled while the service waited"
    assert (line.committed(), line.committed("stories")) == (1, 1)
    assert set(line.server.documents("stories")) == {STORY["story_id"]}


def test_stopping_in_an_outage_ends_with_nothing_committed(line: Line) -> None:
    line.put(article(1))
    line.server.refuse.extend([(503, {"error": "busy", "status": 503})] * 50)
    line.on_poll = Outage(line, 2, line.indexer.stopping.set)
    with pytest.raises(SystemExit) as ended:
        line.run()
    assert ended.value.code == 0
    assert line.committed() is None


def test_a_refusal_that_a_person_must_mend_is_unhealthy_and_says_why(line: Line) -> None:
    line.put(article(1))
    seen: list[tuple[bool, dict[str, object]]] = []
    line.server.refuse.append((403, {"error": {"type": "security_exception", "reason": "no rights"}, "status": 403}))
    line.on_poll = Outage(line, 1, lambda: seen.append(line.indexer.health()))
    line.indexer.writer.wait = lambda _: line.indexer._stay_in_group(0.001)
    line.run()
    (healthy, details), *_ = seen
    assert not healthy
    assert "security_exception" in str(details["stopped"])
    assert line.committed() == 1
    assert line.indexer.health() == (True, {"service": SERVICE, "waiting": False})


def test_too_many_dead_letters_halt_the_service_after_the_commit(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polled messages get their outcome, and no more are polled until the wait is over."""
    monkeypatch.setattr("services.common.halt.MIN_SOURCES", 1)
    line.put(*(b"poison" for _ in range(10)), article(1))
    polls_after: list[int] = []

    def stop_later(count: int) -> None:
        if line.indexer.halt.is_halted:
            polls_after.append(count)
            line.put(article(2))
            if len(polls_after) == 3:
                line.indexer.stopping.set()

    line.on_poll = stop_later
    with pytest.raises(SystemExit) as ended:
        line.run()
    assert ended.value.code == 0
    assert polls_after == [0, 0, 0], "a halted service takes nothing"
    assert line.committed() == 11
    assert len(line.letters()) == 10
    assert line.indexer.health()[0] is False


def test_half_dead_letters_do_not_halt(line: Line) -> None:
    """Outcomes count in the order of the messages, also if one request contains many of them."""
    for number in range(10):
        line.put(b"poison", article(number))
    line.run()
    assert not line.indexer.halt.is_halted


def test_stopping_finishes_and_commits_what_was_polled(line: Line) -> None:
    line.put(article(1), article(2))
    line.on_poll = lambda count: line.indexer.stopping.set() if count else None
    line.run()
    assert line.committed() == 2
    assert set(line.server.documents("articles")) == {article_id(1), article_id(2)}


def test_a_record_is_received_as_it_lay_in_kafka() -> None:
    kafka = FakeKafka()
    received = to_received(kafka.append(TOPIC, b"k", b"v", [("a", b"1"), ("b", None)]), 5)  # type: ignore[list-item]
    assert (received.topic, received.partition, received.offset) == (TOPIC, 0, 0)
    assert (received.key, received.value, received.headers) == (b"k", b"v", (("a", b"1"), ("b", b"")))


def test_the_service_waits_for_elasticsearch_and_makes_its_indices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FakeElasticsearch(is_down=True)
    waits: list[float] = []

    def come_up(seconds: float) -> None:
        waits.append(seconds)
        server.is_down = len(waits) < 3

    monkeypatch.setattr(module.time, "sleep", come_up)
    monkeypatch.setattr(module, "make_client", server.client)
    wait_for_elasticsearch(IndexerSettings(home=tmp_path))
    assert len(waits) == 3
    assert set(server.aliases) == {"articles", "articles-write", "stories", "stories-all", "stories-write"}
    assert json.dumps(server.indices["articles-v2"].mappings).count('"dynamic": "strict"') >= 1
