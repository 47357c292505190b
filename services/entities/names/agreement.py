"""Makes the names of one text consistent: each spelling has one type and is found at every place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from services.entities.names.base import NameType

SURE = 0.8
"""Minimum probability of a name that is searched in the rest of the text."""
AGAIN = 0.8
"""Factor for the probability of a repeated name. In test files, 77 of 98 repeated names were right."""
SHORTEST = 3
"""Minimum number of code points of a name that is searched again."""
QUOTES = frozenset('"“”„«»‘‚「」『』')
Words = tuple[str, ...]


class NameRun(NamedTuple):
    """A name of the tokens [first, end), with its type and the probability of its bounds."""

    first: int
    end: int
    type: NameType
    probability: float


def agree(names: Sequence[NameRun], words: Sequence[str]) -> list[NameRun]:
    """The names of one text in order, with trimmed ends, one type for each spelling, and repetitions."""
    trimmed = [_trim(name, words) for name in names]
    types = _settle_types(trimmed, words)
    settled = [name._replace(type=types[tuple(words[name.first : name.end])]) for name in trimmed]
    return sorted([*settled, *_find_again(settled, words)])


def _trim(name: NameRun, words: Sequence[str]) -> NameRun:
    """The name without quotes. A full stop belongs to the name (`Inc.`) unless a quote follows."""
    first, end = name.first, name.end
    while first < end - 1 and words[first] in QUOTES:
        first += 1
    while end - 1 > first and (words[end - 1] in QUOTES or (words[end - 1] == "." and end < name.end)):
        end -= 1
    return name._replace(first=first, end=end)


def _settle_types(names: Iterable[NameRun], words: Sequence[str]) -> dict[Words, NameType]:
    """The type of each spelling.

    It is a person if the spelling ends a longer name of a person. Otherwise the type with the highest sum of
    probabilities wins.
    """
    votes: dict[Words, dict[NameType, float]] = {}
    family_names: set[Words] = set()
    for name in names:
        spelling = tuple(words[name.first : name.end])
        counts = votes.setdefault(spelling, {})
        counts[name.type] = counts.get(name.type, 0.0) + name.probability
        if name.type == "PER" and len(spelling) > 1:
            family_names.add(spelling[-1:])
    return {
        spelling: "PER" if spelling in family_names else max(counts, key=counts.__getitem__)
        for spelling, counts in votes.items()
    }


def _find_again(names: Iterable[NameRun], words: Sequence[str]) -> Iterator[NameRun]:
    """More places of certain names and of the family names in them, longest first."""
    sure: dict[Words, NameRun] = {}
    taken = bytearray(len(words))
    for name in names:
        taken[name.first : name.end] = b"\x01" * (name.end - name.first)
        if name.probability >= SURE:
            spelling = tuple(words[name.first : name.end])
            sure[spelling] = max(name, sure.get(spelling, name), key=lambda run: run.probability)
            if name.type == "PER" and len(spelling) > 1:
                sure.setdefault(spelling[-1:], name)
    spellings: dict[str, list[Words]] = defaultdict(list)
    for spelling in sorted(sure, key=len, reverse=True):
        if sum(map(len, spelling)) >= SHORTEST and not spelling[0].islower():
            spellings[spelling[0]].append(spelling)
    for at, word in enumerate(words):
        for spelling in spellings.get(word, ()):
            end = at + len(spelling)
            if not any(taken[at:end]) and tuple(words[at:end]) == spelling:
                taken[at:end] = b"\x01" * (end - at)
                yield NameRun(at, end, sure[spelling].type, sure[spelling].probability * AGAIN)
                break
