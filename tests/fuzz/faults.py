"""What goes wrong, named so that a fault is known again: the kind of the exception and the function that raised it."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Final

import services
from tests.fuzz.promises import BrokenPromiseError, demand
from tests.fuzz.readers import Read

ROOT: Final = Path(services.__file__).parents[1]
SECONDS_PER_100_KB: Final = 1.0
TOLERANCE: Final = 5.0
"""Only an input that takes this many times as long is a fault, because the machine may be busy."""
MIN_BYTES: Final = 40_000
"""Smaller inputs may take as long as this many bytes, because a first use loads what it needs."""


def limit_seconds(size: int) -> float:
    """The longest time of the processor for an input of this many bytes."""
    return TOLERANCE * SECONDS_PER_100_KB * max(MIN_BYTES, size) / 100_000


def read_in_time(read: Read, data: bytes) -> None:
    """Read the data. It is a broken promise when that takes too long."""
    demand(seconds_of(read, data) <= limit_seconds(len(data)), "an input is read in time")


def seconds_of(read: Read, data: bytes) -> float:
    """The time of the processor, whatever else the machine does."""
    start = time.process_time()
    read(data)
    return time.process_time() - start


def name_of(error: BaseException) -> str:
    """The name of a fault: the broken promise, or the exception and our innermost function."""
    if isinstance(error, BrokenPromiseError):
        return str(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_ours(frame.filename)]
    where = f"{frames[-1].filename.removeprefix(str(ROOT) + '/')}: {frames[-1].name}" if frames else "a library"
    return f"{type(error).__name__} in {where}"


def is_ours(filename: str) -> bool:
    """Whether a file belongs to the pipeline."""
    return filename.startswith((f"{ROOT}/services/", f"{ROOT}/schemas/"))
