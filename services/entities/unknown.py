"""Makes entities from names that no list holds. Their id is `name:` and the name in plain letters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from rapidfuzz import fuzz

from schemas.article import Entity, EntityType, Mention
from services.common.time_limit import timed
from services.entities.mentions import Field, cover
from services.entities.names import CrfNameFinder, GlinerNameFinder, NameFinder, NameSpan, SpacyNameFinder
from services.entities.spellings import consonant_key, in_latin

MIN_CONFIDENCE = 0.6
"""Below this confidence, two of five spans are wrong (model card)."""
MIN_SINGLE_CONFIDENCE = 0.9
"""A single capitalised word is too often a day or an adjective, so it needs more confidence."""
MIN_ALIKE = 85.0
"""Minimum rapidfuzz ratio of two names with the same consonants to count as spellings of one name."""
MAX_IDEOGRAPHS = 4
MAX_NAMES = 50
MAX_NAME = 80
NOT_SLUG = re.compile(r"[^a-z0-9]+")
PROMINENCE = 0.1
"""A name that no list holds is rarely in the news."""


@dataclass(slots=True)
class Name:
    """The spellings of one name in one article, and their positions."""

    surface: str
    spans: list[tuple[Field, NameSpan]] = field(default_factory=list)


@cache
def name_finder(setting: str) -> NameFinder | None:
    """The finder that `DRAGOMAN_NAMES` selects. Raises ValueError if its package or model is missing."""
    kind, _, argument = setting.partition(":")
    if kind == "crf":
        return CrfNameFinder()
    if kind == "spacy":
        return SpacyNameFinder(argument)
    return GlinerNameFinder(argument) if kind == "gliner" else None


def find_names(
    finder: NameFinder, texts: dict[Field, str], language: str, known: Iterable[tuple[Field, int, int]]
) -> tuple[Entity, ...]:
    """Names that do not overlap `known` (field, start, end), in order of mention. Spellings of one name are grouped."""
    places: dict[Field, list[tuple[int, int]]] = {place: [] for place in texts}
    for place, start, end in known:
        places[place].append((start, end))
    names = Names()
    for place, text in texts.items():
        taken = cover(text, places[place])
        for span in timed(finder.find(text, language)):
            surface = text[span.start : span.end]
            needed = MIN_CONFIDENCE if " " in surface or span.type == "PER" else MIN_SINGLE_CONFIDENCE
            overlaps = any(taken[span.start : span.end])
            if not overlaps and span.confidence >= needed and len(surface) <= MAX_NAME:
                names.put(surface, place, span)
    entities = [_entity(name, texts) for name in names.every if _is_whole(name)]
    return tuple(entities[:MAX_NAMES])


@dataclass(slots=True)
class Names:
    """The names of one article in order of mention, and where to look for the spellings of a name.

    `places` holds the positions of the names that have, or had, this word or these consonants.
    """

    every: list[Name] = field(default_factory=list)
    places: dict[str, list[int]] = field(default_factory=dict)

    def put(self, surface: str, place: Field, span: NameSpan) -> None:
        """Add a span to the first name that it is a spelling or a part of. Otherwise make a new name."""
        wanted = {index for key in _wanted(surface) for index in self.places.get(key, ())}
        found = next((index for index in sorted(wanted) if _is_same(surface, self.every[index].surface)), None)
        if found is None:
            found = len(self.every)
            self.every.append(Name(surface, [(place, span)]))
        else:
            name = self.every[found]
            name.spans.append((place, span))
            if len(surface) <= len(name.surface):
                return
            name.surface = surface
        for key in _offered(surface):
            self.places.setdefault(key, []).append(found)


def _offered(surface: str) -> set[str]:
    """Under what a name is found: by each of its words, by itself behind a line end, by its consonants behind a tab."""
    return {*surface.split(), f"\n{surface}", f"\t{consonant_key(surface)}"}


def _wanted(surface: str) -> set[str]:
    """Where to look for the same name: it is one word of the other, the other is one of its words, or both sound alike.

    Two names of several words that share one word are not looked at: there may be many of them.
    """
    return {surface, *(f"\n{word}" for word in surface.split()), f"\t{consonant_key(surface)}"}


def _is_same(one: str, other: str) -> bool:
    """Whether two names have the same consonants and nearly the same letters, or one is a word of the other."""
    if one in other.split() or other in one.split():
        return True
    return consonant_key(one) == consonant_key(other) and fuzz.ratio(in_latin(one), in_latin(other)) >= MIN_ALIKE


def _is_whole(name: Name) -> bool:
    """Whether the name is complete. A person needs two words, because many people share a family name."""
    kind = _type(name)
    is_ideographic = not name.surface.isascii() and len(name.surface) <= MAX_IDEOGRAPHS
    return kind != EntityType.PERSON or " " in name.surface or is_ideographic


def _type(name: Name) -> EntityType:
    """The type with the highest total confidence."""
    weights: dict[str, float] = {}
    for _, span in name.spans:
        weights[span.type] = weights.get(span.type, 0.0) + span.confidence
    return EntityType(max(weights, key=lambda kind: weights[kind]))


def _entity(name: Name, texts: dict[Field, str]) -> Entity:
    slug = NOT_SLUG.sub("-", in_latin(name.surface)).strip("-") or consonant_key(name.surface)
    return Entity(
        id=f"name:{slug}",
        type=_type(name),
        name=name.surface,
        prominence=PROMINENCE,
        score=round(max(span.confidence for _, span in name.spans), 3),
        reasons=("found in the text",),
        mentions=tuple(
            Mention(field=place, start=span.start, end=span.end, surface=texts[place][span.start : span.end])
            for place, span in name.spans
        ),
    )
