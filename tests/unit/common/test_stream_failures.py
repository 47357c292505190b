"""The safe stream loop when something fails: how the process ends, and that nothing is acknowledged that should not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.exceptions import ImproperlyConfigured
from faust.types import TP
from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from prometheus_client import REGISTRY

from schemas.dead_letter import ErrorClass
from schemas.topics import DEAD, EDITS, ENRICHED, RAW
from services.common import stream as module
from services.common.batches import attempt
from services.common.dead_letters import Received
from services.common.exits import EXIT_MACHINE, UnusableProcessError
from services.common.messages import RejectedMessage
from services.common.settings import Settings
from services.common.stream import (
    EXIT_BUG,
    EXIT_TEMPORARY,
    EXIT_UNDELIVERED,
    MAX_UNACKED,
    BatchHandler,
    Handled,
    Outgoing,
    StreamWorker,
    prepare,
    receive,
)
from services.common.topics import TopicMismatchError

TARGET = "articles.enriched"


class Exited(BaseException):
    """The process would have ended here; `os._exit` asks nobody."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Wire:
    """A topic to send to; deliveries are confirmed at once, or when the test says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes | None, bytes | None, dict[str, bytes]]] = []
        self.deliveries: list[asyncio.Future[object]] = []
        self.confirms = True
        self.error: BaseException | None = None

    async def send(self, *, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> Awaitable[object]:
        if self.error is not None:
            raise self.error
        self.sent.append((key, value, headers))
        self.deliveries.append(asyncio.get_running_loop().create_future())
        if self.confirms:
            self.deliveries[-1].set_result(None)
        return self.deliveries[-1]


class Stream:
    """Faust's stream of these offsets; it stays open behind them, as a topic does."""

    def __init__(self, *offsets: int, stays_open: bool = True, pauses: bool = True) -> None:
        self.offsets = offsets
        self.pauses = pauses
        self.stays_open = stays_open
        self.is_manual = False
        self.acked: list[int] = []
        self.error: BaseException | None = None

    def noack(self) -> Stream:
        self.is_manual = True
        return self

    async def events(self) -> AsyncIterator[Any]:
        for offset in self.offsets:
            yield event(offset)
            if self.pauses:
                await asyncio.sleep(0)
        if self.stays_open:
            await asyncio.Event().wait()

    async def ack(self, done: Any) -> None:
        if self.error is not None:
            raise self.error
        self.acked.append(done.message.offset)


def event(offset: int, **fields: Any) -> Any:
    values = {"topic": "articles.raw", "partition": 0, "offset": offset, "timestamp": 1.5, "key": b"k", "value": b"v"}
    return SimpleNamespace(message=SimpleNamespace(**(values | {"headers": None} | fields)))


class Log:
    """Notes what was logged at which offset; the real one would print the traceback."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, object]] = []

    def error(self, line: str, **values: object) -> None:
        self.lines.append((line, values.get("offset")))

    warning = exception = error


class App:
    """Faust's app, as far as the loop knows it; tests/unit/common/test_stream.py has the real one."""

    def __init__(self) -> None:
        self.conf = SimpleNamespace(id="worker")
        self.rebalancing = self.in_recovery = False
        self.consumer: Any = SimpleNamespace(assignment=set)

    def topic(self, *_: object, **__: object) -> Wire:
        return Wire()

    def agent(self, *_: object, **options: object) -> Callable[[object], object]:
        assert options["concurrency"] == 1, "two loops of one agent would mix up the order"
        return lambda loop: loop


class Service:
    """A stream worker in a process whose end is an exception, with a handler that fails where the test says so."""

    def __init__(self, home: Path) -> None:
        self.label = home.name  # a label of its own for each test
        self.handled: list[int] = []
        self.failures: dict[int, BaseException] = {}
        self.target, self.dead = Wire(), Wire()
        settings = Settings(home=home, halt_window=10)
        self.app: Any = App()
        self.worker = StreamWorker(settings, self.label, self.app, RAW, self.handle, ((EDITS, self.handle, "edits"),))
        self.worker._topics |= {TARGET: self.target, "articles.dead": self.dead}
        self.stream = Stream()
        self.log = Log()

    def handle(self, received: Received) -> Handled:
        self.handled.append(received.offset)
        if received.offset in self.failures:
            raise self.failures[received.offset]
        return Handled("done", (Outgoing(TARGET, received.key, b"made", (("h", b"1"),)),))

    async def run(self, stream: Stream, rounds: int = 200) -> BaseException | None:
        """Let the loop take this stream for a while; the error it ended with. The acker's end is the loop's too."""
        self.stream = stream
        loop: Any = self.worker.loops[0].run
        before = asyncio.all_tasks()
        main = asyncio.ensure_future(loop(stream))
        for _ in range(rounds):
            await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - before | {main}
        failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [one for one in (*failed, *results) if one and not isinstance(one, asyncio.CancelledError)]
        return errors[0] if errors else None

    def count(self, outcome: str) -> float:
        labels = {"service": self.label, "outcome": outcome}
        return REGISTRY.get_sample_value("dragoman_outcomes_total", labels) or 0.0


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    def leave(code: int) -> None:
        raise Exited(code)

    monkeypatch.setattr(module, "os", SimpleNamespace(_exit=leave))
    monkeypatch.setattr("services.common.halt.MIN_SOURCES", 1)
    made = Service(tmp_path)
    monkeypatch.setattr(module, "log", made.log)
    return made


REJECTED = RejectedMessage("decode", ErrorClass.INVALID_MESSAGE, "no JSON")


# --- what goes well ---------------------------------------------------------------------------------------------------


def test_what_was_made_is_sent_whole_and_the_message_acknowledged(service: Service) -> None:
    assert asyncio.run(service.run(Stream(1, 2))) is None
    assert service.target.sent == [(b"k", b"made", {"h": b"1"})] * 2
    assert service.stream.is_manual
    assert service.stream.acked == [1, 2]


def test_each_outcome_is_counted_once_and_when_it_is_acknowledged(service: Service) -> None:
    service.failures[2] = REJECTED
    asyncio.run(service.run(Stream(1, 2, 3)))
    assert (service.count("done"), service.count("dead")) == (2, 1)
    service.target.confirms = False
    asyncio.run(service.run(Stream(4, 5)))
    assert (service.count("done"), service.count("dead")) == (2, 1)


def test_a_rejected_message_is_acknowledged_once_its_letter_is_confirmed(service: Service) -> None:
    service.failures[1] = REJECTED
    service.dead.confirms = False
    asyncio.run(service.run(Stream(1, 2)))
    assert [key for key, _, _ in service.dead.sent] == [b"articles.raw/0/1"]
    assert service.stream.acked == []
    service.dead.confirms = True
    asyncio.run(service.run(Stream(1, 2)))
    assert service.stream.acked == [1, 2]


def test_unconfirmed_messages_are_bounded(service: Service) -> None:
    """One that the acker waits for, a full queue, and one that waits for a place in it."""
    service.target.confirms = False
    asyncio.run(service.run(Stream(*range(MAX_UNACKED + 50)), rounds=3 * MAX_UNACKED))
    assert len(service.handled) == MAX_UNACKED + 2
    assert service.stream.acked == []


# --- several messages at once -----------------------------------------------------------------------------------------


def in_batches(service: Service, size: int) -> list[list[int]]:
    """The batches that the handler gets from now on."""
    seen: list[list[int]] = []

    def handle(batch: Sequence[Received]) -> list[Handled | Exception]:
        seen.append([received.offset for received in batch])
        return [attempt(service.handle, received) for received in batch]

    service.worker.loops[0].handler = BatchHandler(handle, size)
    return seen


def test_each_message_of_a_batch_has_its_own_outcome_in_its_place(service: Service) -> None:
    seen = in_batches(service, 4)
    service.failures[3] = REJECTED
    asyncio.run(service.run(Stream(*range(9), pauses=False)))
    assert max(len(batch) for batch in seen) > 1
    assert service.stream.acked == list(range(9))
    assert [key for key, _, _ in service.dead.sent] == [b"articles.raw/0/3"]
    assert (service.count("done"), service.count("dead")) == (8, 1)


def test_a_bug_in_a_batch_ends_the_process_at_its_message(service: Service) -> None:
    """What was made of the messages before it is sent and acknowledged; it and what is behind it are not."""
    in_batches(service, 4)
    service.failures[2] = ValueError("boom")
    with pytest.raises(Exited) as caught:
        asyncio.run(service.worker.loops[0].take([event(offset) for offset in range(4)], asyncio.Queue()))
    assert caught.value.code == EXIT_BUG
    assert service.log.lines == [("bug: stopping with nothing acknowledged", 2)]
    assert len(service.target.sent) == 2


def test_a_process_that_cannot_work_sends_nothing_of_its_batch(service: Service) -> None:
    in_batches(service, 4)
    service.failures[2] = UnusableProcessError(71, "The disk is full.")
    with pytest.raises(Exited) as caught:
        asyncio.run(service.worker.loops[0].take([event(offset) for offset in range(4)], asyncio.Queue()))
    assert caught.value.code == 71
    assert service.target.sent == []


def test_a_halted_service_tries_one_message_and_not_a_batch(service: Service) -> None:
    """Each of them would become a dead letter."""
    seen = in_batches(service, 4)
    service.failures = dict.fromkeys(range(4), REJECTED)
    service.worker.halt._halt(60)
    service.worker.halt._until = 0.0  # the wait is over
    loop = service.worker.loops[0]

    async def scenario() -> None:
        taking = asyncio.ensure_future(loop.take([event(offset) for offset in range(4)], asyncio.Queue()))
        await asyncio.sleep(0.05)
        taking.cancel()

    asyncio.run(scenario())
    assert seen == [[0]], "after the first one it waits again"


def test_a_handler_that_forgets_a_message_is_a_bug(service: Service) -> None:
    service.worker.loops[0].handler = BatchHandler(lambda batch: [Handled("done") for _ in batch[1:]], 4)
    with pytest.raises(Exited) as caught:
        asyncio.run(service.worker.loops[0].take([event(1), event(2)], asyncio.Queue()))
    assert caught.value.code == EXIT_BUG


# --- a bug ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bug", [ValueError("boom"), MemoryError(), KeyboardInterrupt(), KafkaTimeoutError()], ids=repr)
def test_a_bug_in_a_handler_ends_the_process_and_the_message_stays(service: Service, bug: BaseException) -> None:
    """The next process gets the message again: neither it nor what comes after it was acknowledged."""
    service.failures[2] = bug
    queue: Any = asyncio.Queue()

    async def scenario() -> None:
        await service.worker.loops[0].take([event(2)], queue)

    with pytest.raises(Exited) as caught:
        asyncio.run(scenario())
    assert caught.value.code == EXIT_BUG == 70
    assert queue.empty()
    assert service.target.sent == service.dead.sent == []


def test_a_process_that_cannot_work_ends_with_its_own_code_and_the_message_stays(service: Service) -> None:
    """An article must not become a dead letter because a package, memory or disk is missing."""
    service.failures[1] = UnusableProcessError(78, "The encoder is not installed.")
    ended = asyncio.run(service.run(Stream(0, 1, 2)))
    assert isinstance(ended, Exited)
    assert ended.code == 78
    assert set(service.stream.acked) <= {0}
    assert service.handled == [0, 1]


def test_a_message_behind_a_lost_one_is_not_handled(service: Service) -> None:
    """Its decision would come before that of the lost one."""

    async def follows(message: Any) -> bool:
        return bool(message.offset < 3)

    service.worker.loops[0].follows = follows
    ended = asyncio.run(service.run(Stream(0, 1, 3, 4)))
    assert isinstance(ended, Exited)
    assert ended.code == EXIT_TEMPORARY
    assert service.handled == [0, 1]
    assert 3 not in service.stream.acked


def test_only_a_loop_in_order_asks_the_consumer(service: Service) -> None:
    asked: list[int] = []

    async def follows(message: Any) -> bool:
        asked.append(message.offset)
        return True

    service.app.consumer.follows = follows
    assert [loop.follows for loop in service.worker.loops] == [None, None]
    beside = ((EDITS, service.handle, "edits in order"),)
    ordered = StreamWorker(service.worker.settings, "ordered", service.app, RAW, service.handle, beside, in_order=True)
    first, second = (loop.follows for loop in ordered.loops)
    assert first is not None
    assert second is None, "the topic of edits is compacted: its holes mean nothing"
    assert asyncio.run(first(event(7).message))  # type: ignore[arg-type]
    assert asked == [7]


def test_nothing_behind_a_bug_is_taken(service: Service) -> None:
    service.failures[2] = ValueError("boom")
    ended = asyncio.run(service.run(Stream(1, 2, 3)))
    assert isinstance(ended, Exited)
    assert ended.code == EXIT_BUG
    assert service.handled == [1, 2]
    assert service.log.lines == [("bug: stopping with nothing acknowledged", 2)]
    assert set(service.stream.acked) <= {1}
    assert service.count("dead") == 0


def test_a_message_that_cannot_be_sent_ends_the_process(service: Service) -> None:
    service.target.error = KafkaTimeoutError("no broker")
    ended = asyncio.run(service.run(Stream(1, 2)))
    assert isinstance(ended, Exited)
    assert ended.code == EXIT_BUG
    assert service.stream.acked == []


def test_being_stopped_is_no_bug(service: Service) -> None:
    service.target.error = asyncio.CancelledError()

    async def scenario() -> None:
        await service.worker.loops[0].take([event(1)], asyncio.Queue())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(scenario())


# --- a delivery that fails --------------------------------------------------------------------------------------------


def delivery(state: str) -> asyncio.Future[object]:
    """A delivery that is confirmed, failed or open."""
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    if state == "confirmed":
        future.set_result(None)
    elif state == "failed":
        future.set_exception(KafkaTimeoutError("not confirmed"))
    elif state == "unusable":
        future.set_exception(UnusableProcessError(EXIT_MACHINE, "the disk is full"))
    return future


def acknowledge(service: Service, stream: Stream, *messages: tuple[str, ...]) -> None:
    """Let the acker work on messages with these deliveries, from offset 1; ends with the acker's error."""

    async def scenario() -> None:
        queue: Any = asyncio.Queue()
        for offset, states in enumerate(messages, start=1):
            queue.put_nowait((event(offset), "done", [delivery(state) for state in states]))
        acker: Any = service.worker.loops[0].acknowledge(stream, queue)  # type: ignore[arg-type]
        await asyncio.wait_for(acker, 0.05)

    asyncio.run(scenario())


def test_a_delivery_that_fails_ends_the_process_and_nothing_behind_it_is_acknowledged(service: Service) -> None:
    stream = Stream()
    with pytest.raises(Exited) as caught:
        acknowledge(service, stream, ("confirmed",), ("failed",), ("confirmed",))
    assert caught.value.code == EXIT_UNDELIVERED == 74
    assert stream.acked == [1]
    assert service.count("done") == 1
    assert service.log.lines == [("not delivered: stopping with nothing acknowledged", 2)]


def test_an_update_that_this_machine_cannot_make_ends_the_process_with_its_own_code(service: Service) -> None:
    """A story is summarised behind the message. That its disk is broken says nothing about Kafka."""
    stream = Stream()
    with pytest.raises(Exited) as caught:
        acknowledge(service, stream, ("confirmed",), ("unusable",))
    assert caught.value.code == EXIT_MACHINE == 71
    assert stream.acked == [1]
    assert service.log.lines == [("stopping with nothing acknowledged", 2)]


def test_an_acknowledgement_that_fails_ends_the_process_too(service: Service) -> None:
    stream = Stream()
    stream.error = RuntimeError("no consumer")
    with pytest.raises(Exited) as caught:
        acknowledge(service, stream, ("confirmed",), ("confirmed",))
    assert caught.value.code == EXIT_UNDELIVERED
    assert service.count("done") == 0


def test_a_stop_while_waiting_for_a_delivery_acknowledges_nothing(service: Service) -> None:
    stream = Stream()
    with pytest.raises(TimeoutError):
        acknowledge(service, stream, ("open",), ("confirmed",))
    assert stream.acked == []


def test_every_confirmation_of_a_message_is_waited_for(service: Service) -> None:
    """A table's write that fails counts like a message that does."""
    stream = Stream()
    with pytest.raises(Exited):
        acknowledge(service, stream, ("confirmed", "failed"))
    assert stream.acked == []


def test_the_acker_ends_with_its_loop(service: Service) -> None:
    """After a rebalance the partition has a loop of its own again: two ackers would acknowledge for each other."""

    async def scenario() -> None:
        before = asyncio.all_tasks()
        stream: Any = Stream(1, stays_open=False)
        await service.worker.loops[0].run(stream)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    asyncio.run(scenario())
    assert service.worker.health()[0] is False


# --- the halt rule ----------------------------------------------------------------------------------------------------


def test_a_halted_service_takes_no_more_and_still_acknowledges_what_it_did(service: Service) -> None:
    service.failures = dict.fromkeys(range(5, 30), REJECTED)
    assert asyncio.run(service.run(Stream(*range(30)))) is None
    assert service.handled == list(range(11))  # six of the ten from 1 to 10
    assert service.stream.acked == list(range(11))
    assert REGISTRY.get_sample_value("dragoman_halted", {"service": service.label}) == 1
    assert service.worker.is_excused()


def test_another_loop_of_a_halted_service_takes_nothing_either(service: Service) -> None:
    service.worker.halt._halt(60)
    assert asyncio.run(service.run(Stream(0, 1))) is None
    assert (service.handled, service.stream.acked) == ([], [])


def test_a_halted_service_says_so(service: Service) -> None:
    healths: list[tuple[bool, dict[str, object]]] = []
    service.failures = dict.fromkeys(range(10), REJECTED)

    async def scenario() -> None:
        service.app.consumer = SimpleNamespace(assignment=lambda: {TP("articles.raw", 0)})
        stream: Any = Stream(*range(20))
        loop = asyncio.ensure_future(service.worker.loops[0].run(stream))
        await asyncio.sleep(0)
        healths.append(service.worker.health())
        for _ in range(60):
            await asyncio.sleep(0)
        healths.append(service.worker.health())
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)

    asyncio.run(scenario())
    details = {"service": service.label, "partitions": 1}
    assert healths == [(True, details), (False, details | {"halted": True})]


# --- around the loop --------------------------------------------------------------------------------------------------


def test_only_partitions_of_the_source_topics_are_its_own(service: Service) -> None:
    """Tables have changelogs; nobody commits them."""
    service.worker.loops[0].is_running = True
    tps = {TP("articles.raw", 1), TP("stories.edits", 0), TP("worker-articles-changelog", 0)}
    service.app.consumer = SimpleNamespace(assignment=lambda: tps)
    assert service.worker.assigned() == {("articles.raw", 1), ("stories.edits", 0)}


@pytest.mark.parametrize("error", [AttributeError("no fetcher"), ImproperlyConfigured("stopping")], ids=repr)
def test_a_stopping_consumer_has_no_partitions(service: Service, error: Exception) -> None:
    def assignment() -> set[TP]:
        raise error

    service.worker.loops[0].is_running = True
    service.app.consumer = SimpleNamespace(assignment=assignment)
    assert service.worker.assigned() == set()


def test_the_probes_watch_every_source_topic(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    probes: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "serve_metrics", lambda *arguments: served.append(arguments))

    def probe(_: Settings, label: str, **options: Any) -> Any:
        assert label == service.label
        return SimpleNamespace(start=lambda: probes.append(options))

    monkeypatch.setattr(module, "LivenessProbe", probe)
    page = {"/explain": lambda _: (200, {})}
    service.worker.start_probes(page)
    assert served == [("127.0.0.1", 0, service.worker.health, page, ())]
    (options,) = probes
    assert (set(options["topics"]), options["group"]) == ({"articles.raw", "stories.edits"}, "worker")
    begun = options["has_begun"]
    service.app.in_recovery = False
    assert not begun()
    service.app.in_recovery = True
    assert begun()


def test_a_service_waits_for_kafka_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [KafkaConnectionError("nobody is there")] * 7
    asked: list[Any] = []
    naps: list[float] = []

    def ensure(settings: Settings, topics: tuple[Any, ...]) -> None:
        asked.append((settings.home, topics))
        if failures:
            raise failures.pop()

    configured: list[Any] = []
    monkeypatch.setattr(module, "configure_logging", lambda *arguments: configured.append(arguments))
    monkeypatch.setattr(module, "ensure_topics", ensure)
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=naps.append))
    prepare(Settings(home=tmp_path, instance="worker-1"), "worker", RAW, ENRICHED, DEAD)
    assert configured == [("worker", "worker-1", "INFO")]
    assert asked == [(tmp_path, (RAW, ENRICHED, DEAD))] * 8
    assert naps == [0.5, 1, 2, 4, 8, 15, 15]


def test_a_wrong_topic_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ensure(*_: object) -> None:
        raise TopicMismatchError("two partitions")

    monkeypatch.setattr(module, "configure_logging", lambda *_: None)
    monkeypatch.setattr(module, "ensure_topics", ensure)
    with pytest.raises(TopicMismatchError):
        prepare(Settings(home=tmp_path), "worker", RAW)


@pytest.mark.parametrize("headers", [{"a": b"1", "b": None}, [("a", b"1"), ("b", None)]], ids=["mapping", "pairs"])
def test_an_event_is_the_message_that_it_was(headers: Any) -> None:
    received = receive(event(7, headers=headers))
    assert received == Received("articles.raw", 0, 7, 1500, b"k", b"v", (("a", b"1"), ("b", b"")))
    assert receive(event(7, timestamp=None)).timestamp_ms is None
