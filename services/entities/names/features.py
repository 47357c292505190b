"""Tokens, sentences, and the features of every token. The functions are pure. Training and tagger both use them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from anyascii import anyascii

MAX_TOKENS = 200
"""Maximum number of tokens in a sentence. Sentences in news seldom have more than 60, but tables and link lists do."""
LANGUAGES = frozenset({"da", "de", "en", "hr", "no", "pt", "sk", "sr", "sv", "zh"})
"""Languages with enough training data for their own flag. A flag without training costs up to 17 points of F."""
SAME_AS = {"nb": "no", "nn": "no", "bs": "hr", "yue": "zh"}
OTHER = "xx"
HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
KANA = "\u3040-\u30ff\uff66-\uff9f"
MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff"
"""Vowel signs and accents. They belong to the word, but `re` does not treat them as letters."""
TOKEN = re.compile(rf"[{HAN}{KANA}]|(?:[^\W\d_{HAN}{KANA}]\.){{2,}}|[^\W{HAN}{KANA}](?:[^\W{HAN}{KANA}]|[{MARKS}])*|\S")
IDEOGRAPH = re.compile(rf"[{HAN}{KANA}]")
CLOSERS = "[\"'”’»›)\\]」』】）]*"
SENTENCE_END = re.compile(rf"\n|[。！？]+{CLOSERS}|(?:[!?…।؟]+|(\.)){CLOSERS}[^\S\n]+(?![\sa-zà-öø-ÿа-я])")
"""The end of a sentence: a line end, or a stop with closing marks unless a small letter follows.

Group 1 is a full stop.
"""
WORD_BEFORE = re.compile(r"\w+$")
LONGEST_ABBREVIATION = 5
ABBREVIATION = re.compile(
    r"\d\d?|mrs?|ms|[dst]r|ste?|prof|gen|col|lt|sgt|capt|maj|sen|rep|gov|rev|hon|no|vs|hr|frau|bzw|ca|vgl|nr|inž|ing|mgr"
    r"|sv|tzv|npr|sra|dra|exmo|kl|dhr|mevr|mw|drs|mme|mlle|г|д|ул|им|тов|акад|проф",
    re.IGNORECASE,
)
"""Abbreviations. A full stop behind them does not end a sentence."""
LONGEST_LISTED = 8
"""Maximum number of characters in a CJK name that is looked up in lists."""
TITLED = 0.7
"""Minimum share of capitalised words in a headline in title case. German prose has about 0.45."""


class Tokens(NamedTuple):
    """Words, CJK characters and punctuation marks, with the code point at which each begins."""

    texts: list[str]
    starts: list[int]


class WordFeatures(NamedTuple):
    """The features of a word for itself, for its neighbours, and for the neighbours of these."""

    own: tuple[str, ...]
    near: tuple[str, ...]
    far: tuple[str, ...]
    shape: str


EDGE = WordFeatures((), ("edge",), (), "^")
"""The word before the first and behind the last word of a sentence."""


def flag_of(language: str) -> str:
    """The flag of a language in the features. `nb-NO` is `no`. A language without training data is `xx`."""
    code = language.split("-", maxsplit=1)[0].casefold()
    code = SAME_AS.get(code, code)
    return code if code in LANGUAGES else OTHER


def tokenize(text: str) -> Tokens:
    """The tokens of a text: words with their marks, `U.S.` as one word, single CJK characters and punctuation."""
    texts = TOKEN.findall(text)
    starts = []
    at = 0
    for token in texts:
        at = text.find(token, at)
        starts.append(at)
        at += len(token)
    return Tokens(texts, starts)


def split_sentences(text: str, starts: Sequence[int]) -> list[tuple[int, int]]:
    """Sentences as non-empty ranges of tokens. They end at line ends, at stops, and after `MAX_TOKENS`."""
    cuts = {0, len(starts)}
    for match in SENTENCE_END.finditer(text):
        if match[1] is None or not _is_abbreviation(text, match.start(1)):
            cuts.add(bisect_left(starts, match.end()))
    return [
        (at, min(at + MAX_TOKENS, end)) for begin, end in pairwise(sorted(cuts)) for at in range(begin, end, MAX_TOKENS)
    ]


def _is_abbreviation(text: str, stop: int) -> bool:
    """Whether the full stop at `stop` belongs to an abbreviation, an initial or an ordinal."""
    word = WORD_BEFORE.search(text, max(0, stop - LONGEST_ABBREVIATION - 1), stop)
    if word is None:
        return False
    is_initial = len(word[0]) == 1 and word[0].isupper()
    return is_initial or text[word.start() - 1 : word.start()] == "." or ABBREVIATION.fullmatch(word[0]) is not None


def fold_word_for_features(word: str) -> str:
    """The word as it is used in features: lower case and Latin letters. CJK characters stay."""
    low = word.lower()
    return low if low.isascii() or IDEOGRAPH.match(low) else anyascii(low).lower()


def shape_of(word: str) -> str:  # noqa: PLR0911 - a table
    """The shape of a word: `Xx`, `XX`, `x`, `d` …, `han`, `kana`, or `c` in other scripts without case.

    Punctuation is its own shape.
    """
    first = word[0]
    if not first.isalnum():
        return first
    if IDEOGRAPH.match(first):
        return "kana" if "\u3040" <= first <= "\u30ff" or first >= "\uff66" else "han"
    if word.isdigit():
        return "d4" if len(word) == 4 else "d"
    if first.isdigit():
        return "dx"
    if word.islower():
        return "x"
    if len(word) == 1:
        return "X" if first.isupper() else "c"
    if word.isupper():
        return "A." if word[-1] == "." else "XX" if len(word) < 5 else "XXX"
    if first.isupper() or first.istitle():
        return "XxX" if not word[1:].islower() else "Xx"
    return "c" if word == word.swapcase() else "xX"


def features_of(word: str, flag: str, classes: Mapping[str, str]) -> WordFeatures:
    """Features of a single word. `classes` has the word classes of public lists (`data/words.tsv.gz`)."""
    form, shape = fold_word_for_features(word), shape_of(word)
    base = ("w=" + form, "s=" + shape)
    if shape in {"han", "kana"}:
        return WordFeatures((*base, "sl=" + shape + flag), base, base, shape)
    if not word[0].isalnum():
        return WordFeatures((base[0], "sl=" + shape + flag), base[:1], base[:1], shape)
    known = classes.get(form, "")
    kinds = tuple("g=" + kind for kind in known)
    own = (
        *base,
        f"sl={shape}{flag}",
        "p3=" + form[:3],
        "p5=" + form[:5],
        "e3=" + form[-3:],
        "e2=" + form[-2:],
        f"gs={known}{shape}",
        *((f"el={form[-3:]}{shape}{flag}",) if flag != OTHER else ()),
        *kinds,
    )
    return WordFeatures(own, (*base, "e3=" + form[-3:], *kinds), base, shape)


def context_features(before: str, shape: str, after: str, mode: str, flag: str) -> tuple[str, ...]:
    """Features of the shape of a token: with the shapes of its neighbours, with `mode`, and with the language flag."""
    return (
        f"ps={before}|{shape}",
        f"ns={shape}|{after}",
        f"pns={before}|{shape}|{after}",
        f"m={mode}|{shape}",
        f"mp={mode}|{before}|{shape}",
        *((f"pl={before}|{shape}|{flag}", f"nl={shape}|{after}|{flag}") if flag != OTHER else ()),
    )


def ideograph_features(window: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """Bigrams and trigrams around the middle token of five, and the tags of this token and its neighbours."""
    far, near, word, next_, last = window
    return (
        f"b-{near}{word}",
        f"b+{word}{next_}",
        f"b<{far}{near}",
        f"b>{next_}{last}",
        f"t={near}{word}{next_}",
        f"t-{far}{near}{word}",
        f"t+{word}{next_}{last}",
        f"z<{tags[0]}",
        f"z={tags[1]}",
        f"z>{tags[2]}",
    )


def tag_ideographs(words: Sequence[str], classes: Mapping[str, str]) -> list[str]:
    """For each CJK token: the class of the longest listed name that covers it, with the position in the name.

    Without such a name it is the class of the character itself. `BP IP EP` are the characters of the name of a city.
    `f` is the character of a family name.
    """
    text = "".join(word if IDEOGRAPH.match(word) else " " for word in words)
    tags = [classes.get(character, "") for character in text]
    at = 0
    while at < len(text):
        sizes = range(min(LONGEST_LISTED, len(text) - at), 1, -1) if text[at] != " " else ()
        size = next((size for size in sizes if text[at : at + size] in classes), 1)
        if size > 1:
            kind = classes[text[at : at + size]]
            tags[at : at + size] = [f"B{kind}", *[f"I{kind}"] * (size - 2), f"E{kind}"]
        at += size
    return tags


def mode_of(shapes: Sequence[str]) -> str:
    """`U` for a sentence in capitals, `T` for a headline in title case, otherwise empty."""
    words = [shape for shape in shapes if shape[0] in "Xx"]
    if len(words) < 4:
        return ""
    if sum(shape in {"XX", "XXX", "X"} for shape in words) >= TITLED * len(words):
        return "U"
    return "T" if sum(shape[0] == "X" for shape in words) >= TITLED * len(words) else ""


def sentence_features(words: Sequence[str], flag: str, classes: Mapping[str, str]) -> list[list[str]]:
    """All features of each token of a sentence, in the form that the trainer needs."""
    known = [EDGE, EDGE, *(features_of(word, flag, classes) for word in words), EDGE, EDGE]
    texts = ["^", "^", *words, "^", "^"]
    mode = mode_of([word.shape for word in known[2:-2]])
    tags = ["", *tag_ideographs(words, classes), ""]
    rows = []
    for at in range(2, len(words) + 2):
        row = list(known[at].own)
        row += ("-1" + name for name in known[at - 1].near)
        row += ("+1" + name for name in known[at + 1].near)
        row += ("-2" + name for name in known[at - 2].far)
        row += ("+2" + name for name in known[at + 2].far)
        row += context_features(known[at - 1].shape, known[at].shape, known[at + 1].shape, mode, flag)
        if known[at].shape in {"han", "kana"}:
            row += ideograph_features(texts[at - 2 : at + 3], tags[at - 2 : at + 1])
        rows.append(row)
    return rows
