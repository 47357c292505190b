"""Builds the word classes: the kinds of names in public lists that contain a word. Only `train.py` runs it.

G g  first name of at least 20, 3 persons      P p  city of one word, part of at least 3 cities' names
F f  last name of at least 15, 3 persons       O o  in the names of at least 100, 8 organisations
m    middle name of at least 3 persons         K    country of one word, in any language of CLDR
l    seen in small letters at least twice in a language's translation of the same 57 news documents
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from services.entities.names.features import HAN, KANA, LONGEST_LISTED, fold_word_for_features, tokenize

PEOPLE = ("people/people.tsv", "people/legislators.tsv.gz")
ORGANISATIONS = "people/orgs.tsv"
PLACES = "gazetteer/places.jsonl"
COUNTRIES = "gazetteer/country-codes.csv"
NEWS = "ntrex/articles.jsonl.gz"
SOURCES = {
    PEOPLE[0]: "CC0 1.0, Wikidata",
    PEOPLE[1]: "CC0 1.0, Wikidata",
    ORGANISATIONS: "CC0 1.0 and MIT, by row",
    PLACES: "public domain, Natural Earth",
    COUNTRIES: "PDDL 1.0",
    NEWS: "CC BY-SA 4.0, NTREX-128 (Federmann et al. 2022)",
}
CLDR = "Unicode CLDR, Unicode License v3"
LOWER_CASE_LANGUAGES = (
    *(
        "bel",
        "bul",
        "cat",
        "ces",
        "dan",
        "deu",
        "ell",
        "eng",
        "eng-US",
        "est",
        "fin",
        "fra",
        "hrv",
        "hun",
        "ind",
        "ita",
    ),
    *(
        "lav",
        "lit",
        "mkd",
        "nld",
        "nob",
        "pol",
        "por",
        "ron",
        "rus",
        "slk",
        "slv",
        "spa",
        "srp-Latn",
        "swe",
        "tur",
        "ukr",
    ),
)
"""Languages of NTREX with capitals that are frequent in news."""
LOWER_CASE = re.compile(r"[^\W\d_]{2,}")
IDEOGRAPHS = re.compile(rf"[{HAN}{KANA}]{{2,{LONGEST_LISTED}}}")
OFTEN, SELDOM = {"G": 20, "F": 15, "O": 100}, {"G": 3, "F": 3, "O": 8, "m": 3, "p": 3}


def build_classes(data: Path) -> dict[str, str]:
    """Class letters by folded word, sorted."""
    counts: dict[str, Counter[str]] = {
        **_count_persons(data),
        **_count_places(data / PLACES),
        "K": Counter(_countries(data / COUNTRIES)),
        "O": Counter(_organisation_words(data / ORGANISATIONS)),
    }
    ordinary = _ordinary_words(data / NEWS)
    listed = _list_ideographs(data)
    words = sorted(ordinary.union(*counts.values()))
    classes = {word: _letters(word, counts) + "l" * (word in ordinary) for word in words if len(word) > 1}
    return dict(sorted({**{word: letters for word, letters in classes.items() if letters}, **listed}.items()))


def _letters(word: str, counts: dict[str, Counter[str]]) -> str:
    letters = ""
    for kind in "GF":
        if counts[kind][word] >= SELDOM[kind]:
            letters += kind if counts[kind][word] >= OFTEN[kind] else kind.lower()
    if not letters and counts["m"][word] >= SELDOM["m"]:
        letters = "m"
    if counts["K"][word]:
        letters += "K"
    elif counts["P"][word]:
        letters += "P"
    elif counts["p"][word] >= SELDOM["p"]:
        letters += "p"
    if counts["O"][word] >= SELDOM["O"]:
        letters += "O" if counts["O"][word] >= OFTEN["O"] else "o"
    return letters


def _list_ideographs(data: Path) -> dict[str, str]:
    """Whole names in Chinese characters or kana with their class.

    A country wins over a city, a city over a person, and a person over an organisation.
    """
    persons = [name for name in _person_names(data) if IDEOGRAPHS.fullmatch(name)]
    rows = map(json.loads, (data / PLACES).read_text(encoding="utf8").splitlines())
    kinds = {
        "O": _organisation_aliases(data / ORGANISATIONS),
        "N": persons,
        "P": [name for row in rows for name in row["names"].values()],
        "K": _country_names(data / COUNTRIES),
    }
    listed = {name: kind for kind, names in kinds.items() for name in names if IDEOGRAPHS.fullmatch(name)}
    families = Counter(name[0] for name in persons)
    return {**listed, **{name: "f" for name, count in families.items() if count >= SELDOM["F"]}}


def _words(name: str) -> list[str]:
    return [fold_word_for_features(word) for word in tokenize(name).texts if word[0].isalpha()]


def _count_persons(data: Path) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {"G": Counter(), "F": Counter(), "m": Counter()}
    for words in map(_words, _person_names(data)):
        if len(words) > 1:
            counts["G"][words[0]] += 1
            counts["F"][words[-1]] += 1
            counts["m"].update(words[1:-1])
    return counts


def _person_names(data: Path) -> Iterator[str]:
    for path in PEOPLE:
        with (
            gzip.open(data / path, "rt", encoding="utf8")
            if path.endswith(".gz")
            else (data / path).open(encoding="utf8") as file
        ):
            for row in csv.DictReader(file, delimiter="\t"):
                yield from {row["name"]: None, **_aliases(row["aliases_json"])}


def _aliases(text: str) -> dict[str, None]:
    return dict.fromkeys(name for names in json.loads(text).values() for name in names)


def _count_places(path: Path) -> dict[str, Counter[str]]:
    """Cities of one word as `P`, and the words of longer names as `p`."""
    counts: dict[str, Counter[str]] = {"P": Counter(), "p": Counter()}
    for line in path.read_text(encoding="utf8").splitlines():
        row = json.loads(line)
        for words in map(_words, {row["name"]: None, **dict.fromkeys(row["names"].values())}):
            counts["P" if len(words) == 1 else "p"].update(words)
    return counts


def _countries(codes: Path) -> Iterator[str]:
    """Names of countries with one word. In scripts with capitals they must begin with a capital."""
    for name in _country_names(codes):
        words = _words(name)
        if len(words) == 1 and not name[0].islower() and len(name) > 2:
            yield words[0]


def _country_names(codes: Path) -> Iterator[str]:
    """Names of countries in every language of CLDR."""
    from babel import Locale, localedata

    with codes.open(encoding="utf8") as file:
        known = {row["ISO3166-1-Alpha-2"] for row in csv.DictReader(file)}
    for identifier in localedata.locale_identifiers():
        names = Locale.parse(identifier).territories
        yield from (names[code] for code in sorted(known & names.keys()))


def _organisation_words(path: Path) -> Iterator[str]:
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield from set(_words(re.sub(r" \(.*\)$", "", row["name"])))


def _organisation_aliases(path: Path) -> Iterator[str]:
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            yield from _aliases(row["aliases_json"])


def _ordinary_words(path: Path) -> set[str]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    with gzip.open(path, "rt", encoding="utf8") as file:
        for row in map(json.loads, file):
            if row["lang"] in LOWER_CASE_LANGUAGES:
                counts[row["lang"]].update(_lower_case(LOWER_CASE.findall(row["text"])))
    return {fold_word_for_features(word) for words in counts.values() for word, count in words.items() if count > 1}


def _lower_case(words: Iterable[str]) -> Iterator[str]:
    return (word for word in words if word.islower())
