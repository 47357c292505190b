"""Measures stories on unseen texts: each half is grouped with weights that were trained on the other half.

There are three ways to split the corpora, because in a single split two similar events decide over 0.05 of ECB+.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpus import SHARED
from benchmarks.quality.scores import Figures
from benchmarks.quality.stories.corpora import FILES, NTREX_8, Labelled, fold_of, load, load_seeds, read, to_labelled
from benchmarks.quality.stories.fit import train
from benchmarks.quality.stories.measures import Placed, measure_partition
from benchmarks.quality.stories.pairs import profile_of
from benchmarks.quality.stories.templates import KIND, template_rows
from services.dedup.grouping import Grouper
from services.dedup.pairs import Frequencies, PairWeights, compare, load_weights
from services.dedup.stories import StoryIndex
from services.worker.stages import Stage, stage_slice

WINDOW = timedelta(days=14)
ORDERS = range(10, 15)
SPLITS = ("", "1", "2")
RIDGE = 1.0
SEMEVAL = Path("measure-only/semeval2022-task8-train.csv.gz")
DUPLICATES = Path("wikinews/neardup.jsonl")


def group(articles: Sequence[Labelled], weights: PairWeights) -> Grouper:
    """A grouper that has taken these articles in this order."""
    grouper = Grouper(WINDOW, stories=StoryIndex(weights=weights))
    for labelled in articles:
        grouper.take(labelled.article)
    return grouper


def place(articles: Sequence[Labelled], grouper: Grouper) -> list[Placed]:
    """The final story of each article."""
    return [
        Placed(labelled.story, grouper.live[labelled.article.article_id].story_id, labelled.article.language.code)
        for labelled in articles
    ]


def streams(articles: Sequence[Labelled], seeds: Sequence[Labelled]) -> dict[str, list[Labelled]]:
    """The measured streams of one half."""
    by: dict[str, list[Labelled]] = defaultdict(list)
    for labelled in articles:
        by[labelled.corpus].append(labelled)
    few = [labelled for labelled in by["ntrex"] if labelled.code in NTREX_8]
    return {
        "wikinews": by["wikinews"],
        "ecb": by["ecb"],
        "ntrex8": few,
        "ntrex40": by["ntrex"],
        "mix": [*by["wikinews"], *by["ecb"], *few, *seeds],
    }


def halves(
    articles: Sequence[Labelled], seeds: Sequence[Labelled], splits: Sequence[str]
) -> Iterator[tuple[PairWeights, dict[str, list[Labelled]]]]:
    """The streams of each half of each split, with the weights of the other half."""
    for split, half in itertools.product(splits, (0, 1)):
        weights = train([labelled for labelled in articles if fold_of(labelled.unit, split) != half])
        yield weights, streams([labelled for labelled in articles if fold_of(labelled.unit, split) == half], seeds)


def measure_stories() -> Figures:
    """`stories.…`: means over the splits, both halves and the orders. Empty if the corpora are not available."""
    folder = SHARED / "data"
    if not all((folder / path).is_file() for path in FILES.values()):
        return {}
    stages = stage_slice((), vectors=True)
    articles, seeds = load(folder, stages), load_seeds(stages)
    found: dict[str, list[float]] = defaultdict(list)
    for weights, mine in halves(articles, seeds, SPLITS):
        for name, stream in mine.items():
            for figure, value in measure_stream(stream, weights, seeds if name == "mix" else ()).items():
                found[f"stories.{name}.{figure}"].append(value)
    figures = {name: float(np.mean(values)) for name, values in found.items()}
    return figures | {"stories.seeds.alone": count_seeds_alone(seeds)} | measure_similarity(folder / SEMEVAL, stages)


def measure_stream(
    stream: Sequence[Labelled], weights: PairWeights, seeds: Sequence[Labelled], orders: Sequence[int] = ORDERS
) -> Figures:
    """Means over the orders, how far B³ F1 is from that of the file's order (mean, largest), and the seeds' stories."""
    found: dict[str, list[float]] = defaultdict(list)
    reference = measure_partition(place(stream, group(stream, weights)))["b3.f1"]
    for order in orders:
        shuffled = random.Random(order).sample(list(stream), len(stream))
        grouper = group(shuffled, weights)
        for name, value in measure_partition(place(shuffled, grouper)).items():
            found[name].append(value)
        if seeds:
            found["seeds"].append(len({grouper.live[labelled.article.article_id].story_id for labelled in seeds}))
    figures = {name: float(np.mean(values)) for name, values in found.items()}
    largest = max(abs(value - reference) for value in found["b3.f1"])
    return figures | {"order": abs(figures["b3.f1"] - reference), "order_largest": largest}


def count_seeds_alone(seeds: Sequence[Labelled]) -> float:
    """The minimum number of stories that the five seeds form in their 120 orders, with the shipped weights."""
    weights = load_weights()
    return float(min(len(group(list(order), weights).stories) for order in itertools.permutations(seeds)))


def measure_similarity(path: Path, stages: Sequence[Stage]) -> Figures:
    """SemEval-2022 Task 8: Pearson correlation of the pair score and of a ridge regression fitted on the other half."""
    csv.field_size_limit(sys.maxsize)
    with gzip.open(path, "rt", encoding="utf8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["text1"].strip() and row["text2"].strip()]
    frequencies, pairs = Frequencies(), []
    for number, row in enumerate(rows):
        made = [
            labelled.article
            for side in "12"
            for labelled in to_labelled("semeval", row["pair_id"], row["pair_id"],
                                   {"id": f"{number} {side}", "text": row[f"text{side}"], "lang": ""}, stages)
        ]  # fmt: skip
        if len(made) == 2:
            first, second = profile_of(made[0], 2 * number), profile_of(made[1], 2 * number + 1)
            frequencies.change(first, 1)
            frequencies.change(second, 1)
            pairs.append((first, second, float(row["Overall"]), fold_of(row["pair_id"])))
    compared = [compare(first, [second], frequencies) for first, second, _, _ in pairs]
    features = np.array([[*pair.features[0], pair.scores[0], float(pair.kinds.has_vectors[0])] for pair in compared])
    truth, half = np.array([pair[2] for pair in pairs]), np.array([pair[3] for pair in pairs])
    guessed = np.zeros(len(truth))
    for fold in (0, 1):
        guessed[half == fold] = _ridge(features[half != fold], truth[half != fold], features[half == fold])
    return {
        "semeval.zero_shot": float(np.corrcoef(-features[:, -2], truth)[0, 1]),
        "semeval.trained": float(np.corrcoef(guessed, truth)[0, 1]),
    }


def _ridge(known: np.ndarray, truth: np.ndarray, asked: np.ndarray) -> np.ndarray:
    mean, deviation = known.mean(0), known.std(0) + 1e-9
    scaled = np.column_stack([(known - mean) / deviation, np.ones(len(known))])
    weights = np.linalg.solve(scaled.T @ scaled + RIDGE * np.eye(scaled.shape[1]), scaled.T @ truth)
    return np.column_stack([(asked - mean) / deviation, np.ones(len(asked))]) @ weights


def measure_duplicates() -> Figures:
    """`duplicates.…`: pairs, recall by the kind of edit, and the effect of template news, in one random order."""
    path = SHARED / "data" / DUPLICATES
    return score_duplicates([*(read(path) if path.is_file() else ()), *template_rows()])


def score_duplicates(rows: Sequence[dict[str, Any]]) -> Figures:
    """`duplicates.…` of these rows. Without edited copies, only the effect of template news."""
    stages = stage_slice((), vectors=False)
    found = [
        labelled
        for row in random.Random(1).sample(rows, len(rows))
        for labelled in to_labelled("neardup", row["group"], row["kind"], row | {"lang": ""}, stages)
    ]
    grouper = group(found, load_weights())
    roots = [
        grouper.rows[labelled.article.article_id].decision.duplicate_of or labelled.article.article_id
        for labelled in found
    ]
    templates = Counter(root for labelled, root in zip(found, roots, strict=True) if labelled.unit == KIND)
    figures = {"duplicates.templates.false_pairs": float(sum(n * (n - 1) // 2 for n in templates.values()))}
    if all(row["kind"] == KIND for row in rows):
        return figures
    whole = measure_partition([Placed(labelled.story, root) for labelled, root in zip(found, roots, strict=True)])
    figures |= {f"duplicates.{name}": whole[f"pairs.{name}"] for name in ("precision", "recall", "f1")}
    originals = {labelled.story: root for labelled, root in zip(found, roots, strict=True) if labelled.unit == "orig"}
    kinds: dict[str, list[bool]] = defaultdict(list)
    for labelled, root in zip(found, roots, strict=True):
        if labelled.unit not in ("orig", KIND):
            kinds[labelled.unit].append(root == originals[labelled.story])
    return figures | {f"duplicates.recall.{kind}": float(np.mean(hits)) for kind, hits in sorted(kinds.items())}
