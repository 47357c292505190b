"""Fits the weights of the pair score to labelled stories, for measuring the other half and for the shipped model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmarks.quality.stories.corpora import NTREX_8, Labelled
from benchmarks.quality.stories.pairs import PairSet, collect_pairs
from services.dedup.pairs import FEATURES, VECTOR, Array, PairWeights

BY_HAND = {"actor_share": -3.0}
"""Upper limits of weights. The corpora have hardly any such pairs, but the seeds show that they matter."""
JOIN, MERGE = 0.5, 0.7
ORDERS = (0, 1)
LEARNING_RATE, STEPS, L2 = 0.05, 2500, 1e-3
NO_VECTOR = (FEATURES[VECTOR],)
DIGITS = 4


def training_sets(articles: Iterable[Labelled]) -> dict[str, PairSet]:
    """One set per corpus, with NTREX in 8 languages, and separately NTREX in 40 languages."""
    chosen: dict[str, list[Labelled]] = {"wikinews": [], "ecb": [], "ntrex": [], "ntrex in 40": []}
    for labelled in articles:
        if labelled.corpus != "ntrex" or labelled.code in NTREX_8:
            chosen[labelled.corpus].append(labelled)
        if labelled.corpus == "ntrex":
            chosen["ntrex in 40"].append(labelled)
    return {
        name: collect_pairs(corpus, ORDERS[:1] if name == "ntrex in 40" else ORDERS) for name, corpus in chosen.items()
    }


def fit(sets: Sequence[PairSet], by_hand: Mapping[str, float], left_out: Sequence[str] = ()) -> Array:
    """Logistic regression with L2, by Adam on standardised features. The weights apply to the original features.

    All sets have the same total weight, however many pairs they have. Features in `by_hand` get at most that weight.
    """
    sets = [pairs for pairs in sets if len(pairs.labels)]
    features = np.concatenate([pairs.features for pairs in sets])
    for name in left_out:
        features[:, FEATURES.index(name)] = 0.0
    labels = np.concatenate([pairs.labels for pairs in sets])
    weights_of_pairs = np.concatenate([np.full(len(pairs.labels), 1 / len(pairs.labels)) for pairs in sets])
    weights_of_pairs /= weights_of_pairs.sum()
    mean, deviation = features.mean(0), features.std(0) + 1e-9
    mean[0], deviation[0] = 0.0, 1.0
    scaled = (features - mean) / deviation
    weights, first, second = (np.zeros(scaled.shape[1]) for _ in range(3))
    for step in range(1, STEPS + 1):
        error = (1 / (1 + np.exp(-scaled @ weights)) - labels) * weights_of_pairs
        gradient = scaled.T @ error + L2 * np.append(0.0, weights[1:])
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        weights -= LEARNING_RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    original: Array = weights / deviation
    original[0] = weights[0] - float((weights[1:] * mean[1:] / deviation[1:]).sum())
    for name, most in by_hand.items():
        place = FEATURES.index(name)
        original[place] = min(original[place], most)
    for name in left_out:
        original[FEATURES.index(name)] = 0.0
    return np.round(original, DIGITS)


def train(articles: Iterable[Labelled], extra: PairSet | None = None) -> PairWeights:
    """A model for each kind of pair. `extra` holds pairs from decisions of people."""
    sets = training_sets(articles)
    if extra is not None:
        sets["edits"] = extra
    many = sets.pop("ntrex in 40")
    cased = {name: pairs.only(capitals=True) for name, pairs in sets.items()}
    models = np.zeros((2, 2, len(FEATURES)))
    models[1, 1] = fit([pairs.only(capitals=True, vectors=True) for pairs in cased.values()], BY_HAND)
    models[1, 0] = fit([*cased.values(), *2 * [many.only(capitals=True, vectors=False)]], BY_HAND, NO_VECTOR)
    uncased = [pairs.only(capitals=False) for name, pairs in sets.items() if name == "edits"]
    models[0, 1] = fit([many.only(capitals=False, vectors=True), *uncased], {})
    models[0, 0] = fit([many.only(capitals=False), *uncased], {}, NO_VECTOR)
    return PairWeights(models, JOIN, MERGE)
