"""What the tagger sees of a text: tokens, sentences, and features of every token. Pure; train and tagger share it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from anyascii import anyascii

MAX_TOKENS = 200
"""A sentence is cut here: news sentences seldom pass 60 tokens, tables and lists of links do."""
LANGUAGES = frozenset({"da", "de", "en", "hr", "no", "pt", "sk", "sr", "sv", "zh"})
"""Those with enough training data for a flag of their own; a flag never trained costs up to 17 points of F."""
SAME_AS = {"nb": "no", "nn": "no", "bs": "hr", "yue": "zh"}
OTHER = "xx"
HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
KANA = "\u3040-\u30ff\uff66-\uff9f"
MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff"
"""Vowel signs and accents that are no letters to `re`, but belong to the word."""
TOKEN = re.compile(rf"[{HAN}{KANA}]|(?:[^\W\d_{HAN}{KANA}]\.){{2,}}|[^\W{HAN}{KANA}](?:[^\W{HAN}{KANA}]|[{MARKS}])*|\S")
IDEOGRAPH = re.compile(rf"[{HAN}{KANA}]")
CLOSERS = "[\"'”’»›)\\]」』】）]*"
SENTENCE_END = re.compile(rf"\n|[。！？]+{CLOSERS}|(?:[!?…।؟]+|(\.)){CLOSERS}[^\S\n]+(?![\sa-zà-öø-ÿа-я])")
"""The end of a line, or a stop with what closes behind it, unless a small letter follows; group 1 is a full stop."""
WORD_BEFORE = re.compile(r"\w+$")
LONGEST_ABBREVIATION = 5
ABBREVIATION = re.compile(
    r"\d\d?|mrs?|ms|[dst]r|ste?|prof|gen|col|lt|sgt|capt|maj|sen|rep|gov|rev|hon|no|vs|hr|frau|bzw|ca|vgl|nr|inž|ing|mgr"
    r"|sv|tzv|npr|sra|dra|exmo|kl|dhr|mevr|mw|drs|mme|mlle|г|д|ул|им|тов|акад|проф",
    re.IGNORECASE,
)
"""A full stop behind these ends no sentence."""
LONGEST_LISTED = 8
"""Characters of the longest CJK name that lists are asked for."""
TITLED = 0.7
"""From this share of capitalised words on, a sentence is a headline in title case; German prose has about .45."""


class Tokens(NamedTuple):
    """Words, CJK characters and punctuation marks, and the code point where each begins."""

    texts: list[str]
    starts: list[int]


class WordFeatures(NamedTuple):
    """A word's own features, those it lends to its neighbours, and to their neighbours."""

    own: tuple[str, ...]
    near: tuple[str, ...]
    far: tuple[str, ...]
    shape: str


EDGE = WordFeatures((), ("edge",), (), "^")
"""What stands before the first and behind the last word of a sentence."""


def flag_of(language: str) -> str:
    """The language's flag in the features: `nb-NO` is `no`, one without training data `xx`."""
    code = language.split("-", maxsplit=1)[0].casefold()
    code = SAME_AS.get(code, code)
    return code if code in LANGUAGES else OTHER


def tokenize(text: str) -> Tokens:
    """Words with their marks, `U.S.` as one, each CJK character and each punctuation mark by itself."""
    texts = TOKEN.findall(text)
    starts = []
    at = 0
    for token in texts:
        at = text.find(token, at)
        starts.append(at)
        at += len(token)
    return Tokens(texts, starts)


def split_sentences(text: str, starts: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of tokens, none empty: lines, cut at full stops and the like, and everywhere after `MAX_TOKENS`."""
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
    """The word as the features know it: lower case, in Latin letters; CJK characters stay."""
    low = word.lower()
    return low if low.isascii() or IDEOGRAPH.match(low) else anyascii(low).lower()


def shape_of(word: str) -> str:  # noqa: PLR0911 - a table
    """Its kind: `Xx`, `XX`, `x`, `d` …, punctuation as itself, `han` and `kana`, `c` in other scripts without case."""
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
    """Features of a word by itself; `classes` says what names it is part of elsewhere (`data/words.tsv.gz`)."""
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
    """Features of a token's shape between its neighbours' shapes, and in a headline (`mode`), and in a language."""
    return (
        f"ps={before}|{shape}",
        f"ns={shape}|{after}",
        f"pns={before}|{shape}|{after}",
        f"m={mode}|{shape}",
        f"mp={mode}|{before}|{shape}",
        *((f"pl={before}|{shape}|{flag}", f"nl={shape}|{after}|{flag}") if flag != OTHER else ()),
    )


def ideograph_features(window: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """Bigrams and trigrams around the middle one of five tokens; what lists say of it and of those beside it."""
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
    """For each token: the kind of the longest listed name over it, if it is CJK, with its place there; or of itself.

    `BP IP EP` are the characters of a city's name, `f` is a family name's character.
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
    """`U` for a sentence in capitals, `T` for a headline in title case, else empty."""
    words = [shape for shape in shapes if shape[0] in "Xx"]
    if len(words) < 4:
        return ""
    if sum(shape in {"XX", "XXX", "X"} for shape in words) >= TITLED * len(words):
        return "U"
    return "T" if sum(shape[0] == "X" for shape in words) >= TITLED * len(words) else ""


def sentence_features(words: Sequence[str], flag: str, classes: Mapping[str, str]) -> list[list[str]]:
    """All features of each token of a sentence, as the trainer wants them."""
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
