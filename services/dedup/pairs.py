"""The learned score of a pair of articles: do both report the same event?

It is a logistic regression. Its features are rare names, numbers and entities, the words of one language, the share of
one lede's names that the other article covers, vectors and time. The features follow Miranda et al. 2018, Multilingual
Clustering of Streaming News; docs/adr/0006 says what each one is worth. One article is compared with many at once. The
weights are in `weights.json`, written by tools/story_weights.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.article import KeyFlag
from services.dedup.postings import Counts, CountTable
from services.dedup.profiles import DAMPING, Hashes, LiveArticle, Profile, as_hashes

WEIGHTS = Path(__file__).with_name("weights.json")
FEATURES = (
    "bias",
    "keys",
    "numbers",
    "words",
    "same_language",
    "least_coverage",
    "most_coverage",
    "rarest_shared",
    "rare_shared",
    "lede_words",
    "number_conflict",
    "facts",
    "gap",
    "one_undated",
    "actor_share",
    "vector",
)
(
    BIAS,
    KEYS,
    NUMBERS,
    WORDS,
    SAME_LANGUAGE,
    LEAST_COVERAGE,
    MOST_COVERAGE,
    RAREST_SHARED,
    RARE_SHARED,
    LEDE_WORDS,
    NUMBER_CONFLICT,
    FACTS,
    GAP,
    ONE_UNDATED,
    ACTOR_SHARE,
    VECTOR,
) = range(len(FEATURES))
CAPITAL_KINDS = ("without_capitals", "with_capitals")
VECTOR_KINDS = ("without_vectors", "with_vectors")
TABLE_BITS = 23
"""Bits of a key's hash under which frequencies are counted (32 MB). At 100,000 articles few keys share a count."""
MIN_IDF = 0.1
RARE = 3
FREE_DAYS = 2.0
Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.uint8]
NOWHERE = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class PairWeights:
    """One model for each kind of pair, and the thresholds for joining and merging.

    `models` has the shape (2, 2, len(FEATURES)). The first index says whether both articles are in scripts with
    capitals, the second whether both have vectors. Without capitals only known entities count as names, so a pair that
    shares no name is weaker evidence there.
    """

    models: Array
    join: float
    merge: float

    def of(self, kinds: Kinds) -> Array:
        """The weights for pairs of these kinds, (n, len(FEATURES))."""
        chosen: Array = self.models[kinds.has_capitals.astype(int), kinds.has_vectors.astype(int)]
        return chosen


@cache
def load_weights(path: Path = WEIGHTS) -> PairWeights:
    """Read the trained weights."""
    read = json.loads(path.read_text(encoding="utf8"))
    models = [
        [[read[capitals][vectors][feature] for feature in FEATURES] for vectors in VECTOR_KINDS]
        for capitals in CAPITAL_KINDS
    ]
    return PairWeights(np.array(models), float(read["thresholds"]["join"]), float(read["thresholds"]["merge"]))


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kind of each pair. Both arrays have the shape (n,)."""

    has_capitals: npt.NDArray[np.bool_]
    has_vectors: npt.NDArray[np.bool_]


@dataclass(slots=True)
class Frequencies:
    """The number of live articles that have each key."""

    articles: int = 0
    counts: CountTable = field(default_factory=lambda: CountTable(TABLE_BITS))

    def change(self, profile: Profile, by: int) -> None:
        """Add an article to the counts (1) or remove it (-1)."""
        self.articles += by
        self.counts.change(profile.all_keys, by)

    def of(self, keys: Hashes) -> Counts:
        """The number of live articles with each key."""
        return self.counts.of(keys)

    def idf(self, keys: Hashes) -> Array:
        """Inverse document frequencies: ln((N + 1) / (df + 0.5)), at least `MIN_IDF`."""
        weights: Array = np.maximum(MIN_IDF, math.log(self.articles + 1) - np.log(self.of(keys) + 0.5))
        return weights

    @property
    def solid(self) -> float:
        """The weight of one rare name. It is added to the weight of a lede: covering a short lede counts less."""
        return math.log(self.articles + 2)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One article compared with n others: features (n, len(FEATURES)), scores (n,) and the kind of each pair."""

    features: Array
    scores: Array
    kinds: Kinds
    shared: npt.NDArray[np.bool_]
    """(n, keys of the one article): which of its keys the other article has too."""
    worth: Array
    """(keys of the one article,): the idf of each key, damped if the key is always in the news."""


class Joined:
    """The arrays of several articles joined into one array, with the article that each element belongs to."""

    def __init__(self, parts: Sequence[bytes], dtype: str) -> None:
        size = np.dtype(dtype).itemsize
        lengths = np.fromiter((len(part) // size for part in parts), np.intp, count=len(parts))
        self.values = np.frombuffer(b"".join(parts), dtype)
        self.owner = np.repeat(np.arange(len(parts)), lengths)
        self.lengths = lengths

    def sum(self, values: npt.NDArray[np.generic]) -> Array:
        """The sum for each article, (n,)."""
        return _sums(self.owner, values, len(self.lengths))


def compare(
    one: Profile, others: Sequence[Profile], frequencies: Frequencies, weights: PairWeights | None = None
) -> Comparison:
    """The features and scores of one article with each of the others. There must be at least one other."""
    features = np.zeros((len(others), len(FEATURES)))
    features[:, BIAS] = 1.0
    shared, worth = _compare_keys(one, others, frequencies, features)
    _compare_terms(one, others, frequencies, features)
    _compare_facts(one, others, features)
    _compare_times(one, others, features)
    has_capitals = np.array([one.article.has_capitals and other.article.has_capitals for other in others])
    kinds = Kinds(has_capitals, _compare_vectors(one, others, features))
    scores = (features * (weights or load_weights()).of(kinds)).sum(axis=1)
    return Comparison(features, scores, kinds, shared, worth)


def _compare_keys(
    one: Profile, others: Sequence[Profile], frequencies: Frequencies, out: Array
) -> tuple[npt.NDArray[np.bool_], Array]:
    """Compare names, numbers and entities. Returns which keys of `one` each other article has, and their worth."""
    keys = np.frombuffer(one.keys, "<u4")
    weights, flags = np.frombuffer(one.key_weights, "<f2").astype(float), np.frombuffer(one.key_flags, np.uint8)
    joined = Joined([other.keys for other in others], "<u4")
    their_weights = _floats([other.key_weights for other in others])
    their_flags = np.frombuffer(b"".join(other.key_flags for other in others), np.uint8)
    idf, their_idf = frequencies.idf(keys), frequencies.idf(joined.values)
    matched = _Matched.of(keys, joined)
    shared = np.zeros((len(others), len(keys)), dtype=bool)
    shared[matched.owner, matched.mine] = True
    worth = _damping(flags) * idf
    cosines = _Cosines(weights * idf, their_weights * their_idf, joined, matched)
    out[:, KEYS] = cosines.of()
    out[:, NUMBERS] = cosines.of(_has(flags, KeyFlag.NUMBER), _has(their_flags, KeyFlag.NUMBER))
    sides = _Side(flags, worth), _Side(their_flags, _damping(their_flags) * their_idf)
    _compare_coverage(sides, joined, matched, frequencies.solid, out)
    if len(keys):
        rarest = np.sort(shared * worth, axis=1)[:, ::-1] / frequencies.solid
        out[:, RAREST_SHARED], out[:, RARE_SHARED] = rarest[:, 0], rarest[:, :RARE].sum(axis=1) / RARE
    total, of_actors = shared @ worth, shared @ (worth * _has(flags, KeyFlag.ALWAYS_IN_THE_NEWS))
    out[:, ACTOR_SHARE] = np.where(total > 0, of_actors / np.maximum(total, 1e-9), 1.0)
    return shared, worth


@dataclass(frozen=True, slots=True)
class _Cosines:
    """The weighted keys of one article and those of the others, joined, and the keys that it shares with them."""

    mine: Array
    theirs: Array
    joined: Joined
    shared: _Matched

    def of(
        self, my_part: npt.NDArray[np.bool_] | None = None, their_part: npt.NDArray[np.bool_] | None = None
    ) -> Array:
        """The cosine with each other article, (n,). It is over all keys, or over a part of the keys of both sides."""
        mine = self.mine if my_part is None else self.mine * my_part
        theirs = self.theirs if their_part is None else self.theirs * their_part
        product = self.shared.sum(theirs[self.shared.theirs] * mine[self.shared.mine])
        norms = math.sqrt(mine @ mine) * np.sqrt(self.joined.sum(theirs * theirs))
        cosines: Array = product / np.maximum(norms, 1e-9)
        return cosines


@dataclass(frozen=True, slots=True)
class _Side:
    """The flags of the keys, and what each key is worth."""

    flags: Flags
    worth: Array


@dataclass(frozen=True, slots=True)
class _Matched:
    """The keys that one article shares with n others.

    The arrays have the shape (shared keys,): the places in its keys, the places in the joined keys of the others, and
    the other article that each belongs to.
    """

    mine: npt.NDArray[np.intp]
    theirs: npt.NDArray[np.intp]
    owner: npt.NDArray[np.intp]
    others: int

    @classmethod
    def of(cls, keys: Hashes, joined: Joined) -> _Matched:
        """Match sorted distinct keys with the joined keys of the others."""
        if not len(keys):
            return cls(NOWHERE, NOWHERE, NOWHERE, len(joined.lengths))
        place = keys.searchsorted(joined.values)
        place[place == len(keys)] = 0
        theirs = (keys[place] == joined.values).nonzero()[0]
        return cls(place[theirs], theirs, joined.owner[theirs], len(joined.lengths))

    def sum(self, values: npt.NDArray[np.generic]) -> Array:
        """The sum for each other article, (n,)."""
        return _sums(self.owner, values, self.others)


def _compare_coverage(sides: tuple[_Side, _Side], joined: Joined, matched: _Matched, solid: float, out: Array) -> None:
    """Compare ledes: how much of each lede the other article names, and whether their numbers differ."""
    mine, theirs = sides
    my_lede, their_lede = _has(mine.flags, KeyFlag.LEDE), _has(theirs.flags, KeyFlag.LEDE)
    my_worth, their_worth = mine.worth * my_lede, theirs.worth * their_lede
    my_part = matched.sum(my_worth[matched.mine]) / (my_worth.sum() + solid)
    their_part = matched.sum(their_worth[matched.theirs]) / (joined.sum(their_worth) + solid)
    out[:, LEAST_COVERAGE], out[:, MOST_COVERAGE] = np.minimum(my_part, their_part), np.maximum(my_part, their_part)
    my_numbers = my_lede & _has(mine.flags, KeyFlag.NUMBER)
    their_numbers = their_lede & _has(theirs.flags, KeyFlag.NUMBER)
    agree = matched.sum(their_numbers[matched.theirs]) > 0
    out[:, NUMBER_CONFLICT] = my_numbers.any() & (joined.sum(their_numbers) > 0) & ~agree


def _compare_terms(one: Profile, others: Sequence[Profile], frequencies: Frequencies, out: Array) -> None:
    """Compare word stems of articles in the same language."""
    same = np.array([other.article.language == one.article.language for other in others])
    out[:, SAME_LANGUAGE] = same
    places = np.flatnonzero(same)
    if not len(places):
        return
    chosen = [others[place] for place in places.tolist()]
    terms, weights = np.frombuffer(one.terms, "<u4"), np.frombuffer(one.term_weights, "<f2").astype(float)
    joined = Joined([other.terms for other in chosen], "<u4")
    their_weights = _floats([other.term_weights for other in chosen]) * frequencies.idf(joined.values)
    my_lede = np.frombuffer(one.term_flags, np.uint8) > 0
    their_lede = np.frombuffer(b"".join(other.term_flags for other in chosen), np.uint8) > 0
    cosines = _Cosines(weights * frequencies.idf(terms), their_weights, joined, _Matched.of(terms, joined))
    out[places, WORDS] = cosines.of()
    out[places, LEDE_WORDS] = cosines.of(my_lede, their_lede)


def _compare_facts(one: Profile, others: Sequence[Profile], out: Array) -> None:
    """Compare facts: the shared part of the smaller set."""
    shared, fewer = shared_counts(one.facts, [other.facts for other in others])
    out[:, FACTS] = shared / np.maximum(fewer, 1)


def shared_counts(one: bytes, others: Sequence[bytes]) -> tuple[Array, npt.NDArray[np.intp]]:
    """For one set of uint16 and each other set: the number of shared elements, and the size of the smaller set."""
    mine, joined = as_hashes(one), Joined(others, "<u2")
    table = np.zeros(2**16, dtype=bool)
    table[mine] = True
    return joined.sum(table[joined.values]), np.minimum(len(mine), joined.lengths)


def _compare_times(one: Profile, others: Sequence[Profile], out: Array) -> None:
    for place, other in enumerate(others):
        gap = gap_days(one.article, other.article)
        out[place, GAP] = math.log1p(max(0.0, (gap or 0.0) - FREE_DAYS))
        out[place, ONE_UNDATED] = (one.article.day is None) != (other.article.day is None)


def gap_days(one: LiveArticle, other: LiveArticle) -> float | None:
    """Days between the dates that two articles state, or None if one states no date."""
    return None if one.day is None or other.day is None else abs(one.day - other.day)


def _compare_vectors(one: Profile, others: Sequence[Profile], out: Array) -> npt.NDArray[np.bool_]:
    has_vectors = np.array([bool(one.vector and other.vector) for other in others])
    places = np.flatnonzero(has_vectors)
    if len(places):
        mine = np.frombuffer(one.vector, np.int8).astype(np.float64)
        joined = np.frombuffer(b"".join(others[place].vector for place in places.tolist()), np.int8)
        theirs = joined.reshape(len(places), -1).astype(np.float64)
        out[places, VECTOR] = (theirs @ mine) / (np.linalg.norm(mine) * np.linalg.norm(theirs, axis=1))
    return has_vectors


def _sums(owner: npt.NDArray[np.intp], values: npt.NDArray[np.generic], articles: int) -> Array:
    """The sum of the values of each article, (articles,)."""
    sums: Array = np.bincount(owner, weights=values, minlength=articles).astype(np.float64)
    return sums


def _floats(parts: Sequence[bytes]) -> Array:
    return np.frombuffer(b"".join(parts), "<f2").astype(np.float64)


def _has(flags: Flags, flag: KeyFlag) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (flags & flag) != 0
    return found


def _damping(flags: Flags) -> Array:
    return np.where(_has(flags, KeyFlag.ALWAYS_IN_THE_NEWS), DAMPING, 1.0)
