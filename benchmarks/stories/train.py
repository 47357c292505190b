"""Trains the weights of the pair score (services/dedup/weights.json) on labelled stories; bit for bit the same.

    python -m benchmarks.stories.train [SOURCES] [--edits FILE]

SOURCES is a folder with wikinews/, ntrex/ and measure-only/ (default: the shared data). `--edits` adds what people
decided with `dragoman stories` (written by `dragoman stories export`). Weights and `manifest.json`, which names every
input by its hash, are written beside the code; docs/adr/0006 says why these features and these two thresholds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpus import SHARED
from benchmarks.stories.corpora import FILES, NTREX_8, Labelled, load
from benchmarks.stories.edits import read_edit_pairs
from benchmarks.stories.pairs import PairSet, collect_pairs
from services.dedup.pairs import CAPITAL_KINDS, FEATURES, VECTOR, VECTOR_KINDS, WEIGHTS, Array, PairWeights
from services.worker.stages import stage_slice

MANIFEST = Path(__file__).with_name("manifest.json")
BY_HAND = {"actor_share": -3.0}
"""At most so much: the corpora hardly have such pairs, and the seeds show that they matter."""
JOIN, MERGE = 0.5, 0.7
ORDERS = (0, 1)
LEARNING_RATE, STEPS, L2 = 0.05, 2500, 1e-3
NO_VECTOR = (FEATURES[VECTOR],)
DIGITS = 4


def training_sets(articles: Iterable[Labelled]) -> dict[str, PairSet]:
    """One set a corpus, NTREX in 8 languages; and NTREX in 40."""
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
    """Logistic regression with L2, by Adam on standardised features; weights for the features as they are.

    Each set weighs the same, however many pairs it has. Features in `by_hand` get at most that weight.
    """
    sets = [one for one in sets if len(one.labels)]
    features = np.concatenate([one.features for one in sets])
    for name in left_out:
        features[:, FEATURES.index(name)] = 0.0
    labels = np.concatenate([one.labels for one in sets])
    weights_of_pairs = np.concatenate([np.full(len(one.labels), 1 / len(one.labels)) for one in sets])
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
    """A model for each kind of pair; `extra` are pairs that people decided."""
    sets = training_sets(articles)
    if extra is not None:
        sets["edits"] = extra
    many = sets.pop("ntrex in 40")
    cased = {name: one.only(capitals=True) for name, one in sets.items()}
    models = np.zeros((2, 2, len(FEATURES)))
    models[1, 1] = fit([one.only(capitals=True, vectors=True) for one in cased.values()], BY_HAND)
    models[1, 0] = fit([*cased.values(), *2 * [many.only(capitals=True, vectors=False)]], BY_HAND, NO_VECTOR)
    uncased = [one.only(capitals=False) for name, one in sets.items() if name == "edits"]
    models[0, 1] = fit([many.only(capitals=False, vectors=True), *uncased], {})
    models[0, 0] = fit([many.only(capitals=False), *uncased], {}, NO_VECTOR)
    return PairWeights(models, JOIN, MERGE)


def write(weights: PairWeights, path: Path = WEIGHTS) -> None:
    """The weights as readable JSON."""
    content: dict[str, Any] = {"thresholds": {"join": weights.join, "merge": weights.merge}}
    for capitals, row in zip(CAPITAL_KINDS, weights.models.tolist(), strict=True):
        content[capitals] = {
            vectors: dict(zip(FEATURES, values, strict=True)) for vectors, values in zip(VECTOR_KINDS, row, strict=True)
        }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf8")


def manifest(sources: Path, edits: Path | None, counts: dict[str, int]) -> dict[str, Any]:
    """Which files the weights come from, by SHA-256, and how many articles of each corpus."""
    files = [*(sources / path for path in FILES.values()), *([edits] if edits else [])]
    return {
        "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "articles": counts,
        "stages": {stage.name: stage.version for stage in stage_slice((), vectors=True)},
        "settings": {"orders": ORDERS, "steps": STEPS, "l2": L2, "by_hand": BY_HAND},
    }


def main() -> None:
    """Enrich, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="?", type=Path, default=SHARED / "data")
    parser.add_argument("--edits", type=Path, help="what `dragoman stories export` wrote")
    asked = parser.parse_args()
    missing = [str(path) for path in FILES.values() if not (asked.sources / path).is_file()]
    if missing:
        parser.error(f"{asked.sources} lacks {', '.join(missing)}: the weights in the repository are from them")
    stages = stage_slice((), vectors=True)
    articles = load(asked.sources, stages)
    weights = train(articles, read_edit_pairs(asked.edits, stages, articles) if asked.edits else None)
    write(weights)
    counts: dict[str, int] = {}
    for labelled in articles:
        counts[labelled.corpus] = counts.get(labelled.corpus, 0) + 1
    MANIFEST.write_text(json.dumps(manifest(asked.sources, asked.edits, counts), indent=1) + "\n", encoding="utf8")
    print(f"{WEIGHTS.name} written from {len(articles):,} articles")


if __name__ == "__main__":
    main()
