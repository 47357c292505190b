"""The safe stream loop on faust's real consumer: what it may commit, and when (faust-streaming/faust#606)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message

from schemas.dead_letter import DeadLetter, ErrorClass
from schemas.topics import RAW
from services.common import faust_app
from services.common.dead_letters import Received, make_letter
from services.common.faust_app import MISSING_SECONDS, IdempotentProducer, make_app
from services.common.messages import Outgoing, RejectedMessage, decode, encode
from services.common.settings import Settings
from services.common.stream import MAX_BUSY_SECONDS, Handled, StreamWorker

PARTITION = TP("articles.raw", 0)
IN_FLIGHT, LAST = 2585, 2589
"""The numbers of #606: 2585 is in flight, 2586 to 2589 are done, faust commits 2590."""


def message(offset: int, generation: int) -> Message:
    made = Message("articles.raw", 0, offset, 0.0, 0, [], b"k", b"v", None, generation_id=generation)
    made.incref()
    return made


class Events:
    """Makes events whose acknowledgement reaches the consumer, as faust's own do."""

    def __init__(self, app: faust.App) -> None:
        self.consumer: Any = app.consumer
        self.acked: list[int] = []

    def event(self, offset: int, generation: int = 0) -> Any:
        return SimpleNamespace(message=message(offset, generation))

    async def ack(self, event: Any) -> None:
        self.acked.append(event.message.offset)
        self.consumer.ack(event.message)


@pytest.fixture
def app(tmp_path: Path) -> Any:
    made: Any = make_app(Settings(home=tmp_path, instance="worker-1"), "worker", tmp_path / "faust")
    made.topics._acking_topics = {"articles.raw"}
    return made


def worker(app: Any, tmp_path: Path) -> StreamWorker:
    return StreamWorker(Settings(home=tmp_path), "worker", app, RAW, lambda _: Handled("done"))


def outcome_of(worker: StreamWorker, received: Received) -> Handled:
    (outcome,) = worker.loops[0].outcomes([received])
    assert isinstance(outcome, Handled)
    return outcome


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_probe_before_the_start_makes_no_consumer(app: Any, tmp_path: Path) -> None:
    """Faust's consumer is bound to the event loop of the thread that first asks for it; a probe's thread has none."""
    loop = worker(app, tmp_path)
    assert loop.health() == (False, {"service": "worker", "partitions": 0})
    assert loop.assigned() == set()
    assert app._consumer is None


def test_nothing_is_committed_past_a_message_in_flight(app: Any, tmp_path: Path) -> None:
    """2586 to 2589 are confirmed, 2585 is not: no acknowledgement may happen before 2585's."""

    async def scenario() -> None:
        loop = worker(app, tmp_path)
        queue: Any = asyncio.Queue()
        events = Events(app)
        events.consumer._committed_offset[PARTITION] = IN_FLIGHT
        pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for offset in range(IN_FLIGHT, LAST + 1):
            confirmations: list[Awaitable[object]] = [pending] if offset == IN_FLIGHT else []
            await queue.put((events.event(offset), "done", confirmations))
        stream: Any = events
        acker = asyncio.ensure_future(loop.loops[0].acknowledge(stream, queue))
        await settle()
        assert events.acked == []
        assert events.consumer._new_offset(PARTITION) is None
        pending.set_result(None)
        await settle()
        assert events.acked == list(range(IN_FLIGHT, LAST + 1))
        assert events.consumer._new_offset(PARTITION) == LAST + 1
        acker.cancel()

    asyncio.run(scenario())


def test_faust_alone_commits_past_it(app: Any) -> None:
    """The defect that the loop and the consumer answer; when this fails, faust has mended #606."""
    events = Events(app)
    events.consumer._committed_offset[PARTITION] = IN_FLIGHT
    for offset in range(IN_FLIGHT + 1, LAST + 1):
        events.consumer.ack(message(offset, 0))
    assert events.consumer._new_offset(PARTITION) is None
    assert driver.Consumer._new_offset(events.consumer, PARTITION) == LAST + 1


def test_a_message_that_faust_lost_is_never_committed_over(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one after the committed offset is missing. After a while the process ends, to read it again."""
    ended: list[int] = []
    clock = iter((100.0, 100.0, 105.0, 105.0, 105.0 + MISSING_SECONDS, 105.0 + MISSING_SECONDS))
    monkeypatch.setattr(faust_app.os, "_exit", ended.append)
    monkeypatch.setattr(faust_app.time, "monotonic", lambda: next(clock))
    consumer = app.consumer
    consumer._committed_offset[PARTITION] = 48
    for offset in (49, 50):
        consumer.ack(message(offset, 0))
    assert [consumer._new_offset(PARTITION) for _ in range(3)] == [None, None, None]
    assert ended == [75]
    consumer.ack(message(48, 0))
    assert consumer._new_offset(PARTITION) == 51


def test_without_a_committed_offset_the_first_message_that_came_is_waited_for(app: Any) -> None:
    consumer = app.consumer
    consumer._first[PARTITION] = 0
    consumer.ack(message(1, 0))
    assert consumer._new_offset(PARTITION) is None
    consumer.ack(message(0, 0))
    assert consumer._new_offset(PARTITION) == 2


EDITS_PARTITION = TP("stories.edits", 0)
HOLES = {
    "messages were dropped on the way": (PARTITION, 0, None),
    "retention removed some of them": (PARTITION, 52, None),
    "retention removed all of them": (PARTITION, 55, 56),
    "the topic is compacted": (EDITS_PARTITION, 0, 56),
}


def hole(app: Any, monkeypatch: pytest.MonkeyPatch, partition: TP, start: int, read: tuple[int, ...]) -> Any:
    """A consumer that committed 50, sought there, and fetched these offsets; Kafka's log begins at `start`."""

    async def earliest(*partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, start)

    app.topics._acking_topics.add(partition.topic)
    consumer = app.consumer
    monkeypatch.setattr(consumer, "earliest_offsets", earliest)
    monkeypatch.setattr(driver.Consumer, "_to_message", lambda _, __, record: record)
    consumer._committed_offset[partition] = 50
    for offset in read:
        consumer._to_message(partition, SimpleNamespace(offset=offset))
    return consumer


def acknowledge(consumer: Any, partition: TP, offset: int) -> None:
    done = Message(partition.topic, partition.partition, offset, 0.0, 0, [], b"k", b"v", None, generation_id=0)
    done.incref()
    consumer.ack(done)


@pytest.mark.parametrize(("partition", "start", "committed"), HOLES.values(), ids=HOLES)
def test_a_hole_counts_as_done_only_where_kafka_has_no_messages(
    app: Any, monkeypatch: pytest.MonkeyPatch, partition: TP, start: int, committed: int | None
) -> None:
    """Faust sought to 50 and read 55. What it takes for a hole would also be the end of articles that it dropped."""
    consumer = hole(app, monkeypatch, partition, start, (55,))
    asyncio.run(consumer._add_gap(partition, 51, 55))
    assert consumer._new_offset(partition) is None, "55 itself is not handled yet"
    acknowledge(consumer, partition, 55)
    assert consumer._new_offset(partition) == committed


def test_a_hole_never_covers_the_message_before_it_or_behind_it(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = hole(app, monkeypatch, EDITS_PARTITION, 0, (50, 55))
    asyncio.run(consumer._add_gap(EDITS_PARTITION, 51, 55))
    acknowledge(consumer, EDITS_PARTITION, 55)
    assert consumer._new_offset(EDITS_PARTITION) is None, "50 is in flight"
    acknowledge(consumer, EDITS_PARTITION, 50)
    assert consumer._new_offset(EDITS_PARTITION) == 56


def test_an_acknowledgement_of_an_older_assignment_does_not_count(app: Any) -> None:
    consumer = app.consumer
    stale = message(7, generation=app.consumer_generation_id - 1)
    assert consumer.ack(stale) is False
    assert consumer._new_offset(PARTITION) is None
    assert consumer.ack(message(7, generation=app.consumer_generation_id)) is True


def test_the_producer_is_idempotent_and_waits_for_all(app: Any) -> None:
    assert app.transport.Producer is IdempotentProducer
    settings = IdempotentProducer._settings_extra(SimpleNamespace())  # type: ignore[arg-type]
    assert settings == {"acks": "all", "enable_idempotence": True}


def test_settings_that_would_lose_data_are_off(app: Any) -> None:
    conf = app.conf
    assert not conf.web_enabled
    assert conf.stream_wait_empty is False
    assert conf.topic_disable_leader
    assert conf.consumer_group_instance_id == "worker-worker-1"
    assert conf.broker_session_timeout <= 10


def test_the_environment_cannot_change_faust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "kafka://elsewhere:1")
    monkeypatch.setenv("WEB_PORT", "1")
    app: Any = make_app(Settings(home=tmp_path, kafka_bootstrap="127.0.0.1:7"), "g", tmp_path / "f")
    assert [str(url) for url in app.conf.broker] == ["aiokafka://127.0.0.1:7"]


def test_a_rejected_message_becomes_a_letter_with_everything(app: Any, tmp_path: Path) -> None:
    def reject(_: Received) -> Handled:
        raise RejectedMessage("entities", ErrorClass.STAGE_FAILED, "boom")

    loop = StreamWorker(Settings(home=tmp_path), "worker", app, RAW, reject)
    handled = outcome_of(loop, Received("articles.raw", 1, 5, 0, b"k", None))
    (outgoing,) = handled.outgoing
    letter = decode(DeadLetter, outgoing.value)
    assert (handled.outcome, outgoing.topic, outgoing.key) == ("dead", "articles.dead", b"articles.raw/1/5")
    assert (letter.stage, letter.original_key, letter.original_value) == ("entities", b"k", None)


def test_an_article_that_grew_past_the_limit_is_a_letter_and_no_crash_loop(app: Any, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    large = Outgoing("articles.enriched", b"k", b"x" * (settings.max_message_bytes + 1))
    loop = StreamWorker(settings, "worker", app, RAW, lambda _: Handled("enriched", (large,)))
    handled = outcome_of(loop, Received("articles.raw", 1, 5, 0, b"k", b"{}"))
    letter = decode(DeadLetter, handled.outgoing[0].value)
    assert (handled.outcome, letter.error_class) == ("dead", ErrorClass.TOO_LARGE)


def test_the_letter_of_the_largest_message_fits_into_kafka(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    received = Received("articles.enriched", 0, 1, 0, b"k", b"x" * settings.max_message_bytes)
    letter = make_letter(received, RejectedMessage("s", ErrorClass.TOO_LARGE, "r" * 1000), "dedup")
    assert len(encode(letter)) < settings.max_request_bytes


def test_a_long_recovery_is_no_stall_and_a_halt_neither(app: Any, tmp_path: Path) -> None:
    loop = worker(app, tmp_path)
    app.rebalancing = app.in_recovery = False
    assert not loop.is_excused()
    app.in_recovery = True
    assert loop.is_excused()
    loop._busy_since -= MAX_BUSY_SECONDS + 1
    assert not loop.is_excused()
    app.tables.recovery.active_offsets["edits"] = None  # before faust knows it
    app.tables.recovery.active_offsets["changelog"] = 5
    assert loop.is_excused(), "it moves"
    loop._busy_since -= MAX_BUSY_SECONDS + 1
    assert not loop.is_excused()
    loop.halt._halt(60)
    assert loop.is_excused()


def test_a_rebuild_is_no_stall_while_it_moves_and_is_told(app: Any, tmp_path: Path) -> None:
    shares = [0.1, 0.2, 0.2, 0.1, 0.2, 0.3]
    loop = worker(app, tmp_path)
    loop.share_done = lambda: shares[0]
    app.rebalancing = app.in_recovery = False
    loop.loops[0].is_handling = True
    assert loop.is_excused()
    assert loop.health()[1]["rebuilding"] == 0.1
    for moves in (True, False, False, False, True):  # a rebuild that begins again has not gone further
        del shares[0]
        loop._busy_since -= MAX_BUSY_SECONDS + 1
        assert loop.is_excused() is moves


@pytest.mark.parametrize("on_thread", [True, False])
def test_heartbeats_go_on_while_a_handler_on_a_thread_works(app: Any, tmp_path: Path, on_thread: bool) -> None:  # noqa: FBT001
    """The loop of the process beats while the handler waits for a beat. Without the thread none comes."""
    beat = threading.Event()
    seen: list[bool] = []

    def handle(_: Received) -> Handled:
        seen.append(beat.wait(0.5))
        return Handled("done")

    async def heartbeat() -> None:
        beat.set()

    async def scenario() -> None:
        events: Any = Events(app)
        service = StreamWorker(Settings(home=tmp_path), "worker", app, RAW, handle, on_thread=on_thread)
        taking = asyncio.ensure_future(service.loops[0].take([events.event(1)], asyncio.Queue(5)))
        await asyncio.sleep(0)
        asyncio.ensure_future(heartbeat())  # noqa: RUF006 - it ends at once
        await taking

    asyncio.run(scenario())
    assert seen == [on_thread]


ORDERS = {
    "all come": (50, 0, (50, 51, 52), None),
    "the first was dropped": (50, 0, (51,), 51),
    "one in the middle was dropped": (50, 0, (50, 52), 52),
    "retention removed the first ones": (50, 55, (55, 56), None),
    "retention removed too few": (50, 54, (55,), 55),
    "one comes again": (50, 0, (50, 51, 50, 51, 52), None),
    "nothing was committed yet": (None, 0, (3, 4), None),
}


@pytest.mark.parametrize(("committed", "start", "given", "refused"), ORDERS.values(), ids=ORDERS)
def test_a_message_follows_when_none_before_it_is_missing(
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
    committed: int | None,
    start: int,
    given: tuple[int, ...],
    refused: int | None,
) -> None:
    """Dedup decides by the order of the messages, so the one behind a dropped one must not be handled first."""
    consumer = hole(app, monkeypatch, PARTITION, start, given[:1])
    consumer._committed_offset[PARTITION] = committed

    async def first_refused() -> int | None:
        for offset in given:
            if not await consumer.follows(message(offset, 0)):
                return offset
        return None

    assert asyncio.run(first_refused()) == refused


def test_the_first_message_of_a_new_assignment_follows_what_was_committed(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = hole(app, monkeypatch, PARTITION, 0, (50,))
    assert asyncio.run(consumer.follows(message(50, 0)))
    assert asyncio.run(consumer.follows(message(51, 0)))
    consumer._committed_offset[PARTITION] = 51
    assert asyncio.run(consumer.follows(message(51, 1)))
    assert not asyncio.run(consumer.follows(message(53, 2)))


def test_a_fetched_first_message_that_never_came_is_missed(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = hole(app, monkeypatch, PARTITION, 0, (0, 1))
    consumer._committed_offset[PARTITION] = None
    assert not asyncio.run(consumer.follows(message(1, 0)))
