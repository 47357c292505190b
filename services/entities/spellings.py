"""Other forms of known names: inflected forms, and transliterations that are not listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from anyascii import anyascii

ENDINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "east": (
        ("ого", "ому", "его", "ему", "ыми", "ими", "ами", "ями", "ому", "ою", "ею", "ом", "ем", "ём", "ым", "им", "ой", "ей",
         "ою", "єю", "ем", "ям", "ах", "ях", "ам", "ів", "ов", "ев", "ові", "еві", "єві", "у", "ю", "а", "я", "е", "є", "и",
         "ы", "і", "ї", "о", "ий"),
        ("", "а", "я", "й", "ь", "о", "е", "ия", "ія", "ий", "ый", "ы", "и"),
    ),
    "west": (
        ("owi", "iem", "em", "ego", "emu", "ami", "ach", "ą", "ę", "owie", "om", "ów", "ovi", "em", "ě", "ou", "ého", "ému",
         "ým", "ech", "ích", "om", "oj", "ov", "ova", "u", "a", "y", "e", "i", "ie", "ia", "o", "ím", "ju", "ja", "jem", "iju",
         "iji", "ije", "ijom"),
        ("", "a", "o", "e", "y", "ja", "ia", "ie", "ija", "sko", "i"),
    ),
    "baltic": (("as", "is", "us", "s", "š", "o", "ui", "u", "ā", "ei", "ai", "am", "ē", "ės", "ę", "ą", "ās", "es", "ije", "ios", "iją", "a", "i", "e", "ij", "ijai"),
               ("", "a", "ja", "ija", "as", "s", "is", "e")),
    "finnic": (("n", "in", "ssa", "ssä", "sta", "stä", "lla", "llä", "lle", "lta", "ltä", "a", "ä", "an", "än", "ta", "tä", "ia", "iin", "een", "ksi", "na",
                "i", "t", "st", "s", "l", "le", "lt", "ga", "ni", "sse", "ist", "is", "it", "on", "ssä", "seen", "hin", "aan"),
               ("", "i", "a", "ä", "ia")),
    "hungarian": (("nak", "nek", "ban", "ben", "ból", "ből", "ba", "be", "hoz", "hez", "höz", "val", "vel", "ra", "re", "ról", "ről", "tól", "től", "ot", "et",
                   "at", "t", "on", "en", "ön", "n", "ért", "ig", "i", "é", "ét", "nál", "nél"), ("", "a", "e")),
    "turkic": (("nın", "nin", "nun", "nün", "ın", "in", "un", "ün", "da", "de", "dan", "den", "ya", "ye", "yı", "yi", "yu", "yü", "a", "e", "ı", "i", "la", "le"), ("",)),
    "greek": (("ου", "ο", "ας", "η", "ης", "ες", "ων", "ς", "α", "ε", "ι"), ("", "ς", "ος", "α", "η", "ο", "ας", "ης")),
    "romance": (("ul", "ului", "ei", "iei", "a", "i", "lui"), ("", "a", "ia")),
    "s": (("s",), ("",)),
}  # fmt: skip
"""Family → endings to remove, longest first, and the endings that the basic form may have instead."""
FAMILY = {
    "ru": "east", "uk": "east", "be": "east", "bg": "east", "mk": "east", "sr": "east", "pl": "west", "cs": "west", "sk": "west", "hr": "west",
    "bs": "west", "sl": "west", "lv": "baltic", "lt": "baltic", "fi": "finnic", "et": "finnic", "hu": "hungarian", "tr": "turkic", "az": "turkic",
    "kk": "turkic", "uz": "turkic", "el": "greek", "ro": "romance", "sq": "romance", "de": "s", "sv": "s", "da": "s", "no": "s", "nl": "s",
}  # fmt: skip
MIN_STEM = 3
CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u0591-\u05bd\u064b-\u0652\u0900-\u0963\u0971-\u0dff])"
WORD = re.compile(rf"[^\W\d_]{_LETTER}*(?:[-'’\u200c]{_LETTER}+)*")
"""A word with combining marks, hyphens and apostrophes inside."""
VOWELS = re.compile(r"[aeiouyhw']|j(?=[aeiou])")
LATIN = re.compile(r"[A-Za-z]")
INITIAL_W = re.compile(r"\bw")
INITIAL_X = re.compile(r"\bx")
ALIKE = str.maketrans({"c": "k", "q": "k", "z": "s", "w": "v", "f": "v", "j": "", "g": "k", "d": "t", "b": "p"})
DIGRAPHS = (("shch", "s"), ("sch", "s"), ("tch", "s"), ("tsch", "s"), ("dzh", "s"), ("dj", "s"), ("sh", "s"), ("zh", "s"), ("ch", "s"), ("ts", "s"), ("cz", "s"),
            ("sz", "s"), ("kh", "k"), ("ck", "k"), ("x", "ks"), ("ph", "f"), ("th", "t"))  # fmt: skip


SOUNDS = (
    ("ντ", "d"),
    ("μπ", "b"),
    ("γκ", "g"),
    ("τζ", "j"),
    ("ού", "u"),
    ("ου", "u"),
    ("ו", "w"),
    ("ё", "e"),
    ("ő", "o"),
    ("ű", "u"),
)
"""Letters whose normal transliteration does not show the sound: Greek digraphs, Hebrew vav."""


def family_of(language: str, word: str) -> str | None:
    """The family of endings of a word. Serbian and its neighbours inflect words in two scripts."""
    if language in {"sr", "bs", "hr", "mk"}:
        return "east" if CYRILLIC.search(word) else "west"
    return FAMILY.get(language)


def basic_forms(word: str, language: str) -> Iterator[str]:
    """Possible basic forms of an inflected word, without the word itself.

    Most of them are not real words, so the caller must look them up.
    """
    family = family_of(language, word)
    if family is None:
        return
    endings, restored = ENDINGS[family]
    for ending in endings:
        if word.endswith(ending) and len(word) - len(ending) >= MIN_STEM:
            stem = word[: len(word) - len(ending)]
            for end in restored:
                if end != ending:
                    yield stem + end
    for end in restored if family in {"east", "west", "greek"} else ():
        if end:
            yield word + end


def basic_phrases(words: list[str], language: str, vocabulary: frozenset[str] | set[str]) -> Iterator[str]:
    """Possible basic forms of a run of words. Each word of a result is in the vocabulary."""
    forms = [
        [*([word] if word in vocabulary else []), *(form for form in basic_forms(word, language) if form in vocabulary)]
        for word in words
    ]
    for chosen in product(*(dict.fromkeys(choices) for choices in forms)):
        if list(chosen) != words:
            yield " ".join(chosen)


@lru_cache(maxsize=65536)
def consonant_key(text: str) -> str:
    """The consonants of a name in Latin letters. Similar consonants become one.

    The key is the same for Путин, Poutine and Poetin, so it finds spellings of one name.
    """
    letters = in_latin(text)
    letters = letters.replace("w", "v") if LATIN.search(text) else INITIAL_W.sub("v", letters)
    letters = INITIAL_X.sub("s", letters)
    for before, after in DIGRAPHS:
        letters = letters.replace(before, after)
    bare = VOWELS.sub("", letters).translate(ALIKE)
    return re.sub(r"([a-z])\1+", r"\1", re.sub(r"[^a-z ]", "", bare)).strip()


@lru_cache(maxsize=65536)
def in_latin(text: str) -> str:
    """A name in lower-case ASCII letters."""
    lower = text.lower()
    if not lower.isascii():
        for before, after in SOUNDS:
            lower = lower.replace(before, after)
    return anyascii(lower).lower()
