"""Batches: what waits already of an asynchronous stream, and the outcome of each of several calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from services.common.exits import UnusableProcessError

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


async def batches(items: AsyncIterator[T], size: int) -> AsyncGenerator[list[T], None]:
    """All items in their order, at most `size` in a batch.

    The first of a batch is waited for. The others came while the batch before it was handled. At most `size` and one
    more item are taken ahead. With a size of 1, none is. An error of the items is raised behind those before it.
    """
    if size == 1:
        async for item in items:
            yield [item]
        return
    waiting: asyncio.Queue[T | _End] = asyncio.Queue(size)
    fetching = asyncio.ensure_future(_fetch(items, waiting))
    try:
        end: _End | None = None
        while end is None:
            if fetching.done() and waiting.empty():  # it was cancelled while its place was taken
                end = _End(asyncio.CancelledError())
                break
            found = [await waiting.get()]
            while not waiting.empty():
                found.append(waiting.get_nowait())
            end = found[-1] if isinstance(found[-1], _End) else None
            if batch := [item for item in found if not isinstance(item, _End)]:
                yield batch
    finally:
        fetching.cancel()
    if end.error is not None:
        raise end.error


async def _fetch(items: AsyncIterator[T], waiting: asyncio.Queue[T | _End]) -> None:
    end = _End()
    try:
        async for item in items:
            await waiting.put(item)
    except Exception as error:  # noqa: BLE001 - raised again in its place
        end = _End(error)
    except asyncio.CancelledError as error:  # of the items, and not of us: nobody may wait for more
        with suppress(asyncio.QueueFull):
            waiting.put_nowait(_End(error))
        raise
    await waiting.put(end)


def attempt(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T | Exception:
    """What a function returns, or its error. UnusableProcessError is raised: no message is at fault."""
    try:
        return function(*arguments, **keywords)
    except UnusableProcessError:
        raise
    except Exception as error:  # noqa: BLE001 - who gets it raises it again
        return error
