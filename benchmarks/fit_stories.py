"""Fits the weights of the pair score (services/dedup/weights.json) by logistic regression on labelled stories.

    python -m benchmarks.fit_stories SOURCES        (a folder with wikinews/, ntrex/ and measure-only/)

Half of the stories of each corpus are used, by the hash of the story's name; the other half is for measuring. The two
weights in BY_HAND are then lowered: the corpora hardly have such pairs (docs/adr/0006).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from schemas.article import ContentType, EnrichedArticle, RawArticle, StoryReason
from services.common.messages import RejectedMessage
from services.dedup.rows import Decision, to_row
from services.dedup.stories import FEATURES, WEIGHTS, StoryIndex
from services.worker.stages import enrich, stage_slice

LANGUAGES = {"eng", "nld", "deu", "fra", "spa", "por", "rus", "zho-CN"}
BY_HAND = {"no_date": -2.0, "only_actors": -3.0}
THRESHOLD = 1.0
ORDERS = 2
COLD_START = 20
LEARNING_RATE, STEPS, L2 = 0.05, 3000, 1e-3
Matrix = npt.NDArray[np.float64]


class Labelled(NamedTuple):
    """An article and the name of its story."""

    story: str
    article: EnrichedArticle


def read_corpora(sources: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every labelled text with its story's name."""
    for line in (sources / "wikinews/articles.jsonl").read_text(encoding="utf8").splitlines():
        row = json.loads(line)
        yield f"wikinews {row['story']}", row
    for name, file in (("ntrex", "ntrex/articles.jsonl.gz"), ("ecb", "measure-only/ecbplus.jsonl.gz")):
        with gzip.open(sources / file, "rt", encoding="utf8") as lines:
            for row in map(json.loads, lines):
                if name != "ntrex" or row["lang"] in LANGUAGES:
                    yield f"{name} {row['story']}", row


def enrich_half(sources: Path) -> list[Labelled]:
    """The half of the stories that is used, enriched with vectors."""
    stages = stage_slice((), vectors=True)
    found = []
    for story, row in read_corpora(sources):
        if int(hashlib.sha1(story.encode(), usedforsecurity=False).hexdigest(), 16) % 2:
            continue
        date = row.get("date")
        raw = RawArticle(
            article_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{story} {row['id']}")),
            source_id="fit",
            content_type=ContentType.TEXT,
            content=row["text"],
            title=row.get("title"),
            published_at=datetime.fromisoformat(date[:10]).replace(tzinfo=UTC) if date else None,
            fetched_at=datetime(2026, 1, 1, tzinfo=UTC),
            content_hash="0" * 64,
            revision=1,
        )
        try:
            found.append(Labelled(story, enrich(raw, stages)))
        except RejectedMessage as rejected:
            print(f"left out {row['id']}: {rejected.reason}")
    return found


def collect_pairs(articles: list[Labelled], seed: int) -> tuple[Matrix, Matrix]:
    """Features (n, len(FEATURES)) and labels (n,) of the candidate pairs of one random order."""
    shuffled = random.Random(seed).sample(articles, len(articles))
    index = StoryIndex()
    stories: dict[str, str] = {}
    features: list[tuple[float, ...]] = []
    labels: list[bool] = []
    for number, (story, article) in enumerate(shuffled):
        alone = Decision(story_id=article.article_id, story_score=0.0, story_reason=StoryReason(opened=True))
        row = to_row(article, alone, arrival=number, owner_offset=number, decision_seq=0, story_revision=1)
        if number > COLD_START:
            profile = index.profile(row)
            for other in index.candidates(profile):
                features.append(index.features(profile, other).values)
                labels.append(stories[other.row.article_id] == story)
        stories[article.article_id] = story
        index.add(row)
    return np.array(features), np.array(labels, dtype=np.float64)


def fit(features: Matrix, labels: Matrix) -> Matrix:
    """Weights of a logistic regression with L2, by Adam on standardised features, for the features as they are."""
    mean, deviation = features.mean(0), features.std(0) + 1e-9
    mean[0], deviation[0] = 0.0, 1.0
    scaled = (features - mean) / deviation
    weights, first, second = (np.zeros(scaled.shape[1]) for _ in range(3))
    for step in range(1, STEPS + 1):
        error = 1 / (1 + np.exp(-scaled @ weights)) - labels
        gradient = scaled.T @ error / len(labels) + L2 * np.append(0.0, weights[1:])
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        weights -= LEARNING_RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    original: Matrix = weights / deviation
    original[0] = weights[0] - float((weights[1:] * mean[1:] / deviation[1:]).sum())
    return original


def main(sources: Path) -> None:
    """Enrich, fit, write."""
    articles = enrich_half(sources)
    parts = [collect_pairs(articles, seed) for seed in range(ORDERS)]
    weights = fit(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]))
    fitted = {name: round(float(weight), 4) for name, weight in zip(FEATURES, weights, strict=True)}
    named = {"threshold": THRESHOLD, "weights": fitted | BY_HAND}
    WEIGHTS.write_text(json.dumps(named, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
