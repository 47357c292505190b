"""Transfers names from English news to its translations, for languages without a corpus. Only `train.py` runs it.

A sentence is kept if every English name has a similar name in the translation and no other word looks like a name.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from benchmarks.quality.name_corpora import Gold, Sentence
from services.entities.names.base import NameFinder
from services.entities.names.features import fold_word_for_features, shape_of, split_sentences, tokenize
from tools.names.lexicon import NEWS

ENGLISH = "eng"
TARGETS = {
    "bel": "be",
    "bul": "bg",
    "cat": "ca",
    "ces": "cs",
    "ell": "el",
    "est": "et",
    "fin": "fi",
    "fra": "fr",
    "hun": "hu",
    "ind": "id",
    "isl": "is",
    "ita": "it",
    "lav": "lv",
    "lit": "lt",
    "mkd": "mk",
    "nld": "nl",
    "pol": "pl",
    "ron": "ro",
    "rus": "ru",
    "slv": "sl",
    "spa": "es",
    "tur": "tr",
    "ukr": "uk",
    "vie": "vi",
}
"""Codes of NTREX and our codes. The languages have capitals, are frequent in news and have no corpus here."""
ALIKE = 0.75
"""Minimum similarity of two spellings (Ratcliff and Obershelp). It allows inflected forms: Бретта Кавано has 0.80."""
SPELLINGS = str.maketrans({"c": "k", "q": "k", "y": "i", "j": "i", "w": "v", "h": ""})
"""Letters that differ between languages in the same name."""
NAME_SHAPES = frozenset({"Xx", "XX", "XXX", "XxX", "X", "xX", "A."})


def project(data: Path, finder: NameFinder, classes: Mapping[str, str]) -> list[Sentence]:
    """Translated sentences with the names that `finder` sees in the English ones."""
    texts: dict[str, dict[str, list[str]]] = {}
    with gzip.open(data / NEWS, "rt", encoding="utf8") as file:
        for row in map(json.loads, file):
            texts.setdefault(row["lang"], {})[row["story"]] = [row["title"], *row["text"].split("\n")]
    kept: list[Sentence] = []
    for story, lines in sorted(texts[ENGLISH].items()):
        names = [[line[name.start : name.end] for name in finder.find(line, "en")] for line in lines]
        types = [[name.type for name in finder.find(line, "en")] for line in lines]
        for code, language in TARGETS.items():
            translated = texts[code].get(story, [])
            if len(translated) != len(lines):
                continue
            countries = _countries(language)
            for line, surfaces, kinds in zip(translated, names, types, strict=True):
                places = place_names(line, [[surface, *countries.get(surface, ())] for surface in surfaces], classes)
                if places is not None:
                    golds = (Gold(*place, kind) for place, kind in zip(places, kinds, strict=True))
                    kept.append(Sentence(language, line, tuple(sorted(golds))))
    return kept


def place_names(line: str, names: Sequence[Sequence[str]], classes: Mapping[str, str]) -> list[tuple[int, int]] | None:
    """The place of each name in the line. Each name is given by its spellings.

    None if a name is missing, or if another word looks like a name.
    """
    texts, starts = tokenize(line)
    shapes = [shape_of(text) for text in texts]
    taken = [False] * len(texts)
    places = []
    for spellings in names:
        windows = list(_windows(texts, shapes, taken, max(len(tokenize(spelling).texts) for spelling in spellings) + 1))
        scored = ((_likeness(texts[first:last], spellings), first, last) for first, last in windows)
        likeness, first, last = max(scored, default=(0.0, 0, 0), key=lambda window: (window[0], window[1] - window[2]))
        if likeness < ALIKE:
            return None
        taken[first:last] = [True] * (last - first)
        places.append((starts[first], starts[last - 1] + len(texts[last - 1])))
    begins = {begin for begin, _ in split_sentences(line, starts)}
    for at, (text, shape) in enumerate(zip(texts, shapes, strict=True)):
        opens = at in begins or not texts[at - 1][0].isalnum()
        if (
            shape in NAME_SHAPES
            and not taken[at]
            and not opens
            and "l" not in classes.get(fold_word_for_features(text), "")
        ):
            return None
    return places


def _windows(
    texts: Sequence[str], shapes: Sequence[str], taken: Sequence[bool], longest: int
) -> Iterator[tuple[int, int]]:
    """Runs of free tokens that begin and end with a capitalised token."""
    for first in range(len(texts)):
        for last in range(first + 1, min(first + longest, len(texts)) + 1):
            if taken[last - 1]:
                break
            if shapes[first] in NAME_SHAPES and shapes[last - 1] in NAME_SHAPES:
                yield first, last


def _likeness(words: Sequence[str], spellings: Sequence[str]) -> float:
    mine = _comparable_letters(" ".join(words))
    return max(
        SequenceMatcher(None, mine, _comparable_letters(spelling), autojunk=False).ratio() for spelling in spellings
    )


def _comparable_letters(name: str) -> str:
    return "".join(letter for letter in fold_word_for_features(name).translate(SPELLINGS) if letter.isalnum())


def _countries(language: str) -> dict[str, tuple[str, ...]]:
    """Names of countries in a language, by their English names."""
    from babel import Locale

    there = Locale.parse(language).territories
    return {name: (there[code],) for code, name in Locale.parse("en").territories.items() if code in there}
