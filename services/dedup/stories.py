"""Stories: which articles report one event, across languages.

A learned pair score over rare names, numbers and entities, words of one language and the vectors; what is always in
the news is damped, and time works against joining. Features after Miranda et al. 2018 (Multilingual Clustering of
Streaming News); weights: `weights.json`, fitted by benchmarks/fit_stories.py.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.dedup.rows import Row

WEIGHTS = Path(__file__).with_name("weights.json")
POSTING_CAP = 200
RAREST_KEYS = 12
MAX_CANDIDATES = 12
BEST_MEMBERS = 3
ALWAYS_IN_THE_NEWS = 0.4
"""Prominence from which an actor's weight is damped."""
DAMPING = 0.3
FREE_DAYS = 2.0
DAY_SECONDS = 86400.0
FEATURES = (
    "bias",
    "names",
    "words",
    "same_language",
    "coverage",
    "top_shared",
    "cosine",
    "no_cosine",
    "gap",
    "no_date",
    "only_actors",
)


@dataclass(frozen=True, slots=True)
class PairFeatures:
    """What two articles have in common; `shared` are their heaviest common keys."""

    values: tuple[float, ...]
    shared: tuple[str, ...]
    cosine: float | None
    gap_days: float | None


@dataclass(frozen=True, slots=True)
class StoryMatch:
    """A story, its score and the features of its best member."""

    story_id: str
    score: float
    features: PairFeatures


@cache
def load_weights(path: Path = WEIGHTS) -> tuple[tuple[float, ...], float]:
    """The weights in the order of FEATURES, and the threshold."""
    read = json.loads(path.read_text(encoding="utf8"))
    return tuple(float(read["weights"][name]) for name in FEATURES), float(read["threshold"])


def keys_of(row: Row) -> dict[str, float]:
    """Term frequency weight of names, numbers and actors, damped where they are always in the news."""
    keys = {name: 1.0 + math.log(count) for name, count in row.fingerprint.names.items()}
    for actor in row.fingerprint.actors:
        keys[actor] = DAMPING if is_damped(actor, row) else 1.0
    return keys


def is_damped(key: str, row: Row) -> bool:
    """Whether a key is an actor that is always in the news."""
    return row.fingerprint.actors.get(key, 0.0) >= ALWAYS_IN_THE_NEWS


@dataclass(frozen=True, slots=True)
class Bag:
    """Keys with their damped term frequencies; `numbers` are the keys' places in the frequency table.

    The arrays are in the order of the sorted keys, so that sums come out the same after a rebuild.
    """

    counts: dict[str, float]
    numbers: npt.NDArray[np.intp]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profile:
    """A row prepared for comparing; holds no weights, which change with the frequencies."""

    row: Row
    names: Bag
    terms: Bag
    lede: Bag


@dataclass(slots=True)
class Frequencies:
    """In how many live articles each key stands. Weights and norms are remembered until a count changes."""

    articles: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _free: list[int] = field(default_factory=list)
    _counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1024, dtype=np.int64))
    _logs: npt.NDArray[np.float64] = field(default_factory=lambda: np.full(1024, math.log(0.5)))
    _known_weights: dict[str, float] = field(default_factory=dict)
    _known_norms: dict[int, tuple[Bag, float]] = field(default_factory=dict)

    def number(self, key: str) -> int:
        """The key's place in the table; a place that expired keys left free is used again."""
        number = self._numbers.get(key)
        if number is not None:
            return number
        number = self._numbers[key] = self._free.pop() if self._free else len(self._numbers)
        if number >= len(self._counts):
            grow = len(self._counts)
            self._counts = np.concatenate([self._counts, np.zeros(grow, dtype=np.int64)])
            self._logs = np.concatenate([self._logs, np.full(grow, math.log(0.5))])
        return number

    def change(self, bag: Bag, by: int) -> None:
        """Count a bag in (1) or out (-1)."""
        self._known_weights.clear()
        self._known_norms.clear()
        self._counts[bag.numbers] += by
        self._logs[bag.numbers] = np.log(self._counts[bag.numbers] + 0.5)
        if by < 0:
            self._release(bag)

    def _release(self, bag: Bag) -> None:
        for key, number in zip(sorted(bag.counts), bag.numbers.tolist(), strict=True):
            if not self._counts[number] and self._numbers.get(key) == number:
                del self._numbers[key]
                self._free.append(number)

    def count(self, key: str) -> int:
        """Live articles with the key."""
        number = self._numbers.get(key)
        return 0 if number is None else int(self._counts[number])

    def weights(self, numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Inverse document frequencies: ln((N + 1) / (df + 0.5)), at least 0.1."""
        return np.maximum(0.1, math.log(self.articles + 1) - self._logs[numbers])

    def weight(self, key: str) -> float:
        """The inverse document frequency of one key."""
        weight = self._known_weights.get(key)
        if weight is None:
            weight = max(0.1, math.log((self.articles + 1) / (self.count(key) + 0.5)))
            self._known_weights[key] = weight
        return weight

    def bag(self, counts: dict[str, float]) -> Bag:
        """A bag of these keys."""
        keys = sorted(counts)
        numbers = np.fromiter((self.number(key) for key in keys), dtype=np.intp, count=len(keys))
        return Bag(counts, numbers, np.fromiter((counts[key] for key in keys), dtype=np.float64, count=len(keys)))

    def norm(self, bag: Bag) -> float:
        """The length of a bag's weighted vector."""
        known = self._known_norms.get(id(bag))
        if known is None:
            known = bag, float(np.linalg.norm(bag.values * self.weights(bag.numbers)))
            self._known_norms[id(bag)] = known  # holds the bag, so its id is not used again
        return known[1]


@dataclass(slots=True)
class StoryIndex:
    """The live articles by story, and the frequencies of their keys: a function of the rows alone."""

    _profiles: dict[str, Profile] = field(default_factory=dict)
    _members: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    _postings: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    _frequencies: Frequencies = field(default_factory=Frequencies)

    def profile(self, row: Row) -> Profile:
        """Prepare a row."""
        names = keys_of(row)
        terms = {f"{row.language}:{term}": 1.0 + math.log(count) for term, count in row.fingerprint.terms.items()}
        lede = {key: names.get(key, 1.0) for key in row.fingerprint.lede}
        bag = self._frequencies.bag
        return Profile(row, bag(names), bag(terms), bag(lede))

    def add(self, row: Row) -> None:
        """Put an article into the story that its decision names."""
        profile = self.profile(row)
        self._profiles[row.article_id] = profile
        self._members[row.decision.story_id][row.article_id] = None
        self._frequencies.articles += 1
        for bag in (profile.names, profile.terms):
            self._frequencies.change(bag, 1)
            for key in bag.counts:
                self._postings[key][row.article_id] = None

    def remove(self, row: Row) -> None:
        """Forget an article; an empty story is closed."""
        profile = self._profiles.pop(row.article_id, None)
        if profile is None:
            return
        story_id = profile.row.decision.story_id
        self._members[story_id].pop(row.article_id, None)
        if not self._members[story_id]:
            del self._members[story_id]
        self._frequencies.articles -= 1
        for bag in (profile.names, profile.terms):
            self._frequencies.change(bag, -1)
            for key in bag.counts:
                self._postings[key].pop(row.article_id, None)
                if not self._postings[key]:
                    del self._postings[key]

    def members(self, story_id: str) -> list[Row]:
        """The live articles of a story, in order of arrival."""
        return [self._profiles[article_id].row for article_id in self._members.get(story_id, ())]

    def __len__(self) -> int:
        return len(self._members)

    def rank(self, row: Row) -> list[StoryMatch]:
        """The stories an article may belong to, best first."""
        profile = self.profile(row)
        weights, _ = load_weights()
        scored: dict[str, list[tuple[float, PairFeatures]]] = defaultdict(list)
        for other in self.candidates(profile):
            features = self.features(profile, other)
            logit = sum(weight * value for weight, value in zip(weights, features.values, strict=True))
            scored[other.row.decision.story_id].append((logit, features))
        matches = []
        for story_id, pairs in scored.items():
            pairs.sort(key=lambda pair: -pair[0])
            best = pairs[:BEST_MEMBERS]
            matches.append(StoryMatch(story_id, sum(logit for logit, _ in best) / len(best), best[0][1]))
        return sorted(matches, key=lambda match: (-match.score, match.story_id))

    def candidates(self, profile: Profile) -> list[Profile]:
        """Articles that share rare keys, those with the rarest first."""
        names = self._rarest(profile.names)
        terms = self._rarest(profile.terms)
        shared: dict[str, float] = defaultdict(float)
        for _, key in (*names, *terms):
            weight = self._frequencies.weight(key)
            for article_id in self._postings[key]:
                shared[article_id] += weight
        shared.pop(profile.row.article_id, None)
        ranked = sorted(shared.items(), key=lambda item: (-item[1], item[0]))
        return [self._profiles[article_id] for article_id, _ in ranked[:MAX_CANDIDATES]]

    def _rarest(self, bag: Bag) -> list[tuple[int, str]]:
        known = ((self._frequencies.count(key), key) for key in bag.counts)
        return sorted(item for item in known if 0 < item[0] <= POSTING_CAP)[:RAREST_KEYS]

    def features(self, a: Profile, b: Profile) -> PairFeatures:
        """The pair's features, in the order of FEATURES."""
        names, shared = self._cosine(a.names, b.names)
        same = a.row.language == b.row.language
        words = self._cosine(a.terms, b.terms)[0] if same else 0.0
        coverage = (self._coverage(a.lede, b) + self._coverage(b.lede, a)) / 2
        top = sum(weight for _, weight in shared[:3]) / 3
        left, right = a.row.vector, b.row.vector
        cosine = float(left @ right) if left is not None and right is not None else None
        gap = self._gap_days(a.row, b.row)
        values = (
            1.0,
            names,
            words,
            float(same),
            coverage,
            min(top, 12.0),
            cosine or 0.0,
            float(cosine is None),
            math.log1p(max(0.0, (gap or 0.0) - FREE_DAYS)),
            float((a.row.told_at is None) != (b.row.told_at is None)),
            float(all(is_damped(key, a.row) for key, _ in shared)),
        )
        return PairFeatures(values, tuple(key for key, _ in shared[:6]), cosine, gap)

    def _cosine(self, a: Bag, b: Bag) -> tuple[float, list[tuple[str, float]]]:
        """TF-IDF cosine, and the shared keys with what they contribute, heaviest first."""
        common = a.counts.keys() & b.counts.keys()
        if not common:
            return 0.0, []
        shared = [(key, a.counts[key] * b.counts[key] * self._frequencies.weight(key)) for key in common]
        shared.sort(key=lambda item: (-item[1], item[0]))
        dot = sum(value * self._frequencies.weight(key) for key, value in shared)
        return dot / (self._frequencies.norm(a) * self._frequencies.norm(b)), shared

    def _coverage(self, lede: Bag, other: Profile) -> float:
        """How much of one lede's names stands anywhere in the other article."""
        common = sorted(lede.counts.keys() & other.names.counts.keys())
        covered = sum(lede.counts[key] * self._frequencies.weight(key) for key in common)
        total = float(lede.values @ self._frequencies.weights(lede.numbers))
        return covered / (total + self._solid())

    def _solid(self) -> float:
        """The weight of one rare name: what a lede must have for its coverage to count in full."""
        return math.log(len(self._profiles) + 2)

    @staticmethod
    def _gap_days(a: Row, b: Row) -> float | None:
        if a.told_at is None or b.told_at is None:
            return None
        return abs((a.told_at - b.told_at).total_seconds()) / DAY_SECONDS
