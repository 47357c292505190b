"""Finds the phrases of page furniture (`data/furniture.toml`) in a line, in one pass.

Page furniture is text around an article, such as navigation, teasers and notices.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import ahocorasick_rs

DATA = Path(__file__).with_name("data") / "furniture.toml"
Anchor = Literal["=", "^", "", "!"]
DELIMITER = re.compile(r"\s*(?:[:：|｜/／>»›=＝)(\[\]（）–—•·…]|-\s|\.{3}|$)")
STEM_LENGTH = 6
"""Minimum letters of a phrase that may match only the beginning of an inflected word at the start of a line."""
LETTER = re.compile(r"[^\W\d_]")
LETTER_OR_DIGIT = re.compile(r"[^\W_]")
OPENING = re.compile(r"[^\W_]|[©(*]")
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
FOLDING = (
    ("’", "'"),
    ("‘", "'"),
    ("ʼ", "'"),
    ("\u0640", ""),
    ("\u0307", ""),
    ("\u00a0", " "),
    ("：", ":"),
    ("（", "("),
)


class Phrase(NamedTuple):
    """One phrase, its kind, and the position at which it counts (see the head of `furniture.toml`)."""

    kind: str
    anchor: Anchor
    words: int


@dataclass(slots=True)
class LineCues:
    """The furniture phrases of a line.

    `whole` and `start` are the kinds of a phrase that is the whole line or its beginning. `is_delimited` is true when a
    colon, a dash, a bracket or nothing follows the phrase at the beginning. `weight` is the number of words in the
    phrases inside the line.
    """

    whole: str | None = None
    start: str | None = None
    is_delimited: bool = False
    start_words: int = 0
    anywhere: str | None = None
    part: str | None = None
    weight: int = 0
    _longest: int = field(default=0)

    @property
    def kind(self) -> str | None:
        """The kind of furniture. The longest phrase decides."""
        return self.part if self.part and (self._longest > self.start_words or not self.start) else self.start

    def note(self, phrase: Phrase, *, is_delimited: bool) -> None:
        """Add one phrase that is at a position where it counts."""
        if phrase.anchor == "=":
            self.whole = phrase.kind
        elif phrase.anchor == "^":
            if phrase.words >= self.start_words:
                self.start, self.start_words = phrase.kind, phrase.words
                self.is_delimited = self.is_delimited or is_delimited
        else:
            if phrase.anchor == "!":
                self.anywhere = phrase.kind
            if phrase.words > self._longest:
                self.part, self._longest = phrase.kind, phrase.words
            self.weight += phrase.words


@cache
def _automaton() -> tuple[ahocorasick_rs.AhoCorasick, tuple[str, ...], tuple[tuple[Phrase, ...], ...]]:
    phrases: dict[str, dict[tuple[str, Anchor], Phrase]] = {}
    for kind, languages in tomllib.loads(DATA.read_text(encoding="utf8")).items():
        for entries in languages.values():
            for entry in entries:
                anchor: Anchor = entry[0] if entry[:2] in {"= ", "^ ", "! "} else ""
                text = fold_line_for_cues(entry[2:] if anchor else entry)
                words = 2 if UNSPACED.search(text) and len(text) > 2 else len(text.split())
                phrases.setdefault(text, {})[kind, anchor] = Phrase(kind, anchor, words)
    texts = tuple(phrases)
    automaton = ahocorasick_rs.AhoCorasick(list(texts), implementation=ahocorasick_rs.Implementation.ContiguousNFA)
    return automaton, texts, tuple(tuple(found.values()) for found in phrases.values())


def fold_line_for_cues(text: str) -> str:
    """The line as phrases are compared: lower case, plain apostrophes, no tatweel."""
    folded = text.lower()
    if not folded.isascii():
        for before, after in FOLDING:
            folded = folded.replace(before, after)
    return folded


def find_cues(line: str) -> LineCues:
    """The phrases of a line that are at a position where they count."""
    automaton, texts, phrases = _automaton()
    folded = fold_line_for_cues(line)
    found = automaton.find_matches_as_indexes(folded, overlapping=True)
    if not found:
        return LineCues()
    opening = OPENING.search(folded)
    first = opening.start() if opening else 0
    letter = LETTER_OR_DIGIT.search(folded)
    inner = letter.start() if letter else 0
    cues = LineCues()
    for pattern, start, end in found:
        if start and folded[start].isalnum() and folded[start - 1].isalnum() and not UNSPACED.match(folded[start]):
            continue
        is_word = end >= len(folded) or not folded[end].isalnum() or not folded[end - 1].isalnum()
        is_unspaced = bool(UNSPACED.match(folded[end - 1]))
        stands_first = start in (first, inner)
        for phrase in phrases[pattern]:
            if phrase.anchor == "=":
                counts = stands_first and not LETTER.search(folded, end)
            elif phrase.anchor == "^":
                is_stem = len(texts[pattern]) >= STEM_LENGTH
                counts = stands_first and (is_word or is_unspaced or is_stem)
            else:
                counts = is_word or is_unspaced
            if counts:
                cues.note(phrase, is_delimited=bool(DELIMITER.match(folded, end)) or folded[end - 1] in ":|")
    return cues
