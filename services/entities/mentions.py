"""Finds known names in a text: exact spellings, inflected forms, and similar spellings that are not listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from rapidfuzz import fuzz

from services.common.time_limit import timed
from services.entities.gazetteer import DEMONYM_START, FAMOUS, Gazetteer
from services.entities.records import Alias
from services.entities.spellings import FAMILY, WORD, basic_phrases, consonant_key, in_latin

Field = Literal["title", "text"]
Word = tuple[int, int, str]
"""A word of a text: where it begins and ends, and the word."""
SPACES = " \u00a0"
"""What may be between two words of one name."""
MAX_RUN = 3
"""Maximum number of words in a name that is searched in other forms."""
MIN_ALIKE = 90.0
"""Minimum ratio (rapidfuzz) of two spellings in Latin letters with the same consonant key to be the same name."""
MIN_ALIKE_LETTERS = 5
SAME = 95.0
"""Minimum ratio for a single word in Latin letters, because many words are similar: Parish and Paris."""
MAX_DEMONYM_TAIL = 4
DEMONYM_STEMS = range(DEMONYM_START, 15)
MIN_CONSONANTS = 7
UNCASED = re.compile(r"[\u0590-\u05ff\u0600-\u06ff\u0900-\u0dff\u10d0-\u10ff]")
"""Scripts without capitals, in which names are compared by consonants: Hebrew, Arabic, Indian scripts, Georgian."""
CASED = re.compile(r"[A-ZÀ-ÞĀ-ſͰ-ϿЀ-ӿԱ-Ֆ\u1e00-\u1eff]")
"""Scripts with capitals, in which names are compared by sound: Latin, Greek, Cyrillic, Armenian."""


@dataclass(frozen=True, slots=True)
class Span:
    """One spelling in one field, the entities that it may mean in this language, and how it was found."""

    field: Field
    start: int
    end: int
    surface: str
    candidates: tuple[int, ...]
    kind: str = "name"


@dataclass(frozen=True, slots=True)
class Demonym:
    """An adjective of a country. `country` is a code of ISO 3166-1 alpha-2."""

    field: Field
    start: int
    end: int
    surface: str
    country: str


def split_words(text: str) -> list[Word]:
    """The words of a text, in order."""
    return [(match.start(), match.end(), match[0]) for match in WORD.finditer(text)]


def find_spans(gazetteer: Gazetteer, name: Field, text: str, language: str, words: Sequence[Word]) -> list[Span]:
    """Find spellings of this language without overlaps. The longest ones win. Then find other forms in the rest.

    `words` are the words of the text (`split_words`).
    """
    proposed = _exact(gazetteer, name, text, language)
    if language in FAMILY:
        proposed += _inflected(gazetteer, name, text, language, words)
    alike = _alike(gazetteer, name, text, language, words, bytearray(len(text)), shortest=2)
    proposed += [span for span in alike if " " in span.surface]
    covered = bytearray(len(text))
    taken = []
    for span in timed(sorted(proposed, key=lambda span: (span.start - span.end, span.kind != "name", span.start))):
        if not any(covered[span.start : span.end]):
            covered[span.start : span.end] = b"\x01" * (span.end - span.start)
            taken.append(span)
    taken += _alike(gazetteer, name, text, language, words, covered)
    return sorted(taken, key=lambda span: span.start)


def cover(text: str, places: Iterable[tuple[int, int]]) -> bytearray:
    """One byte for each character of a text: 1 inside one of the places (start, end), 0 elsewhere."""
    covered = bytearray(len(text))
    for start, end in places:
        covered[start:end] = b"\x01" * (end - start)
    return covered


def find_demonyms(
    gazetteer: Gazetteer, name: Field, language: str, words: Sequence[Word], inside: bytearray
) -> list[Demonym]:
    """Find words outside of names that begin like an adjective of a country. `inside` marks the names (`cover`)."""
    found = []
    starts = gazetteer.demonym_starts
    for start, end, word in timed(words):
        if end - start < DEMONYM_START or inside[start]:
            continue
        folded = word.casefold()
        if (language, folded[:DEMONYM_START]) not in starts:
            continue
        for length in DEMONYM_STEMS:
            country = gazetteer.demonyms.get((language, folded[:length])) if length <= len(folded) else None
            if country and len(folded) - length <= MAX_DEMONYM_TAIL:
                found.append(Demonym(name, start, end, word, country))
                break
    return found


def speaks(alias: Alias, language: str) -> bool:
    """Whether a spelling belongs to this language."""
    return alias.languages is None or language == "und" or language in alias.languages


def _exact(gazetteer: Gazetteer, name: Field, text: str, language: str) -> list[Span]:
    return [
        Span(name, match.start, match.end, text[match.start : match.end], candidates)
        for match in timed(gazetteer.find(text))
        if (candidates := _meant(match.aliases, language))
    ]


def _meant(aliases: tuple[Alias, ...], language: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(alias.entity for alias in aliases if speaks(alias, language)))


def _inflected(gazetteer: Gazetteer, name: Field, text: str, language: str, words: Sequence[Word]) -> list[Span]:
    found = []
    for run in timed(_runs(text, words, bytearray(len(text)))):
        candidates: dict[int, None] = {}
        for phrase in basic_phrases([word for _, _, word in run], language, gazetteer.vocabulary):
            candidates |= dict.fromkeys(_meant(gazetteer.by_text.get(phrase, ()), language))
        if candidates:
            start, end = run[0][0], run[-1][1]
            found.append(Span(name, start, end, text[start:end], tuple(candidates), "inflected"))
    return found


def _alike(
    gazetteer: Gazetteer,
    name: Field,
    text: str,
    language: str,
    words: Sequence[Word],
    covered: bytearray,
    shortest: int = 1,
) -> list[Span]:
    """Spellings that are not listed and resemble famous names, of at least so many words. They become covered."""
    found = []
    runs = _runs(text, words, covered, cased=not UNCASED.search(text), shortest=shortest)
    for run in timed(runs):
        start, end = run[0][0], run[-1][1]
        surface = text[start:end]
        is_cased = bool(CASED.match(surface[0]))
        if any(covered[start:end]) or not (is_cased or UNCASED.match(surface[0])):
            continue
        candidates: tuple[int, ...] = ()
        if surface.isupper() and is_cased:
            candidates = _same_acronym(gazetteer, surface)
        elif is_cased and len(surface) >= MIN_ALIKE_LETTERS:
            candidates = _sounding_alike(gazetteer, surface, language)
        elif not is_cased:
            candidates = _same_consonants(gazetteer, surface)
        if candidates:
            found.append(Span(name, start, end, surface, candidates, "alike"))
            covered[start:end] = b"\x01" * (end - start)
    return found


def _same_acronym(gazetteer: Gazetteer, words: str) -> tuple[int, ...]:
    """The famous entities of an acronym in other letters: НАТО."""
    if words.isascii() or " " in words:
        return ()
    aliases = gazetteer.by_text.get(in_latin(words).upper(), ())
    return tuple(
        dict.fromkeys(alias.entity for alias in aliases if gazetteer.entities[alias.entity].prominence >= FAMOUS)
    )


def _same_consonants(gazetteer: Gazetteer, words: str) -> tuple[int, ...]:
    """The famous entities with the same consonants, for scripts with few vowels.

    A single word would fit too many entities, so it gives no result.
    """
    key = consonant_key(words)
    if " " not in key or len(key) < MIN_CONSONANTS:
        return ()
    return tuple(dict.fromkeys(index for index, _ in gazetteer.famous.get(key, ())))


@lru_cache(maxsize=16384)
def _sounding_alike(gazetteer: Gazetteer, words: str, language: str) -> tuple[int, ...]:
    """The famous entities whose names sound the same and are similar in Latin letters."""
    latin = in_latin(words)
    forms = {latin, *(latin.removesuffix(end) for end in LATIN_ENDINGS.get(language, ()) if latin.endswith(end))}
    found: dict[int, float] = {}
    for form in forms:
        for index, spelling in gazetteer.famous.get(consonant_key(form), ()):
            is_word = " " not in words and words.isascii() and gazetteer.entities[index].type != "PER"
            likeness = fuzz.ratio(form, spelling)
            if likeness >= (SAME if is_word else _needed(form)):
                found[index] = max(found.get(index, 0.0), likeness)
    best = max(found.values(), default=0.0)
    return tuple(index for index, likeness in found.items() if likeness == best)


LATIN_ENDINGS = {
    "lv": ("s", "is", "a"),
    "lt": ("as", "is", "us"),
    "el": ("s", "ou"),
    "hu": ("t",),
    "fi": ("n",),
    "sq": ("i",),
}
"""Endings that a language adds to foreign names even in the basic form."""


def _needed(form: str) -> float:
    """The minimum ratio. It is lower for several words, because their consonants are already the same."""
    return MIN_ALIKE - 15 if " " in form else MIN_ALIKE


def _runs(
    text: str, words: Sequence[Word], covered: bytearray, *, cased: bool = True, shortest: int = 1
) -> list[Sequence[Word]]:
    """Runs of up to three adjacent words with capitals outside of names, longest first.

    With `cased` the words need capitals.
    """
    kept = [word for word in words if not covered[word[0]] and (not cased or word[2][0].isupper())]
    together = [right[0] - left[1] == 1 and text[left[1]] in SPACES for left, right in pairwise(kept)]
    runs: list[Sequence[Word]] = []
    for size in range(MAX_RUN, shortest - 1, -1):
        starts = range(len(kept) - size + 1)
        runs += [kept[index : index + size] for index in starts if all(together[index : index + size - 1])]
    return runs
