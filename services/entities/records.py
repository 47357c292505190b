"""What the gazetteer holds, and what is found with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Known(NamedTuple):
    """One entity of the gazetteer; years of office, coordinates and offices (`president`, …) where it has them."""

    id: str
    type: str
    name: str
    country: str
    prominence: float
    lat: float | None
    lon: float | None
    start: int | None
    end: int | None
    roles: frozenset[str] = frozenset()


class Alias(NamedTuple):
    """An entity's index under one spelling, and the languages in which it is one (None: all)."""

    entity: int
    languages: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Match:
    """A spelling found in a text, at code points [start, end)."""

    start: int
    end: int
    aliases: tuple[Alias, ...]
