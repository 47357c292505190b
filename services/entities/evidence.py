"""Evidence for a link: the rest of the article, its date, and the prominence of the entity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from schemas.article import EntityType
from services.entities.gazetteer import Gazetteer
from services.entities.longer_names import is_part_of_name
from services.entities.mentions import Demonym, Field, Span
from services.entities.records import Known

MIN_SCORE = 0.7
"""Minimum score of a link. Below it, more than one link in thirty would be wrong (200 mentions read, ADR 11)."""
MIN_LEAD = 0.1
"""Minimum lead of the best candidate over the second one."""
WELL_KNOWN = 0.9
"""Prominence of countries and of entities whose name alone is enough for a link."""
CITY_PROMINENCE = 0.6
"""Prominence of a city of about 630,000. Smaller cities are linked only when their country is mentioned."""
OFFICE_SLACK_YEARS = 1
NAME = {EntityType.PERSON: 0.55, EntityType.ORGANISATION: 0.72, EntityType.LOCATION: 0.55}
"""Score of a name alone. Most names of people belong to several people."""
OF_ITS_OWN, GENERIC = 0.3, 0.45
"""Prominence below which an organisation is a body of a state, and the score of its name.

Parliaments and ministries of several countries have the same name.
"""
COUNTRY, IN_OFFICE, ROLE, PROMINENT = 0.2, 0.2, 0.12, 0.25
OTHER_FORM, ALIKE = -0.03, -0.1
ROLE_WORD = re.compile(
    r"president|minister|premier|chancellor|secretary|ambassador|senator|governor|commissioner|general|king|queen|prince|kanzler|präsident|"
    r"botschafter|président|ministre|ambassadeur|presidente|ministro|ministra|embajador|cancill?er|ambasciatore|embaixador|министр|президент|"
    r"посол|премьер|канцлер|міністр|прем'єр|prezydent|ministr|statsminister|bakan|başkan|رئيس|وزير|总统|总理|部长|主席|大统领|首相|大臣|外相|大統領|leader|leider|chef|jefe|líder",
    re.IGNORECASE,
)
NEAR = 40
"""Number of characters around a name that may contain an office."""
SENTENCE_START = re.compile(r"(?:^|[.!?…:\n]\s*|[\"“„«‘'(\[]\s*)$")


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision about a span: the index of an entity with score and reasons, or the remaining candidates."""

    index: int | None
    score: float
    reasons: tuple[str, ...]
    candidates: tuple[tuple[Known, float], ...]
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """The article around the names: its countries, its date, its texts, and the number of each spelling."""

    gazetteer: Gazetteer
    countries: frozenset[str]
    adjectives: frozenset[str]
    texts: dict[Field, str]
    language: str
    at: datetime | None
    counts: dict[str, int]

    @classmethod
    def gather(
        cls,
        gazetteer: Gazetteer,
        spans: list[Span],
        demonyms: list[Demonym],
        texts: dict[Field, str],
        language: str,
        at: datetime | None,
    ) -> Evidence:
        """Gather the countries of unambiguous names, the countries of adjectives, and the counts of spellings."""
        countries = set()
        counts: dict[str, int] = {}
        for span in spans:
            counts[span.surface] = counts.get(span.surface, 0) + 1
            if len(span.candidates) == 1:
                known = gazetteer.entities[span.candidates[0]]
                if known.country and known.prominence >= CITY_PROMINENCE:
                    countries.add(known.country)
        return cls(
            gazetteer,
            frozenset(countries),
            frozenset(demonym.country for demonym in demonyms),
            texts,
            language,
            at,
            counts,
        )


def judge(span: Span, evidence: Evidence) -> Judgement:
    """The entity of a span, if one candidate has enough evidence and clearly more than the others."""
    scored = []
    for index in dict.fromkeys(span.candidates):
        known = evidence.gazetteer.entities[index]
        score, reasons = _score(known, span, evidence)
        scored.append((min(score, 0.99), index, known, reasons))
    scored.sort(key=lambda item: (-item[0], -item[2].prominence))
    best = scored[0]
    if is_part_of_name(span, best[2], evidence.texts[span.field], evidence.language):
        return Judgement(None, 0.0, (), tuple((known, 0.0) for _, _, known, _ in scored), is_part=True)
    rival = scored[1] if len(scored) > 1 else None
    is_clear = (
        rival is None or best[0] - rival[0] >= MIN_LEAD or best[2].prominence - rival[2].prominence >= 3 * MIN_LEAD
    )
    if best[0] >= MIN_SCORE and is_clear:
        return Judgement(best[1], best[0], best[3], ())
    return Judgement(None, best[0], (), tuple((known, max(0.0, score)) for score, _, known, _ in scored))


def _score(known: Known, span: Span, evidence: Evidence) -> tuple[float, tuple[str, ...]]:
    kind = EntityType(known.type)
    base = NAME[kind] if known.prominence >= OF_ITS_OWN or kind is not EntityType.ORGANISATION else GENERIC
    score, reasons = base, ["full name" if " " in span.surface and kind is EntityType.PERSON else "name"]
    if span.kind == "inflected":
        score, reasons = score + OTHER_FORM, [*reasons, "inflected"]
    elif span.kind == "alike":
        score, reasons = score + ALIKE, [*reasons, "spelling alike"]
    for gain, reason in _support(known, kind, span, evidence):
        score += gain
        reasons.append(reason)
    if kind is EntityType.ORGANISATION:
        score += _organisation(known, span, evidence)
    return score, tuple(reasons)


def _support(known: Known, kind: EntityType, span: Span, evidence: Evidence) -> list[tuple[float, str]]:
    support = []
    if known.prominence >= WELL_KNOWN:
        support.append((0.4, "well known"))
    elif known.prominence >= CITY_PROMINENCE:
        support.append((PROMINENT, "a large city" if kind is EntityType.LOCATION else "well known"))
    if known.country and known.country in evidence.countries and known.prominence < WELL_KNOWN:
        support.append((COUNTRY, "country mentioned"))
    elif known.country and known.country in evidence.adjectives and known.prominence < WELL_KNOWN:
        support.append((COUNTRY - 0.02, "country's adjective mentioned"))
    if kind is EntityType.PERSON and known.prominence < WELL_KNOWN:
        if _is_in_office(known, evidence.at):
            support.append((IN_OFFICE, "in office at date"))
        text = evidence.texts[span.field]
        if ROLE_WORD.search(text[max(0, span.start - NEAR) : span.start]) or ROLE_WORD.search(
            text[span.end : span.end + NEAR]
        ):
            support.append((ROLE, "office mentioned"))
    return support


def _is_in_office(known: Known, at: datetime | None) -> bool:
    if at is None or known.start is None:
        return False
    last = known.end or at.year
    return known.start - OFFICE_SLACK_YEARS <= at.year <= last + OFFICE_SLACK_YEARS


def _organisation(known: Known, span: Span, evidence: Evidence) -> float:
    """The change of the score of an organisation by the form of its name.

    A single word at the start of a sentence may be an ordinary word, so it counts only if it is repeated.
    """
    if " " in span.surface or known.prominence >= WELL_KNOWN:
        return 0.1
    text = evidence.texts[span.field]
    starts = bool(SENTENCE_START.search(text[max(0, span.start - 4) : span.start]))
    if starts and evidence.counts.get(span.surface, 0) < 2:
        return -0.1
    return 0.05
