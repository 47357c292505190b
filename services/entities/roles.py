"""Finds people by their office after their full name: "the Russian president". Only in languages where this is safe."""

from __future__ import annotations

import re
from functools import cache

from services.common.time_limit import timed
from services.entities.gazetteer import Gazetteer

OFFICES: dict[str, dict[str, str]] = {
    "en": {"president": "president", "prime minister": "prime minister", "chancellor": "chancellor", "foreign minister": "foreign minister", "king": "king", "queen": "queen"},
    "nl": {"president": "president", "premier": "prime minister", "minister-president": "prime minister", "bondskanselier": "chancellor", "minister van buitenlandse zaken": "foreign minister"},
    "de": {"präsident": "president", "staatspräsident": "president", "ministerpräsident": "prime minister", "premierminister": "prime minister", "bundeskanzler": "chancellor", "außenminister": "foreign minister"},
    "fr": {"président": "president", "premier ministre": "prime minister", "chancelier": "chancellor", "ministre des affaires étrangères": "foreign minister"},
    "es": {"presidente": "president", "primer ministro": "prime minister", "canciller": "foreign minister", "ministro de exteriores": "foreign minister"},
    "it": {"presidente": "president", "primo ministro": "prime minister", "cancelliere": "chancellor", "ministro degli esteri": "foreign minister"},
}  # fmt: skip
ADJECTIVE = r"(?P<adjective>[^\W\d_]{4,20})"
BEFORE = {"en": "the", "nl": "de", "de": "der|den|dem|des|die"}
"""Languages with article and adjective before the office: the Russian president."""
BEHIND = {"fr": "le |la |l['’]", "es": "el |la ", "it": "il |la |l['’]"}
"""Languages with the adjective behind the office: le président russe."""


def find_descriptions(text: str, language: str, gazetteer: Gazetteer, linked: list[int]) -> list[tuple[int, int, int]]:
    """(start, end, entity index) of each office with an adjective that fits exactly one person linked by name."""
    pattern = _pattern(language)
    if pattern is None:
        return []
    people: dict[str, list[int]] = {}
    for index in linked:
        if gazetteer.entities[index].roles:
            people.setdefault(gazetteer.entities[index].country, []).append(index)
    found = []
    for match in timed(pattern.finditer(text) if people else ()):
        role = OFFICES[language][match["office"].casefold()]
        country = _country(match["adjective"].casefold(), language, gazetteer)
        holders = [index for index in people.get(country or "", ()) if _holds(role, gazetteer.entities[index].roles)]
        if country and len(holders) == 1:
            found.append((match.start(), match.end(), holders[0]))
    return found


@cache
def _pattern(language: str) -> re.Pattern[str] | None:
    if language not in OFFICES:
        return None
    offices = "|".join(sorted((re.escape(office) for office in OFFICES[language]), key=len, reverse=True))
    office = rf"(?P<office>{offices})"
    if language in BEFORE:
        return re.compile(rf"\b(?:{BEFORE[language]})\s{ADJECTIVE}\s{office}\b(?!\s(?-i:[A-ZÀ-Þ]))", re.IGNORECASE)
    return re.compile(rf"\b(?:{BEHIND[language]}){office}\s{ADJECTIVE}\b(?!\s(?-i:[A-ZÀ-Þ]))", re.IGNORECASE)


def _country(adjective: str, language: str, gazetteer: Gazetteer) -> str | None:
    for length in range(len(adjective), 3, -1):
        country = gazetteer.demonyms.get((language, adjective[:length]))
        if country:
            return country
    return None


def _holds(role: str, roles: frozenset[str]) -> bool:
    """Whether the roles include the role. A prime minister also has the role of a chancellor."""
    return role in roles or (role == "chancellor" and "prime minister" in roles)
