"""Pairs of articles with features and labels. The pair score is trained on them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.quality.stories.corpora import Labelled
from schemas.article import StoryReason
from services.dedup.articles import ArticlePart
from services.dedup.pairs import FEATURES, Array, Comparison, Kinds, PairWeights, compare
from services.dedup.profiles import Profile, to_profile
from services.dedup.rows import ArticleRow, Decision
from services.dedup.stories import StoryIndex

COLD_START = 20
"""The first articles of a stream are not used for training, because everything is rare at the beginning."""
UNTRAINED = PairWeights(np.zeros((2, 2, len(FEATURES))), 0.0, 0.0)
"""Used only for features, because the weights being trained cannot be read yet."""


@dataclass(frozen=True, slots=True)
class PairSet:
    """Features (n, len(FEATURES)), labels (n,) and the kinds of the pairs."""

    features: Array
    labels: Array
    kinds: Kinds

    def only(self, *, capitals: bool, vectors: bool | None = None) -> PairSet:
        """The pairs of one kind. With `None`, pairs with and without vectors."""
        chosen = self.kinds.has_capitals == capitals
        if vectors is not None:
            chosen &= self.kinds.has_vectors == vectors
        kinds = Kinds(self.kinds.has_capitals[chosen], self.kinds.has_vectors[chosen])
        return PairSet(self.features[chosen], self.labels[chosen], kinds)


def pair_set(comparisons: Sequence[Comparison], labels: Sequence[float]) -> PairSet:
    """Comparisons and the labels of all their pairs, as one set."""
    kinds = Kinds(
        np.concatenate([np.zeros(0, bool), *(comparison.kinds.has_capitals for comparison in comparisons)]),
        np.concatenate([np.zeros(0, bool), *(comparison.kinds.has_vectors for comparison in comparisons)]),
    )
    features = np.concatenate([np.zeros((0, len(FEATURES))), *(comparison.features for comparison in comparisons)])
    return PairSet(features, np.array(labels, dtype=np.float64), kinds)


def profile_of(article: ArticlePart, arrival: int) -> Profile:
    """The profile of the article, in a separate story."""
    alone = Decision(story_id=article.article_id, story_score=0.0, story_reason=StoryReason(opened=True))
    row = ArticleRow(article=article, arrival=arrival, decision=alone, story_opened_at=article.fetched_at)
    return to_profile(row)


def collect_pairs(articles: Sequence[Labelled], seeds: Sequence[int]) -> PairSet:
    """The candidate pairs that dedup would compare, for articles in random orders."""
    comparisons: list[Comparison] = []
    labels: list[float] = []
    for seed in seeds:
        shuffled = random.Random(seed).sample(list(articles), len(articles))
        index = StoryIndex(weights=UNTRAINED)
        stories: dict[str, str] = {}
        for number, labelled in enumerate(shuffled):
            profile = profile_of(labelled.article, number)
            candidates = index.candidates(profile) if number > COLD_START else []
            if candidates:
                comparisons.append(compare(profile, candidates, index.frequencies, UNTRAINED))
                labels += [float(stories[other.article.article_id] == labelled.story) for other in candidates]
            stories[labelled.article.article_id] = labelled.story
            index.live.store(number, profile.pack())
            index.live.add(profile.article)
            index.add(profile)
    return pair_set(comparisons, labels)
