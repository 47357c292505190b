"""The weights of the CRF, and the scores of all labels for each token. A known word costs only one look-up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.entities.names.base import NameType
from services.entities.names.features import EDGE, WordFeatures, context_features, features_of, mode_of, tag_ideographs

TYPES: tuple[NameType, ...] = ("PER", "ORG", "LOC")
LABELS = ("O", *(f"{place}-{type_}" for type_ in TYPES for place in "BI"))
PLACES = ("", "-1", "+1", "-2", "+2")
"""Position of the word relative to the token that its features describe: same, 1 before, 1 after, 2 before, 2 after."""
GRAM_PLACES = ("b-", "b+", "b<", "b>", "t-", "t=", "t+", "z<", "z=", "z>")
"""Position of a bigram, trigram or tag relative to its CJK character (`features.ideograph_features`)."""
IDEOGRAPHS = frozenset({"han", "kana"})
CACHED_WORDS = 1 << 16
"""The words of an hour of news in a dozen languages. They take about 20 MB."""

Floats = NDArray[np.float32]


class NameWeights(NamedTuple):
    """`rows` maps each feature to its row in `states`: float32, (n, 7). `transitions`: float32, (7, 7)."""

    rows: dict[str, int]
    states: Floats
    transitions: Floats


class Table(NamedTuple):
    """`rows` maps features without their place to rows.

    `weights` are by row, place and label: float32, (n + 1, p, 7). The last row is zero.
    """

    rows: dict[str, int]
    weights: Floats

    def rows_of(self, names: Sequence[str]) -> list[int]:
        """The rows of features. Features without weights get the zero row."""
        return [self.rows.get(name, -1) for name in names]


class Scored(NamedTuple):
    """The sums of weights of a word: float32, (5, 7) as bytes, one row for each of `PLACES`."""

    sums: bytes
    shape: str


class Scorer:
    """Scores tokens. The sums over the features of a word are cached."""

    def __init__(self, weights: NameWeights, classes: dict[str, str]) -> None:
        self._table = by_place(weights, PLACES)
        self._grams = by_place(weights, GRAM_PLACES)
        self._classes = classes
        self._edge = self._score(EDGE)
        self._word = lru_cache(CACHED_WORDS)(self._score_word)
        self._context = lru_cache(CACHED_WORDS)(self._score_context)

    def score(self, words: Sequence[str], sentences: Sequence[tuple[int, int]], flag: str) -> Floats:
        """The score of each label for each token: float32, (n, 7). The sentences must cover all tokens."""
        sums = [self._edge.sums, self._edge.sums]
        contexts: list[bytes] = []
        places: list[int] = []
        grams: list[tuple[int, Floats]] = []
        for begin, end in sentences:
            known = [self._word(word, flag) for word in words[begin:end]]
            shapes = [word.shape for word in known]
            places.extend(range(len(sums), len(sums) + len(known)))
            sums += [word.sums for word in known]
            sums += (self._edge.sums, self._edge.sums)
            before, after, mode = [EDGE.shape, *shapes[:-1]], [*shapes[1:], EDGE.shape], mode_of(shapes)
            contexts += map(self._context, before, shapes, after, repeat(mode), repeat(flag))
            if not IDEOGRAPHS.isdisjoint(shapes):
                grams.append((begin, self._score_grams(words[begin:end], shapes)))
        by_neighbour = np.frombuffer(b"".join(sums), np.float32).reshape(-1, len(PLACES), len(LABELS))
        scores = _add_neighbours(by_neighbour)[places]
        scores += np.frombuffer(b"".join(contexts), np.float32).reshape(-1, len(LABELS))
        for begin, more in grams:
            scores[begin : begin + len(more)] += more
        return scores

    def _score_word(self, word: str, flag: str) -> Scored:
        return self._score(features_of(word, flag, self._classes))

    def _score(self, word: WordFeatures) -> Scored:
        """Sums over all features of a word for each place. Features that are not used at a place have no weight."""
        rows = self._table.rows_of(word.own or word.near)
        return Scored(self._table.weights[rows].sum(axis=0).tobytes(), word.shape)

    def _score_context(self, before: str, shape: str, after: str, mode: str, flag: str) -> bytes:
        rows = self._table.rows_of(context_features(before, shape, after, mode, flag))
        total: Floats = self._table.weights[rows, 0].sum(axis=0)
        return total.tobytes()

    def _score_grams(self, words: Sequence[str], shapes: Sequence[str]) -> Floats:
        """Scores of CJK characters from the bigrams, trigrams and tags around them: float32, (n, 7)."""
        padded = [EDGE.shape, EDGE.shape, *words, EDGE.shape, EDGE.shape]
        pairs = [left + right for left, right in pairwise(padded)]
        triples = [pair + right for pair, right in zip(pairs, padded[2:], strict=False)]
        tags = ["", *tag_ideographs(words, self._classes), ""]
        twos, threes, tagged = (self._grams.weights[self._grams.rows_of(grams)] for grams in (pairs, triples, tags))
        size = len(words)
        total: Floats = twos[1 : size + 1, 0] + twos[2 : size + 2, 1] + twos[:size, 2] + twos[3 : size + 3, 3]
        total += threes[:size, 4] + threes[1 : size + 1, 5] + threes[2 : size + 2, 6]
        total += tagged[:size, 7] + tagged[1 : size + 1, 8] + tagged[2 : size + 2, 9]
        total[[shape not in IDEOGRAPHS for shape in shapes]] = 0.0
        return total


def by_place(weights: NameWeights, places: Sequence[str]) -> Table:
    """The table of the features at one of the places.

    The empty place takes all features without a known place.
    """
    marked = {*PLACES, *GRAM_PLACES} - {""}
    rows: dict[str, int] = {}
    sources, targets = [], []
    for name, source in weights.rows.items():
        place = name[:2] if name[:2] in marked else ""
        if place in places:
            sources.append(source)
            targets.append((rows.setdefault(name[len(place) :], len(rows)), places.index(place)))
    table = np.zeros((len(rows) + 1, len(places), len(LABELS)), np.float32)
    at = np.array(targets, np.intp).reshape(-1, 2)
    table[at[:, 0], at[:, 1]] = weights.states[sources]
    return Table(rows, table)


def _add_neighbours(sums: Floats) -> Floats:
    """The score of each token from itself and from two tokens on each side: float32, (n, 7)."""
    scores = sums[:, 0].copy()
    scores[1:] += sums[:-1, 1]
    scores[:-1] += sums[1:, 2]
    scores[2:] += sums[:-2, 3]
    scores[:-2] += sums[2:, 4]
    return scores


def read_weights(path: Path) -> NameWeights:
    """Read weights that `write_weights` has written."""
    with np.load(path, allow_pickle=False) as file:
        names = file["names"].tobytes().decode("utf8").split("\n")
        states, transitions = (file[name].astype(np.float32) for name in ("states", "transitions"))
    return NameWeights({name: row for row, name in enumerate(names)}, states, transitions)


def write_weights(path: Path, weights: NameWeights) -> None:
    """Write names of features as UTF-8 lines and states in half precision. The same weights give the same bytes."""
    names: NDArray[Any] = np.frombuffer("\n".join(weights.rows).encode("utf8"), np.uint8)
    np.savez_compressed(path, names=names, states=weights.states.astype(np.float16), transitions=weights.transitions)
