"""The names that are known: entities, their aliases, and one automaton that finds all of them at once."""

from __future__ import annotations

import gzip
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import ahocorasick_rs

DATA = Path(__file__).with_name("data") / "gazetteer.tsv.gz"
MANIFEST = Path(__file__).with_name("data") / "manifest.json"
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Scripts written without spaces: there a name may touch its neighbours."""
MIN_LATIN_LENGTH = 2
APOSTROPHES = str.maketrans("’‘ʼ＇", "''''")


class Known(NamedTuple):
    """One entity of the gazetteer; years of office and coordinates where it has them."""

    id: str
    type: str
    name: str
    country: str
    prominence: float
    lat: float | None
    lon: float | None
    start: int | None
    end: int | None


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


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """All names, and the automaton over them (Aho and Corasick 1975)."""

    entities: tuple[Known, ...]
    aliases: tuple[tuple[Alias, ...], ...]
    automaton: ahocorasick_rs.AhoCorasick

    def find(self, text: str) -> list[Match]:
        """Every spelling that stands at word boundaries, overlapping ones too, in order."""
        folded = text.translate(APOSTROPHES)
        found = self.automaton.find_matches_as_indexes(folded, overlapping=True)
        return [
            Match(start, end, self.aliases[pattern])
            for pattern, start, end in found
            if is_at_boundaries(folded, start, end)
        ]


def is_alias_usable(text: str) -> bool:
    """Whether a spelling can be looked for without finding everything: a capital, or a script without capitals."""
    if len(text) < MIN_LATIN_LENGTH or text.isdigit():
        return False
    first = text[0]
    return not (first.isalpha() and first.lower() == first and first.upper() != first)


def is_at_boundaries(text: str, start: int, end: int) -> bool:
    """Whether [start, end) is a word by itself; scripts without spaces have no boundaries."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    return (not _joins(before) or bool(UNSPACED.match(text[start])) or _is_proclitic(text, start)) and (
        not _joins(after) or bool(UNSPACED.match(text[end - 1]))
    )


def _joins(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.combining(character) > 0


def _is_proclitic(text: str, start: int) -> bool:
    """Arabic writes and, in, to and like in front of a name without a space."""
    if not "\u0600" <= text[start] <= "\u06ff" or text[start - 1] not in "وبلفك":
        return False
    return start == 1 or not _joins(text[start - 2])


@cache
def load_gazetteer(path: Path = DATA) -> Gazetteer:
    """The gazetteer, read once a process."""
    entities: list[Known] = []
    spellings: dict[str, list[Alias]] = {}
    languages: dict[str, frozenset[str] | None] = {"*": None}
    with gzip.open(path, "rt", encoding="utf8") as file:
        for line in file:
            kind, *row = line.rstrip("\n").split("\t")
            if kind == "E":
                entities.append(_entity(row))
            else:
                text, index, codes = row
                if codes not in languages:
                    languages[codes] = frozenset(codes.split(","))
                spellings.setdefault(text, []).append(Alias(int(index), languages[codes]))
    automaton = ahocorasick_rs.AhoCorasick(list(spellings), implementation=ahocorasick_rs.Implementation.ContiguousNFA)
    return Gazetteer(tuple(entities), tuple(tuple(aliases) for aliases in spellings.values()), automaton)


def _entity(row: list[str]) -> Known:
    qid, kind, name, country, prominence, lat, lon, start, end = row
    return Known(
        qid,
        kind,
        name,
        country,
        float(prominence),
        float(lat) if lat else None,
        float(lon) if lon else None,
        int(start[:4]) if start[:4].isdigit() else None,
        int(end[:4]) if end[:4].isdigit() else None,
    )
