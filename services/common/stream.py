"""The one safe stream loop that every faust worker runs.

One event at a time; its sends and table writes are confirmed by a single acker, strictly in offset order; nothing
that fails is acknowledged. Tried against kill -9, SIGTERM and rebalances (tests/e2e/test_kill.py).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import faust
from faust.exceptions import FaustError
from faust.types import EventT, StreamT
from kafka.errors import KafkaError

from schemas.dead_letter import ErrorClass
from schemas.topics import DEAD, Topic
from services.common.dead_letters import Received, make_letter
from services.common.halt import HaltRule
from services.common.liveness import LivenessProbe
from services.common.logging import configure_logging, get_logger
from services.common.messages import RejectedMessage, encode
from services.common.metrics import DEAD_LETTERS, HALTED, OUTCOMES, Page, serve_metrics
from services.common.settings import Settings
from services.common.topics import ensure_topics

EXIT_BUG = 70
"""EX_SOFTWARE of sysexits.h: a programming error; nothing was acknowledged."""
EXIT_UNDELIVERED = 74
"""EX_IOERR of sysexits.h: Kafka did not confirm; nothing after it was acknowledged."""
MAX_UNACKED = 500
"""Events whose sends are not confirmed yet: the back-pressure."""
MAX_BUSY_SECONDS = 1800.0
"""A table is recovered, or the lane rebuilt from it (1.2 ms an article), in at most so long; longer is a stall."""
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send before the event may be acknowledged."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Handled:
    """What a handler made of one message: its outcome, messages to send, futures to wait for."""

    outcome: str
    outgoing: tuple[Outgoing, ...] = ()
    confirmations: tuple[Awaitable[object], ...] = ()


Unconfirmed = asyncio.Queue[tuple[EventT[Any], str, list[Awaitable[object]]]]
"""Events that are handled, their outcomes, and what has to be confirmed before each is acknowledged."""
Handler = Callable[[Received], Handled]
"""Turns a message into its outcome; RejectedMessage makes it a dead letter; any other exception is a bug."""


@dataclass(slots=True)
class StreamWorker:
    """A faust app with the safe loop on one topic; `beside` are further topics, each with a handler and a label."""

    settings: Settings
    service: str
    app: faust.App
    source: Topic
    handle: Handler
    beside: tuple[tuple[Topic, Handler, str], ...] = ()
    _halt: HaltRule = field(init=False)
    _halted: bool = field(init=False, default=False)
    _running: bool = field(init=False, default=False)
    _topics: dict[str, Any] = field(init=False, default_factory=dict)
    _taking: bool = field(init=False, default=False)
    _busy_since: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._halt = HaltRule(self.settings.halt_window, self.settings.halt_percent)
        for topic, handle, label in ((self.source, self.handle, self.service), *self.beside):
            source = self._topic(self.settings.topic(topic))
            self.app.agent(source, name=label, concurrency=1)(self._make_loop(handle, label))

    def _topic(self, name: str) -> Any:
        if name not in self._topics:
            self._topics[name] = self.app.topic(
                name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
            )
        return self._topics[name]

    def _make_loop(self, handle: Handler, label: str) -> Callable[[StreamT[bytes]], Awaitable[None]]:
        async def run(stream: StreamT[bytes]) -> None:
            queue: Unconfirmed = asyncio.Queue(MAX_UNACKED)
            manual: Any = stream.noack()  # type: ignore[attr-defined]  # missing in faust's interface
            acker = asyncio.ensure_future(self._acknowledge(manual, queue, label))
            self._running = True
            try:
                async for event in manual.events():
                    await self._take(event, handle, queue)
            finally:
                self._running = False
                acker.cancel()

        return run

    def is_excused(self) -> bool:
        """Whether no commit is no stall: halted, or at work in a way that shows in none, though not for ever."""
        is_busy = self.app.rebalancing or self.app.in_recovery or self._taking
        now = time.monotonic()
        if not is_busy:
            self._busy_since = now
        return self._halted or (is_busy and now - self._busy_since < MAX_BUSY_SECONDS)

    async def _take(self, event: EventT[Any], handle: Handler, queue: Unconfirmed) -> None:
        received = to_received(event)
        try:
            self._taking = True
            handled = self._outcome(received, handle)
            self._taking = False
            confirmations: list[Awaitable[object]] = list(handled.confirmations)
            for message in handled.outgoing:
                sent = await self._topic(message.topic).send(
                    key=message.key, value=message.value, headers=dict(message.headers)
                )
                confirmations.append(sent)
        except asyncio.CancelledError:
            raise
        except BaseException:
            log.exception("bug: stopping with nothing acknowledged", **_where(received))
            os._exit(EXIT_BUG)
        await queue.put((event, handled.outcome, confirmations))
        if self._halt.halts(dead=handled.outcome == "dead"):
            await self._stay_halted()

    def _outcome(self, received: Received, handle: Handler) -> Handled:
        try:
            return within_limit(handle(received), self.settings.max_message_bytes)
        except RejectedMessage as rejected:
            letter = make_letter(received, rejected, self.service)
            DEAD_LETTERS.labels(self.service, rejected.stage, rejected.error_class).inc()
            log.warning("dead letter", stage=rejected.stage, error=rejected.reason, **_where(received))
            outgoing = Outgoing(self.settings.topic(DEAD), letter.letter_id.encode(), encode(letter))
            return Handled("dead", (outgoing,))

    async def _acknowledge(self, stream: StreamT[bytes], queue: Unconfirmed, label: str) -> None:
        """Confirm in order; end the process at the first failure, so that nothing after it is committed."""
        while True:
            event, outcome, confirmations = await queue.get()
            try:
                for confirmation in confirmations:
                    await confirmation
                await stream.ack(event)
            except asyncio.CancelledError:
                raise
            except BaseException:
                log.exception("not delivered: stopping with nothing acknowledged", **_where(to_received(event)))
                os._exit(EXIT_UNDELIVERED)
            OUTCOMES.labels(label, outcome).inc()

    async def _stay_halted(self) -> None:
        """Take nothing more until a person has looked and restarts the process."""
        self._halted = True
        HALTED.labels(self.service).set(1)
        log.error(
            "halted: too many dead letters; mend the cause and restart the service",
            percent=self.settings.halt_percent,
            window=self.settings.halt_window,
        )
        await asyncio.Event().wait()

    def assigned(self) -> set[tuple[str, int]]:
        """This process's partitions of the source topic; none before the loop runs.

        Faust makes the consumer when it is first asked for and binds it to the asking thread's event loop: a probe that
        asked before the app had started it left an app that could neither start nor stop.
        """
        if not self._running:
            return set()
        try:
            names = self._sources()
            return {(tp.topic, tp.partition) for tp in self.app.consumer.assignment() if tp.topic in names}
        except (AttributeError, FaustError):  # stopping
            return set()

    def _sources(self) -> set[str]:
        return {self.settings.topic(topic) for topic in (self.source, *(topic for topic, _, _ in self.beside))}

    def health(self) -> tuple[bool, dict[str, object]]:
        """Healthy once the loop runs and not halted."""
        details: dict[str, object] = {"service": self.service, "partitions": len(self.assigned())}
        if self._halted:
            details["halted"] = True
        return self._running and not self._halted, details

    def start_probes(self, pages: Mapping[str, Page] | None = None) -> None:
        """Start the metrics page, with further pages of the service's own, and the liveness probe."""
        serve_metrics(self.settings.metrics_host, self.settings.metrics_port, self.health, pages)
        LivenessProbe(
            self.settings,
            self.service,
            group=self.app.conf.id,
            topics=tuple(self._sources()),
            assigned=self.assigned,
            is_excused=self.is_excused,
            has_begun=lambda: self._running or self.app.in_recovery,
        ).start()


def prepare(settings: Settings, service: str, *topics: Topic) -> None:
    """What every service does first: JSON logs, and topics that are there with the right partitions."""
    configure_logging(service, settings.instance, settings.log_level)
    wait = 0.5
    while True:
        try:
            ensure_topics(settings, topics)
        except KafkaError as error:
            log.warning("Kafka does not answer yet", error=type(error).__name__)
            time.sleep(wait)
            wait = min(wait * 2, 15)
        else:
            return


def within_limit(handled: Handled, limit: int) -> Handled:
    """The same; RejectedMessage when a message has grown past what Kafka takes: sending it would fail every time."""
    for message in handled.outgoing:
        if len(message.value) > limit:
            reason = f"enriched to {len(message.value):,} bytes; messages have at most {limit:,}"
            raise RejectedMessage("size", ErrorClass.TOO_LARGE, reason)
    return handled


def to_received(event: EventT[Any]) -> Received:
    """A faust event as the message it was."""
    message = event.message
    timestamp = message.timestamp
    headers = message.headers or ()
    pairs: Any = headers.items() if isinstance(headers, dict) else headers
    return Received(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=None if timestamp is None else int(timestamp * 1000),
        key=message.key,
        value=message.value,
        headers=tuple((name, bytes(value or b"")) for name, value in pairs),
    )


def _where(received: Received) -> dict[str, object]:
    return {"topic": received.topic, "partition": received.partition, "offset": received.offset}
