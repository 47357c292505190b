"""Links names to Wikidata by evidence, and prefers no link to a wrong one."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from schemas.article import ArticleDraft, Entity, EntityType, Mention, Place
from services.entities.gazetteer import Alias, Gazetteer, Known, Match, load_gazetteer

VERSION = "entities@1"
MAX_MENTIONS = 100
CITY_PROMINENCE = 0.6
"""Prominence of a city of about 630,000: smaller ones need their country nearby."""
DOMINANT = 0.3
"""By how much a city's prominence must lead to win without its country (about eight times the people)."""
FAMILY_NAME_FIRST = frozenset({"CN", "TW", "HK", "KP", "KR", "VN"})
OFFICE_SLACK_YEARS = 1
CAPITALISED_NEXT = re.compile(r"[ \u00a0][^\W\d_a-zß-öø-ÿ]", re.UNICODE)
PREVIOUS_WORD = re.compile(r"([\w.'’-]+)[ \u00a0]$")
TITLES = frozenset(
    [
        "president",
        "premier",
        "minister",
        "mr",
        "mrs",
        "ms",
        "dr",
        "sir",
        "chancellor",
        "secretary",
        "king",
        "queen",
        "prince",
        "general",
        "senator",
        "and",
        "but",
        "with",
        "that",
        "when",
        "president's",
        "presidente",
        "primer",
        "ministro",
        "präsident",
        "kanzler",
        "minister-president",
        "ministerpräsident",
        "président",
        "ministre",
        "staatschef",
        "diplomat",
        "leader",
        "сегодня",
        "президент",
        "премьер",
        "министр",
        "prezydent",
        "premier",
        "presidenten",
        "statsminister",
    ]
)
Field = Literal["title", "text"]


@dataclass(frozen=True, slots=True)
class Span:
    """One spelling in one field, and the entities it may mean in this language."""

    field: Field
    start: int
    end: int
    surface: str
    candidates: tuple[int, ...]


@dataclass(slots=True)
class Found:
    """What is gathered for one entity."""

    spans: list[Span] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    score: float = 0.0


def link(draft: ArticleDraft) -> ArticleDraft:
    """Add `entities` and `places` over title and text."""
    normalized = draft.normalized
    title = (normalized.title if normalized else draft.title) or ""
    text = normalized.text if normalized else draft.content
    language = draft.language.code if draft.language else "und"
    if language == "und" and draft.declared_language:
        language = draft.declared_language
    dates = normalized.dates if normalized else ()
    at = dates[0].at if dates else draft.published_at
    gazetteer = load_gazetteer()
    linker = Linker(gazetteer, language.split("-")[0], at)
    entities = linker.run({"title": title if title != text else "", "text": text})
    return draft.model_copy(update={"entities": entities, "places": linker.places()})


@dataclass(slots=True)
class Linker:
    """Links one article: `language` restricts spellings, `at` (its date) is held against years of office."""

    gazetteer: Gazetteer
    language: str
    at: datetime | None
    found: dict[int, Found] = field(default_factory=lambda: defaultdict(Found))

    def run(self, fields: dict[Field, str]) -> tuple[Entity, ...]:
        """The entities in order of first mention."""
        spans = [span for name, text in fields.items() for span in self._spans(name, text)]
        countries = self._countries(spans)
        for span in spans:
            self._decide(span, countries)
        for name, text in fields.items():
            self._family_names(name, text, spans)
        return tuple(self._entity(index, found) for index, found in self.found.items())

    def places(self) -> tuple[Place, ...]:
        """The linked entities that have coordinates."""
        known = (self.gazetteer.entities[index] for index in self.found)
        return tuple(
            Place(id=one.id, name=one.name, lat=one.lat, lon=one.lon)
            for one in known
            if one.lat is not None and one.lon is not None
        )

    def _spans(self, name: Field, text: str) -> list[Span]:
        """Longest spellings first, none overlapping, only those of this language."""
        usable = [
            (match, candidates)
            for match in self.gazetteer.find(text)
            if (candidates := tuple(alias.entity for alias in match.aliases if self._speaks(alias)))
        ]
        usable.sort(key=lambda item: (item[0].start - item[0].end, item[0].start))
        taken: list[tuple[Match, tuple[int, ...]]] = []
        covered = bytearray(len(text))
        for match, candidates in usable:
            if not any(covered[match.start : match.end]):
                covered[match.start : match.end] = b"\x01" * (match.end - match.start)
                taken.append((match, candidates))
        taken.sort(key=lambda item: item[0].start)
        return [
            Span(name, match.start, match.end, text[match.start : match.end], candidates) for match, candidates in taken
        ]

    def _speaks(self, alias: Alias) -> bool:
        return alias.languages is None or self.language == "und" or self.language in alias.languages

    def _countries(self, spans: list[Span]) -> set[str]:
        """ISO codes of the countries that are named, or whose big city or leader is."""
        named = set()
        for span in spans:
            if len(span.candidates) == 1:
                known = self.gazetteer.entities[span.candidates[0]]
                if known.country and known.prominence >= CITY_PROMINENCE:
                    named.add(known.country)
        return named

    def _decide(self, span: Span, countries: set[str]) -> None:
        known = [(index, self.gazetteer.entities[index]) for index in dict.fromkeys(span.candidates)]
        if len(known) > 1:
            near = [item for item in known if item[1].country in countries]
            best = sorted(near or known, key=lambda item: -item[1].prominence)
            clear = len(best) == 1 or best[0][1].prominence - best[1][1].prominence >= DOMINANT
            if not clear:
                return
            index, entity = best[0]
            self._add(index, span, 0.8, "country mentioned" if near else "by far the best known")
            return
        index, entity = known[0]
        if entity.lat is not None and entity.prominence < CITY_PROMINENCE and entity.country not in countries:
            return
        self._add(index, span, *self._evidence(entity, span, countries))

    def _evidence(self, entity: Known, span: Span, countries: set[str]) -> tuple[float, str]:
        if entity.type != EntityType.PERSON:
            return 0.95, "name"
        if self.at is not None and entity.start is not None:
            last = entity.end or self.at.year
            if entity.start - OFFICE_SLACK_YEARS <= self.at.year <= last + OFFICE_SLACK_YEARS:
                return 0.97, "full name, in office at date"
        if entity.country in countries:
            return 0.95, "full name, country mentioned"
        return (0.9, "full name") if " " in span.surface else (0.85, "known spelling")

    def _add(self, index: int, span: Span, score: float, reason: str) -> None:
        found = self.found[index]
        found.spans.append(span)
        found.score = max(found.score, score)
        for part in reason.split(", "):
            if part not in found.reasons:
                found.reasons.append(part)

    def _family_names(self, name: Field, text: str, spans: list[Span]) -> None:
        """A bare family name means the person whose full name the article gives, unless two have it."""
        owners: dict[str, set[int]] = defaultdict(set)
        for index, found in self.found.items():
            if self.gazetteer.entities[index].type == EntityType.PERSON:
                for span in found.spans:
                    owners[self._family_name(index, span.surface)].add(index)
        covered = [(span.start, span.end) for span in spans if span.field == name]
        for family, indexes in owners.items():
            if len(indexes) > 1 or not family:
                continue
            for match in re.finditer(rf"(?<!\w){re.escape(family)}(?!\w)", text):
                if not any(start < match.end() and match.start() < end for start, end in covered) and _stands_alone(
                    text, match.start(), match.end()
                ):
                    span = Span(name, match.start(), match.end(), match[0], ())
                    self._add(next(iter(indexes)), span, 0.0, "family name after the full name")

    def _family_name(self, index: int, surface: str) -> str:
        words = surface.split()
        if len(words) < 2:
            return ""
        first = self.gazetteer.entities[index].country in FAMILY_NAME_FIRST
        return words[0] if first else words[-1]

    def _entity(self, index: int, found: Found) -> Entity:
        known = self.gazetteer.entities[index]
        spans = sorted(found.spans, key=lambda span: (span.field != "title", span.start))[:MAX_MENTIONS]
        return Entity(
            id=known.id,
            type=EntityType(known.type),
            name=known.name,
            country=known.country or None,
            prominence=known.prominence,
            score=round(found.score, 3),
            reasons=tuple(found.reasons),
            mentions=tuple(
                Mention(field=span.field, start=span.start, end=span.end, surface=span.surface) for span in spans
            ),
        )


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Neither a longer name's beginning nor its end: `Li` in `Li Yonghui` is somebody else."""
    if CAPITALISED_NEXT.match(text, end):
        return False
    before = PREVIOUS_WORD.search(text, max(0, start - 40), start)
    if before is None:
        return True
    word = before[1]
    return not word[0].isupper() or word.casefold() in TITLES or text[before.start() - 1 : before.start()] in {"", "\n"}
