"""Faults that are known and not mended yet, each with the smallest input that shows it.

`make fuzz` passes over a fault of this list, and fails when an entry of the list is no fault any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Known:
    """A fault by its name (see `faults.name_of`), the reader that shows it, and the input."""

    fault: str
    reader: str
    data: bytes


KNOWN: Final[dict[str, Known]] = {}
"""Exceptions and broken promises."""

SLOW: Final[dict[str, str]] = {}
"""Rows whose time grows with the square of their size, and why."""
