"""Makes edited copies of the shipped articles from a seed, as a report looks on another site."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.quality.corpora import WIKINEWS, read_lines

ORIGINAL = "orig"
SENTENCE = re.compile(r"(?<=[.!?])\s+")
TYPOGRAPHY = str.maketrans({"'": "’", '"': "”", "-": "–", " ": "\u00a0"})
ABOVE = "Home | News | World | Subscribe to our newsletter"
BELOW = "© All rights reserved. This material may not be published, broadcast or redistributed."
Edit = Callable[[str, random.Random], str]


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in SENTENCE.split(text) if sentence]


def _change_words(text: str, chance: random.Random, share: float) -> str:
    """The text with this share of its words replaced by other words of the text."""
    words = text.split(" ")
    pool = list(words)
    return " ".join(chance.choice(pool) if chance.random() < share else word for word in words)


def _drop_sentences(text: str, chance: random.Random) -> str:
    return " ".join(sentence for sentence in _sentences(text) if chance.random() > 0.15)


def _shuffle(text: str, chance: random.Random) -> str:
    sentences = _sentences(text)
    return " ".join(chance.sample(sentences, len(sentences)))


def _truncate(text: str, _: random.Random) -> str:
    return text[: int(0.7 * len(text))]


def _misread(text: str, chance: random.Random) -> str:
    """The text with 0.02 of its letters exchanged, as in a bad scan."""
    return "".join(
        chance.choice("abcdefghij") if letter.isalpha() and chance.random() < 0.02 else letter for letter in text
    )


EDITS: dict[str, Edit] = {
    "boilerplate": lambda text, _: f"{ABOVE}\n{text}\n{BELOW}",
    "dropsent": _drop_sentences,
    "edit05": lambda text, chance: _change_words(text, chance, 0.05),
    "edit10": lambda text, chance: _change_words(text, chance, 0.1),
    "edit20": lambda text, chance: _change_words(text, chance, 0.2),
    "misread": _misread,
    "shuffle": _shuffle,
    "truncate": _truncate,
    "unicode": lambda text, _: text.translate(TYPOGRAPHY),
}
"""The functions by the kind of edit."""


def copy_rows(originals: int, copies: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """This many Wikinews articles, each with this many edited copies of alternating kinds. Always the same."""
    rows: Sequence[dict[str, Any]] = random.Random(seed).sample(list(read_lines(WIKINEWS)), originals)
    kinds = list(EDITS)
    for number, row in enumerate(rows):
        shared = {"lang": row["lang"], "group": row["id"], "title": row["title"]}
        yield shared | {"id": row["id"], "kind": ORIGINAL, "text": row["text"]}
        for turn in range(copies):
            kind = kinds[(number * copies + turn) % len(kinds)]
            edited = EDITS[kind](row["text"], random.Random(f"{seed}:{row['id']}:{kind}"))
            yield shared | {"id": f"{row['id']}#{kind}", "kind": kind, "text": edited}
