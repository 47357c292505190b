"""The safe stream loop that every faust worker runs.

The loop handles one event at a time, or the few that wait already. A single acker waits for the sends and table writes
of each event, strictly in the order of the offsets. A failed event is never acknowledged. Tested with kill -9, SIGTERM
and rebalances (tests/e2e/test_kill.py).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import faust
from faust.exceptions import FaustError
from faust.types import EventT, Message, StreamT
from kafka.errors import KafkaError

from schemas.dead_letter import ErrorClass
from schemas.topics import Topic
from services.common.batches import attempt, batches
from services.common.dead_letters import Received, bury, make_letter, to_received
from services.common.exits import EXIT_BUG, EXIT_TEMPORARY, EXIT_UNDELIVERED, UnusableProcessError
from services.common.halt import UNREADABLE, Halt, source_of
from services.common.liveness import LivenessProbe
from services.common.logging import configure_logging, get_logger
from services.common.messages import Outgoing, RejectedMessage
from services.common.metrics import OUTCOMES, Page, serve_metrics
from services.common.refusals import kafka_refusal
from services.common.settings import Settings
from services.common.topics import ensure_topics

MAX_UNACKED = 500
"""Maximum number of events with unconfirmed sends. This gives back-pressure."""
HALT_CHECK_SECONDS = 1.0
MAX_BUSY_SECONDS = 1800.0
"""A recovery, a rebuild or one message may go so long without progress. More is a stall."""
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Handled:
    """The result of handling one message: its outcome, messages to send, futures to wait for.

    `error` is set when the message became a dead letter.
    """

    outcome: str
    outgoing: tuple[Outgoing, ...] = ()
    confirmations: tuple[Awaitable[object], ...] = ()
    error: ErrorClass | None = None


Unconfirmed = asyncio.Queue[tuple[EventT[Any], str, list[Awaitable[object]]]]
"""Handled events, their outcomes, and what must be confirmed before each event is acknowledged."""
Handler = Callable[[Received], Handled]
"""Turns a message into its outcome. RejectedMessage makes it a dead letter. Any other exception is a bug."""


@dataclass(frozen=True, slots=True)
class BatchHandler:
    """Turns up to `size` messages into their outcomes, in their order.

    In place of an outcome stands the error that a `Handler` would raise for this message.
    """

    handle: Callable[[Sequence[Received]], Sequence[Handled | Exception]]
    size: int


def one_by_one(handle: Handler) -> BatchHandler:
    """A handler that gets one message at a time."""
    return BatchHandler(lambda batch: [attempt(handle, received) for received in batch], 1)


@dataclass(slots=True)
class StreamLoop:
    """The safe loop on one topic. It confirms and acknowledges one event at a time, in the order of the offsets.

    Outcomes are counted under the name `label`. `send` gives one message to the producer of the app. With `on_thread`
    the handler runs on a thread, still one batch at a time, so that heartbeats go on while an article takes long. A
    message of more than `max_bytes` (default: `max_message_bytes`) makes the received one a dead letter. `follows` says
    whether a message is the next one of its partition. If it is not, the process ends before it is handled.
    """

    settings: Settings
    service: str
    label: str
    source: Topic
    handler: BatchHandler
    halt: Halt
    send: Callable[[Outgoing], Awaitable[Awaitable[object]]]
    on_thread: bool = False
    max_bytes: int | None = None
    follows: Callable[[Message], Awaitable[bool]] | None = None
    is_running: bool = field(init=False, default=False)
    is_handling: bool = field(init=False, default=False)

    async def run(self, stream: StreamT[bytes]) -> None:
        """Run until the stream ends or the service halts. Faust calls it once for each agent."""
        queue: Unconfirmed = asyncio.Queue(MAX_UNACKED)
        manual: Any = stream.noack()  # type: ignore[attr-defined]  # missing in faust's interface
        acker = asyncio.ensure_future(self.acknowledge(manual, queue))
        self.is_running = True
        try:
            async with aclosing(batches(manual.events(), self.handler.size)) as taken:
                async for events in taken:
                    await self.take(events, queue)
        finally:
            self.is_running = False
            acker.cancel()

    async def take(self, events: Sequence[EventT[Any]], queue: Unconfirmed) -> None:
        """Handle events and send their messages. The acker does the rest. A bug ends the process.

        While the service is halted, each event is tried alone: what is wrong with one may be wrong with all.
        """
        if self.halt.is_halted and len(events) > 1:
            for event in events:
                await self.take([event], queue)
            return
        while seconds := self.halt.seconds_left():  # noqa: ASYNC110 - this loop or another one has halted the service
            await asyncio.sleep(min(seconds, HALT_CHECK_SECONDS))
        received = [receive(event) for event in events]
        for event, message in zip(events, received, strict=True):
            if self.follows is not None and not await self.follows(event.message):
                log.error(
                    "a message before this one was lost on the way here; starting again from it", **_where(message)
                )
                os._exit(EXIT_TEMPORARY)
        with _ending_at_errors(received[0]):
            outcomes = await self.handled(received)
        for event, message, outcome in zip(events, received, outcomes, strict=True):
            with _ending_at_errors(message):
                if isinstance(outcome, Exception):
                    raise outcome
                confirmations: list[Awaitable[object]] = list(outcome.confirmations)
                confirmations += [await self.send(sent) for sent in outcome.outgoing]
            await queue.put((event, outcome.outcome, confirmations))
            self.halt.count(outcome.error, source_of(message.value) if outcome.error else UNREADABLE)

    async def handled(self, received: Sequence[Received]) -> Sequence[Handled | Exception]:
        """The results for messages, from the thread where there is one."""
        self.is_handling = True
        try:
            return await asyncio.to_thread(self.outcomes, received) if self.on_thread else self.outcomes(received)
        finally:
            self.is_handling = False

    def outcomes(self, received: Sequence[Received]) -> Sequence[Handled | Exception]:
        """The results of the handler, with the dead letters of the messages that it rejects."""
        made = self.handler.handle(received)
        return [self._with_letter(outcome, message) for outcome, message in zip(made, received, strict=True)]

    def _with_letter(self, outcome: Handled | Exception, received: Received) -> Handled | Exception:
        try:
            if isinstance(outcome, RejectedMessage):
                raise outcome
            if isinstance(outcome, Exception):
                return outcome
            return within_limit(outcome, self.max_bytes or self.settings.max_message_bytes)
        except RejectedMessage as rejected:
            letter = bury(self.settings, make_letter(received, rejected, self.service))
            return Handled("dead", (letter,), error=rejected.error_class)

    async def acknowledge(self, stream: StreamT[bytes], queue: Unconfirmed) -> None:
        """Confirm in order. End the process at the first failure, so that nothing after it is committed."""
        while True:
            event, outcome, confirmations = await queue.get()
            try:
                for confirmation in confirmations:
                    await confirmation
                await stream.ack(event)
            except asyncio.CancelledError:
                raise
            except UnusableProcessError as error:  # of the update of a story
                _stop(error, receive(event))
            except BaseException:
                log.exception("not delivered: stopping with nothing acknowledged", **_where(receive(event)))
                os._exit(EXIT_UNDELIVERED)
            OUTCOMES.labels(self.label, outcome).inc()


@dataclass(slots=True)
class StreamWorker:
    """A faust app with one safe loop per topic. `beside` adds topics, each with a handler and a label.

    `on_thread` is for a handler that works long and touches nothing of the app. `max_bytes` is for one that has decided
    before it knows the size of what it sends. With `in_order`, no message of the source is handled before an earlier
    one. `share_done` says how much is done of a work that may take very long, or None when there is none.
    """

    settings: Settings
    service: str
    app: faust.App
    source: Topic
    handle: Handler | BatchHandler
    beside: tuple[tuple[Topic, Handler, str], ...] = ()
    on_thread: bool = False
    max_bytes: int | None = None
    in_order: bool = False
    share_done: Callable[[], float | None] = lambda: None
    halt: Halt = field(init=False)
    loops: tuple[StreamLoop, ...] = field(init=False)
    _topics: dict[str, Any] = field(init=False, default_factory=dict)
    _busy_since: float = field(init=False, default_factory=time.monotonic)
    _furthest: tuple[float, int] = field(init=False, default=(0.0, 0))
    """The share and the offsets that were reached while busy. Only what goes further is progress."""

    def __post_init__(self) -> None:
        self.halt = Halt(self.settings, self.service)
        first = self.handle if isinstance(self.handle, BatchHandler) else one_by_one(self.handle)
        wanted = (
            (self.source, first, self.service),
            *((topic, one_by_one(it), label) for topic, it, label in self.beside),
        )
        limits = (self.on_thread, self.max_bytes)
        self.loops = tuple(
            StreamLoop(self.settings, self.service, label, topic, handler, self.halt, self._send, *limits)
            for topic, handler, label in wanted
        )
        if self.in_order:
            self.loops[0].follows = self._follows
        for loop in self.loops:
            source = self._topic(self.settings.topic(loop.source))
            # faust sets attributes on the function, and a bound method of a class with slots does not accept any
            self.app.agent(source, name=loop.label, concurrency=1)(_as_function(loop))

    async def _follows(self, message: Message) -> bool:
        consumer: Any = self.app.consumer  # made by faust when it starts
        follows: bool = await consumer.follows(message)
        return follows

    def _topic(self, name: str) -> Any:
        if name not in self._topics:
            self._topics[name] = self.app.topic(
                name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
            )
        return self._topics[name]

    async def _send(self, message: Outgoing) -> Awaitable[object]:
        sent: Awaitable[object] = await self._topic(message.topic).send(
            key=message.key, value=message.value, headers=dict(message.headers)
        )
        return sent

    @property
    def is_running(self) -> bool:
        """Whether at least one of the loops takes messages."""
        return any(loop.is_running for loop in self.loops)

    def is_excused(self) -> bool:
        """True while a missing commit is expected.

        The service halted itself, or it is rebalancing, recovering or handling a message, for at most
        MAX_BUSY_SECONDS without progress.
        """
        is_busy = self.app.rebalancing or self.app.in_recovery or any(loop.is_handling for loop in self.loops)
        now, moved = time.monotonic(), (self.share_done() or 0.0, self._restored())
        if not is_busy:
            self._busy_since, self._furthest = now, (0.0, 0)
        elif moved[0] > self._furthest[0] or moved[1] > self._furthest[1]:
            self._busy_since = now
            self._furthest = (max(moved[0], self._furthest[0]), max(moved[1], self._furthest[1]))
        return self.halt.is_halted or (is_busy and now - self._busy_since < MAX_BUSY_SECONDS)

    def _restored(self) -> int:
        """The sum of the offsets up to which tables are restored. It grows while a recovery moves."""
        if not self.app.in_recovery:
            return 0
        tables: Any = self.app.tables  # faust's interface lacks it
        return sum(max(0, offset or 0) for offset in list(tables.recovery.active_offsets.values()))

    def assigned(self) -> set[tuple[str, int]]:
        """The partitions of the source topics that this process has. Empty before a loop runs.

        Faust creates the consumer on first access and binds it to the event loop of the calling thread. A probe that
        accessed it too early left an app that could neither start nor stop.
        """
        if not self.is_running:
            return set()
        try:
            names = self._sources()
            return {(tp.topic, tp.partition) for tp in self.app.consumer.assignment() if tp.topic in names}
        except (AttributeError, FaustError):  # stopping
            return set()

    def _sources(self) -> set[str]:
        return {self.settings.topic(loop.source) for loop in self.loops}

    def health(self) -> tuple[bool, dict[str, object]]:
        """Healthy when a loop runs and the service is not halted."""
        details: dict[str, object] = {"service": self.service, "partitions": len(self.assigned())}
        if self.halt.is_halted:
            details["halted"] = True
        if (share := self.share_done()) is not None:
            details["rebuilding"] = share
        return self.is_running and not self.halt.is_halted, details

    def start_probes(self, pages: Mapping[str, Page] | None = None) -> None:
        """Start the metrics page, with more pages of the service, and the liveness probe."""
        serve_metrics(
            self.settings.metrics_host, self.settings.metrics_port, self.health, pages, self.settings.allowed_hosts
        )
        LivenessProbe(
            self.settings,
            self.service,
            group=self.app.conf.id,
            topics=tuple(self._sources()),
            assigned=self.assigned,
            is_excused=self.is_excused,
            has_begun=lambda: self.is_running or self.app.in_recovery,
        ).start()


def _as_function(loop: StreamLoop) -> Callable[[StreamT[bytes]], Awaitable[None]]:
    async def run(stream: StreamT[bytes]) -> None:
        await loop.run(stream)

    return run


def prepare(settings: Settings, service: str, *topics: Topic) -> None:
    """Every service does this first: configure JSON logs, and create or check its topics."""
    configure_logging(service, settings.instance, settings.log_level)
    wait = 0.5
    while True:
        try:
            ensure_topics(settings, topics)
        except KafkaError as error:
            refusal = kafka_refusal(settings, error)
            if refusal is None:
                log.warning("Kafka does not answer yet", error=type(error).__name__)
            else:
                log.error("Kafka refuses this service; waiting for a person", reason=refusal)  # noqa: TRY400 - no bug
            time.sleep(wait)
            wait = min(wait * 2, 15)
        else:
            return


def within_limit(handled: Handled, limit: int) -> Handled:
    """Return `handled`, or raise RejectedMessage if a message is larger than `limit`. Sending it would always fail."""
    for message in handled.outgoing:
        if message.value is not None and len(message.value) > limit:
            reason = f"enriched to {len(message.value):,} bytes, but a message may have at most {limit:,}"
            raise RejectedMessage("size", ErrorClass.TOO_LARGE, reason)
    return handled


def receive(event: EventT[Any]) -> Received:
    """The message of a faust event. Faust gives the timestamp in seconds, Kafka in milliseconds."""
    timestamp = event.message.timestamp
    return to_received(event.message, None if timestamp is None else int(timestamp * 1000))


def _where(received: Received) -> dict[str, object]:
    return {"topic": received.topic, "partition": received.partition, "offset": received.offset}


@contextmanager
def _ending_at_errors(received: Received) -> Iterator[None]:
    """End the process at an error, with this message as the place where it happened."""
    try:
        yield
    except asyncio.CancelledError:
        raise
    except UnusableProcessError as error:
        _stop(error, received)
    except BaseException:
        log.exception("bug: stopping with nothing acknowledged", **_where(received))
        os._exit(EXIT_BUG)


def _stop(error: UnusableProcessError, received: Received) -> NoReturn:
    """End the process, which cannot handle this message or any other."""
    log.error("stopping with nothing acknowledged", reason=str(error), **_where(received))
    os._exit(error.exit_code)
