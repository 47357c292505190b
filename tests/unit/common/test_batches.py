"""Batches of what waits: nothing is lost, nothing changes its place, and nothing is waited for but the first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.common.batches import batches


async def numbers(count: int, *, error: Exception | None = None) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    if error is not None:
        raise error


async def take(items: AsyncIterator[int], size: int, *, busy_rounds: int = 0) -> list[list[int]]:
    found = []
    async with aclosing(batches(items, size)) as taken:
        async for batch in taken:
            found.append(batch)
            for _ in range(busy_rounds):
                await asyncio.sleep(0)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
@pytest.mark.parametrize("busy_rounds", [0, 1, 50])
def test_every_item_comes_once_and_in_order(size: int, count: int, busy_rounds: int) -> None:
    found = asyncio.run(take(numbers(count), size, busy_rounds=busy_rounds))
    assert [item for batch in found for item in batch] == list(range(count))
    assert all(1 <= len(batch) <= size for batch in found)


def test_what_came_while_one_batch_was_handled_comes_together() -> None:
    found = asyncio.run(take(numbers(25), 8, busy_rounds=50))
    assert [len(batch) for batch in found][1:3] == [8, 8]


def test_a_single_item_is_not_kept_waiting_for_others() -> None:
    async def one_and_then_none() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def scenario() -> list[int]:
        async with aclosing(batches(one_and_then_none(), 8)) as taken:
            return await asyncio.wait_for(anext(taken), 1)

    assert asyncio.run(scenario()) == [1]


@pytest.mark.parametrize("size", [1, 8])
def test_an_error_comes_behind_the_items_before_it(size: int) -> None:
    found: list[int] = []

    async def scenario() -> None:
        async for batch in batches(numbers(3, error=OSError("gone")), size):
            found.extend(batch)

    with pytest.raises(OSError, match="gone"):
        asyncio.run(scenario())
    assert found == [0, 1, 2]


@pytest.mark.parametrize("size", [1, 2, 8])
def test_a_cancellation_of_the_items_is_no_wait_for_ever(size: int) -> None:
    async def cancelled() -> AsyncIterator[int]:
        for number in range(5):
            yield number
        raise asyncio.CancelledError

    found: list[int] = []

    async def scenario() -> None:
        async for batch in batches(cancelled(), size):
            found.extend(batch)
            await asyncio.sleep(0.01)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(asyncio.wait_for(scenario(), 5))
    assert found == list(range(5))


def test_few_items_are_taken_ahead() -> None:
    """What is taken and not handled is done again by another process after a kill."""
    taken_from = 0

    async def count() -> AsyncIterator[int]:
        nonlocal taken_from
        while True:
            yield taken_from
            taken_from += 1

    async def scenario() -> list[int]:
        async with aclosing(batches(count(), 4)) as taken:
            batch = await anext(taken)
            for _ in range(50):
                await asyncio.sleep(0)
            return batch

    batch = asyncio.run(scenario())
    assert taken_from <= len(batch) + 4 + 1


def test_who_stops_early_leaves_no_task_behind() -> None:
    async def scenario() -> int:
        async with aclosing(batches(numbers(1000), 4)) as taken:
            await anext(taken)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(scenario()) == 1
