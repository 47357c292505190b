"""The records of the gazetteer, and the matches in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Known(NamedTuple):
    """One entity of the gazetteer. Years of office, coordinates and offices (`president`, …) are given if known."""

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
    """One spelling of an entity: the index of the entity, and the languages of the spelling (None means all)."""

    entity: int
    languages: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Match:
    """A spelling in a text at code points [start, end)."""

    start: int
    end: int
    aliases: tuple[Alias, ...]
