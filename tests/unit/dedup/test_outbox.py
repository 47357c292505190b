"""Story updates: at most one per story and second, and none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from services.dedup.outbox import StoryOutbox


class Wire:
    """Records what is sent; deliveries are confirmed when the test says so."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.deliveries: list[asyncio.Future[object]] = []
        self.time = 100.0

    async def send(self, story_id: str) -> Awaitable[object] | None:
        if story_id == "gone":
            return None
        if story_id == "refused":
            raise ConnectionError("no broker")
        self.sent.append(story_id)
        self.deliveries.append(asyncio.get_running_loop().create_future())
        return self.deliveries[-1]

    def now(self) -> float:
        return self.time


def test_changes_within_a_second_are_one_update_after_it() -> None:
    async def scenario() -> None:
        wire = Wire()
        outbox = StoryOutbox(wire.send, wire.now)
        (first,) = outbox.add(["a"])
        await outbox.flush()
        held = [future for _ in range(5) for future in outbox.add(["a"])]
        wire.time += 0.9
        await outbox.flush()
        assert wire.sent == ["a"]
        wire.time += 0.2
        await outbox.flush()
        assert wire.sent == ["a", "a"]
        assert len({id(future) for future in held}) == 1
        assert not any(asyncio.ensure_future(future).done() for future in (first, held[0]))
        for delivery in wire.deliveries:
            delivery.set_result(None)
        await asyncio.wait_for(asyncio.gather(first, held[0]), 1)

    asyncio.run(scenario())


def test_stories_do_not_wait_for_each_other() -> None:
    async def scenario() -> None:
        wire = Wire()
        outbox = StoryOutbox(wire.send, wire.now)
        outbox.add(["a"])
        await outbox.flush()
        outbox.add(["a", "b"])
        await outbox.flush()
        assert wire.sent == ["a", "b"]

    asyncio.run(scenario())


def test_a_story_without_articles_is_done_without_an_update() -> None:
    async def scenario() -> None:
        wire = Wire()
        outbox = StoryOutbox(wire.send, wire.now)
        (future,) = outbox.add(["gone"])
        await outbox.flush()
        await asyncio.wait_for(future, 1)
        assert wire.sent == []

    asyncio.run(scenario())


def test_what_is_not_delivered_is_not_acknowledged() -> None:
    """The acker waits for these futures: a failure must reach it, or the article would be acknowledged."""

    async def scenario() -> None:
        wire = Wire()
        outbox = StoryOutbox(wire.send, wire.now)
        (refused,), (failed,) = outbox.add(["refused"]), outbox.add(["a"])
        await outbox.flush()
        wire.deliveries[0].set_exception(TimeoutError("not confirmed"))
        with pytest.raises(ConnectionError):
            await refused
        with pytest.raises(TimeoutError):
            await failed

    asyncio.run(scenario())
