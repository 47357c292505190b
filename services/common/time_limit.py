"""A limit on the processor time of one piece of work. The work itself asks whether it is over.

The clock counts only the processor time of the thread. A busy machine or a paused process makes no work too slow.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")
EVERY: Final = 64
"""Number of rounds of a loop between two looks at the clock."""
_end: ContextVar[float | None] = ContextVar("end", default=None)


class TooSlowError(Exception):
    """The work has used all of its time."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Allow the work inside `seconds` of processor time. Work that runs over raises TooSlowError.

    The work is asked once more at its end, for what has no loops of ours.
    """
    token = _end.set(time.thread_time() + seconds)
    try:
        yield
        check_time()
    finally:
        _end.reset(token)


def check_time() -> None:
    """Raise TooSlowError if the time is used up. Without a limit nothing happens."""
    end = _end.get()
    if end is not None and time.thread_time() > end:
        raise TooSlowError


def timed(items: Iterable[T]) -> Iterator[T]:
    """The same items, with a look at the clock after every 64 of them. So many are taken ahead.

    A look is a system call of some microseconds. Shorter loops do without: the limit itself looks at the end.
    """
    iterator = iter(items)
    while len(chunk := tuple(islice(iterator, EVERY))) == EVERY:
        yield from chunk
        check_time()
    yield from chunk
