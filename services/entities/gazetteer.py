"""The known names: entities, their aliases, and one automaton that finds all of them in one pass."""

from __future__ import annotations

import gc
import gzip
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import ahocorasick_rs

from services.entities.overrides import apply_overrides
from services.entities.records import Alias, Known, Match
from services.entities.spellings import consonant_key, in_latin

DATA = Path(__file__).with_name("data") / "gazetteer.tsv.gz"
SHARE_ALIKE = Path(__file__).with_name("data") / "share-alike.tsv.gz"
"""Names under CC BY-SA 4.0. They are in a separate file because of their licence (data/LICENSE.md)."""
FAMOUS = 0.9
"""Minimum prominence for recognising unlisted spellings of a name: countries and the best known entities."""
MIN_FAMOUS_LENGTH = 4
MANIFEST = Path(__file__).with_name("data") / "manifest.json"
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Scripts that are written without spaces. In them, a name may touch the characters next to it."""
MIN_LATIN_LENGTH = 2
DEMONYM_START = 4
"""The shortest stem of an adjective of a country. The first letters of a word decide whether to look for it."""
APOSTROPHES = str.maketrans("’‘ʼ＇", "''''")


@dataclass(frozen=True, slots=True, eq=False)
class Gazetteer:
    """All names, and the automaton over them (Aho and Corasick 1975).

    `by_text` has the aliases by spelling, and `vocabulary` has the words of all spellings. `famous` has the best known
    entities: their indexes by the consonants of their spellings. `demonyms` has the countries by language and stem of
    the adjective, and `demonym_starts` the languages and first letters of these stems.
    """

    entities: tuple[Known, ...]
    aliases: tuple[tuple[Alias, ...], ...]
    automaton: ahocorasick_rs.AhoCorasick
    by_text: dict[str, tuple[Alias, ...]]
    vocabulary: frozenset[str]
    famous: dict[str, tuple[tuple[int, str], ...]]
    demonyms: dict[tuple[str, str], str]
    demonym_starts: frozenset[tuple[str, str]]
    countries: dict[str, int]

    def country(self, code: str) -> Known | None:
        """The country with this ISO 3166-1 code."""
        index = self.countries.get(code)
        return None if index is None else self.entities[index]

    def find(self, text: str) -> list[Match]:
        """Every spelling between word boundaries, in order. Matches may overlap."""
        folded = text.translate(APOSTROPHES)
        found = self.automaton.find_matches_as_indexes(folded, overlapping=True)
        return [
            Match(start, end, self.aliases[pattern])
            for pattern, start, end in found
            if is_at_boundaries(folded, start, end)
        ]


def is_alias_usable(text: str) -> bool:
    """Whether a search for this spelling is specific enough. It needs a capital letter or a script without capitals."""
    if len(text) < MIN_LATIN_LENGTH or text.isdigit():
        return False
    first = text[0]
    return not (first.isalpha() and first.lower() == first and first.upper() != first)


def is_at_boundaries(text: str, start: int, end: int) -> bool:
    """Whether [start, end) is a separate word. Scripts without spaces have no boundaries."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    return (not _joins(before) or bool(UNSPACED.match(text[start])) or _is_proclitic(text, start)) and (
        not _joins(after) or bool(UNSPACED.match(text[end - 1]))
    )


def _joins(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.combining(character) > 0


def _is_proclitic(text: str, start: int) -> bool:
    """Arabic writes the words for and, in, to and like directly in front of a name, without a space."""
    if not "\u0600" <= text[start] <= "\u06ff" or text[start - 1] not in "وبلفك":
        return False
    return start == 1 or not _joins(text[start - 2])


def load_gazetteer(path: Path | None = None, overrides: Path | None = None) -> Gazetteer:
    """A gazetteer from the shipped files or from this path. Each process reads it once.

    `overrides` is a YAML file with additions and corrections. ValueError says what is wrong in it.
    """
    return _load(path, overrides)


@cache  # always called with all arguments by position, so that equal calls have the same cache key
def _load(path: Path | None, overrides: Path | None) -> Gazetteer:
    loader = Loader()
    with _without_collector():
        for file in (path,) if path else (DATA, SHARE_ALIKE):
            loader.read(file)
        if overrides is not None:
            apply_overrides(loader, overrides)
        return loader.gazetteer()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Turn off Python's cycle collector during reading. It would scan all names many times and find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(slots=True)
class Loader:
    """Gathers entities and spellings from files."""

    entities: list[Known] = field(default_factory=list)
    indexes: dict[str, int] = field(default_factory=dict)
    spellings: dict[str, list[Alias]] = field(default_factory=dict)
    demonyms: dict[tuple[str, str], str] = field(default_factory=dict)

    def read(self, path: Path) -> None:
        """Read one gazetteer file. An entity that is already known gets the spellings of the file as well."""
        languages: dict[str, frozenset[str] | None] = {"*": None}
        own: list[int] = []
        spellings = self.spellings
        with gzip.open(path, "rb") as file:
            lines = file.read().decode().split("\n")
        for line in lines[:-1]:
            kind, *row = line.split("\t")
            if kind == "A":
                text, index, codes = row
                if codes not in languages:
                    languages[codes] = frozenset(codes.split(","))
                alias = Alias(own[int(index)], languages[codes])
                if text in spellings:
                    spellings[text].append(alias)
                else:
                    spellings[text] = [alias]
            elif kind == "E":
                own.append(self.add(_entity(row)))
            else:
                language, stem, country = row
                self.demonyms[language, stem] = country

    def add(self, known: Known) -> int:
        """The index of an entity. A new entity is added first."""
        if known.id not in self.indexes:
            self.indexes[known.id] = len(self.entities)
            self.entities.append(known)
        return self.indexes[known.id]

    def gazetteer(self) -> Gazetteer:
        """A gazetteer of everything that was read, ready for searches."""
        spellings = {
            text: tuple(aliases) if len(aliases) == 1 else tuple(dict.fromkeys(aliases))
            for text, aliases in self.spellings.items()
            if aliases
        }
        famous: dict[str, dict[tuple[int, str], None]] = {}
        well_known = {index for index, entity in enumerate(self.entities) if entity.prominence >= FAMOUS}
        for text, aliases in spellings.items():
            for alias in aliases:
                if alias.entity in well_known and len(text) >= MIN_FAMOUS_LENGTH:
                    famous.setdefault(consonant_key(text), {})[alias.entity, in_latin(text)] = None
        automaton = ahocorasick_rs.AhoCorasick(
            list(spellings), implementation=ahocorasick_rs.Implementation.ContiguousNFA, store_patterns=False
        )
        return Gazetteer(
            tuple(self.entities),
            tuple(spellings.values()),
            automaton,
            spellings,
            frozenset(word for text in spellings for word in text.split()),
            {key: tuple(found) for key, found in famous.items() if key},
            self.demonyms,
            frozenset((language, stem[:DEMONYM_START]) for language, stem in self.demonyms),
            {
                entity.country: index
                for index, entity in enumerate(self.entities)
                if entity.type == "LOC" and entity.lat is None and entity.country
            },
        )


def _entity(row: list[str]) -> Known:
    qid, kind, name, country, prominence, lat, lon, start, end, roles = row
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
        frozenset(roles.split(",")) if roles else frozenset(),
    )
