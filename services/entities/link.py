"""Links names to Wikidata by evidence. It prefers no link to a wrong link."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import ahocorasick_rs

from schemas.article import (
    ArticleDraft,
    Candidate,
    Entity,
    EntityType,
    Mention,
    MentionKind,
    Place,
    Unlinked,
)
from services.common.time_limit import timed
from services.entities.evidence import Evidence, Judgement, judge
from services.entities.gazetteer import Gazetteer
from services.entities.mentions import Demonym, Field, Span, cover, find_demonyms, find_spans, split_words
from services.entities.names import NameFinder
from services.entities.roles import find_descriptions
from services.entities.unknown import find_names

VERSION = "entities@3"
MAX_MENTIONS = 100
MAX_UNLINKED = 50
MAX_CANDIDATES = 5
SHORT_TEXT = 60
"""For texts shorter than this (in characters), the language is the one that the source declares, because names alone look
like any language."""
FAMILY_NAME_FIRST = frozenset({"CN", "TW", "HK", "KP", "KR", "VN"})
CAPITALISED_NEXT = re.compile(r"[ \u00a0][^\W\d_a-zß-öø-ÿа-яё]", re.UNICODE)
WORD_CHARACTER = re.compile(r"\w")
PREVIOUS_WORD = re.compile(r"([\w.'’-]+)[ \u00a0]$")
TITLES = frozenset(
    [
        "president", "premier", "minister", "mr", "mrs", "ms", "dr", "sir", "chancellor", "secretary", "king", "queen", "prince",
        "general", "senator", "and", "but", "with", "that", "when", "president's", "presidente", "primer", "ministro", "präsident",
        "kanzler", "minister-president", "ministerpräsident", "président", "ministre", "staatschef", "diplomat", "leader", "сегодня",
        "президент", "премьер", "министр", "prezydent", "premier", "presidenten", "statsminister", "herr", "frau", "monsieur",
        "madame", "señor", "señora", "signor", "signora", "senhor", "pan", "pani", "bay", "bayan",
    ]
)  # fmt: skip
"""Words that may start with a capital letter and stand in front of a family name alone."""


@dataclass(slots=True)
class LinkedEntity:
    """The evidence for one entity of an article."""

    spans: list[Span] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    score: float = 0.0
    starts: set[tuple[Field, int]] = field(default_factory=set)


def link(draft: ArticleDraft, gazetteer: Gazetteer, finder: NameFinder | None = None) -> ArticleDraft:
    """Add `entities`, `unlinked` and `places`, found in title and text.

    `finder` looks for names that are not in the gazetteer.
    """
    normalized = draft.normalized
    title = (normalized.title if normalized else draft.title) or ""
    text = normalized.text if normalized else draft.content
    language = draft.language.code if draft.language else "und"
    if draft.declared_language and (language == "und" or len(text) < SHORT_TEXT):
        language = draft.declared_language
    dates = normalized.dates if normalized else ()
    at = dates[0].at if dates else draft.published_at
    linker = Linker(gazetteer, language.split("-")[0], at)
    texts: dict[Field, str] = {"title": title if title != text else "", "text": text}
    entities = linker.run(texts)
    unlinked = linker.unlinked()
    if finder is not None:
        known = [(mention.field, mention.start, mention.end) for entity in entities for mention in entity.mentions]
        known += [(name.field, name.start, name.end) for name in unlinked]
        entities += find_names(finder, texts, linker.language, known)
    return draft.model_copy(update={"entities": entities, "unlinked": unlinked, "places": linker.places()})


@dataclass(slots=True)
class Linker:
    """Links one article. `language` restricts spellings. `at` (its date) is compared with years of office."""

    gazetteer: Gazetteer
    language: str
    at: datetime | None
    found: dict[int, LinkedEntity] = field(default_factory=lambda: defaultdict(LinkedEntity))
    _left: list[Unlinked] = field(default_factory=list)

    def run(self, fields: dict[Field, str]) -> tuple[Entity, ...]:
        """The entities in order of first mention."""
        spans: list[Span] = []
        demonyms: list[Demonym] = []
        for name, text in fields.items():
            words = split_words(text)
            found = find_spans(self.gazetteer, name, text, self.language, words)
            inside = cover(text, ((span.start, span.end) for span in found))
            demonyms += find_demonyms(self.gazetteer, name, self.language, words, inside)
            spans += found
        evidence = Evidence.gather(self.gazetteer, spans, demonyms, fields, self.language, self.at)
        for span in timed(spans):
            self._take(span, judge(span, evidence))
        for name, text in fields.items():
            self._family_names(name, text, spans)
            for start, end, index in find_descriptions(text, self.language, self.gazetteer, list(self.found)):
                span = Span(name, start, end, text[start:end], (), "description")
                self._add(index, span, 0.0, "office and country after the full name", MentionKind.DESCRIPTION)
        for demonym in timed(demonyms):
            country = self.gazetteer.country(demonym.country)
            candidates = (Candidate(id=country.id, name=country.name, score=1.0),) if country else ()
            self._leave(demonym.field, demonym.start, demonym.end, demonym.surface, "adjective", candidates)
        return tuple(self._entity(index, found) for index, found in self.found.items())

    def places(self) -> tuple[Place, ...]:
        """The linked entities that have coordinates."""
        known = (self.gazetteer.entities[index] for index in self.found)
        return tuple(
            Place(id=entity.id, name=entity.name, lat=entity.lat, lon=entity.lon)
            for entity in known
            if entity.lat is not None and entity.lon is not None
        )

    def unlinked(self) -> tuple[Unlinked, ...]:
        """Known spellings that were not linked, in order of position."""
        return tuple(sorted(self._left, key=lambda name: (name.field != "title", name.start))[:MAX_UNLINKED])

    def _take(self, span: Span, judgement: Judgement) -> None:
        if judgement.index is not None:
            for reason in judgement.reasons:
                self._add(judgement.index, span, judgement.score, reason, MentionKind.NAME)
            return
        candidates = tuple(
            Candidate(id=known.id, name=known.name, score=round(score, 2))
            for known, score in judgement.candidates[:MAX_CANDIDATES]
        )
        reason = "ambiguous" if len(judgement.candidates) > 1 else "no evidence"
        if judgement.is_part:
            reason = "part of another name"
        self._leave(span.field, span.start, span.end, span.surface, reason, candidates)

    def _leave(
        self, name: Field, start: int, end: int, surface: str, reason: str, candidates: tuple[Candidate, ...]
    ) -> None:
        self._left.append(
            Unlinked.model_validate(
                {
                    "field": name,
                    "start": start,
                    "end": end,
                    "surface": surface,
                    "reason": reason,
                    "candidates": candidates,
                }
            )
        )

    def _add(self, index: int, span: Span, score: float, reason: str, kind: MentionKind) -> None:
        found = self.found[index]
        if (span.field, span.start) not in found.starts:
            found.starts.add((span.field, span.start))
            found.spans.append(Span(span.field, span.start, span.end, span.surface, span.candidates, kind.value))
        found.score = max(found.score, score)
        if reason not in found.reasons:
            found.reasons.append(reason)

    def _family_names(self, name: Field, text: str, spans: list[Span]) -> None:
        """Link a family name alone to the person whose full name is in the article, unless two persons share it."""
        owners: dict[str, set[int]] = defaultdict(set)
        linked: set[tuple[Field, int, int]] = set()
        for index, found in self.found.items():
            linked.update((span.field, span.start, span.end) for span in found.spans)
            if self.gazetteer.entities[index].type == EntityType.PERSON:
                for surface in {span.surface for span in found.spans}:
                    owners[self._family_name(index, surface)].add(index)
        own = ((span.start, span.end) for span in spans if span.field == name)
        covered = cover(text, ((start, end) for start, end in own if (name, start, end) in linked))
        families = {family: indexes for family, indexes in owners.items() if family and len(indexes) == 1}
        for family, start, end in timed(_find_words(families, text)):
            if not any(covered[start:end]) and _stands_alone(text, start, end):
                span = Span(name, start, end, text[start:end], (), "family name")
                (index,) = families[family]
                self._add(index, span, 0.0, "family name after the full name", MentionKind.FAMILY_NAME)

    def _family_name(self, index: int, surface: str) -> str:
        words = surface.split()
        if len(words) < 2:
            return ""
        first = self.gazetteer.entities[index].country in FAMILY_NAME_FIRST
        return words[0] if first else words[-1]

    def _entity(self, index: int, found: LinkedEntity) -> Entity:
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
                Mention(
                    field=span.field, start=span.start, end=span.end, surface=span.surface, kind=MentionKind(span.kind)
                )
                for span in spans
            ),
        )


def _find_words(words: Iterable[str], text: str) -> list[tuple[str, int, int]]:
    """(word, start, end) of each of these words where it stands as a whole word, in one pass over the text."""
    every = list(words)
    if not every:
        return []
    return [
        (every[pattern], start, end)
        for pattern, start, end in ahocorasick_rs.AhoCorasick(every).find_matches_as_indexes(text, overlapping=True)
        if not (start and WORD_CHARACTER.match(text, start - 1)) and not WORD_CHARACTER.match(text, end)
    ]


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the name is not a part of a longer name: `Li` in `Li Yonghui` is another person."""
    if CAPITALISED_NEXT.match(text, end):
        return False
    before = PREVIOUS_WORD.search(text, max(0, start - 40), start)
    if before is None:
        return True
    word = before[1]
    return not word[0].isupper() or word.casefold() in TITLES or text[before.start() - 1 : before.start()] in {"", "\n"}
