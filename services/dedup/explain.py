"""Explains decisions: what two articles share, what each feature added, which story lost and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.article import DuplicateReason, KeyFlag, ScorePart, StoryReason
from services.dedup.articles import ArticlePart
from services.dedup.duplicates import overlaps
from services.dedup.pairs import FEATURES, VECTOR, Comparison, PairWeights, compare, gap_days
from services.dedup.profiles import Profile
from services.dedup.stories import StoryIndex, StoryMatch

MAX_SHARED = 8
MAX_NUMBERS = 6
MAX_FACTS = 12
SMALLEST_PART = 0.005
"""Parts that add less to the score are left out."""


def story_reason(
    article: ArticlePart,
    profile: Profile,
    comparison: Comparison | None,
    joined: StoryMatch | None,
    runner_up: StoryMatch | None,
    vetoes: Sequence[str],
    weights: PairWeights,
) -> StoryReason:
    """Why an article joined a story, or why it joined none of the stories that it was compared with."""
    shown = joined or runner_up
    if comparison is None or shown is None:
        return StoryReason(opened=True)
    threshold = weights.join
    shared, numbers = shared_labels(article, comparison, shown.place)
    margin = (joined.score - runner_up.score) if joined and runner_up else None
    if joined is None:
        margin = threshold - shown.score
    return StoryReason(
        opened=joined is None,
        nearest=shown.nearest.article_id,
        shared=shared,
        numbers=numbers,
        cosine=cosine_of(comparison, shown.place),
        gap_days=gap_days(profile.article, shown.nearest),
        parts=score_parts(comparison, shown.place, weights),
        threshold=threshold,
        runner_up=runner_up.story_id if runner_up else None,
        runner_up_score=round(runner_up.score, 4) if runner_up else None,
        margin=round(margin, 4) if margin is not None else None,
        vetoes=tuple(vetoes),
    )


def shared_labels(article: ArticlePart, comparison: Comparison, place: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The shared names and entities, and the shared numbers, as the article writes them. The rarest come first."""
    keys = article.fingerprint.keys
    places = np.flatnonzero(comparison.shared[place])
    order = places[np.argsort(-comparison.worth[places], kind="stable")].tolist()
    names = [keys.labels[key] for key in order if not keys.flags[key] & KeyFlag.NUMBER]
    numbers = [keys.labels[key] for key in order if keys.flags[key] & KeyFlag.NUMBER]
    return tuple(names[:MAX_SHARED]), tuple(numbers[:MAX_NUMBERS])


def cosine_of(comparison: Comparison, place: int) -> float | None:
    """The cosine of the two vectors, or None if one article has no vector."""
    value = float(comparison.features[place, VECTOR])
    return round(value, 4) if comparison.kinds.has_vectors[place] else None


def score_parts(comparison: Comparison, place: int, weights: PairWeights) -> tuple[ScorePart, ...]:
    """What each feature added to the score of the pair. The largest contribution comes first."""
    chosen = weights.of(comparison.kinds)[place].tolist()
    values = comparison.features[place].tolist()
    parts = [
        ScorePart(feature=name, value=round(value, 4), score=round(value * weight, 4))
        for name, value, weight in zip(FEATURES, values, chosen, strict=True)
        if abs(value * weight) >= SMALLEST_PART
    ]
    return tuple(sorted(parts, key=lambda part: -abs(part.score)))


def with_facts(reason: DuplicateReason, article: ArticlePart, original: ArticlePart) -> DuplicateReason:
    """The reason with examples of shared and missing facts."""
    ours, theirs = set(article.fingerprint.facts), set(original.fingerprint.facts)
    fewer = min(ours, theirs, key=len)
    return reason.model_copy(
        update={
            "shared": tuple(sorted(ours & theirs)[:MAX_FACTS]),
            "missing": tuple(sorted(fewer - (ours & theirs))[:MAX_FACTS]),
        }
    )


def explain_pair(
    article: ArticlePart, one: Profile, other: Profile, stories: StoryIndex, notes: Sequence[str]
) -> dict[str, Any]:
    """How dedup compares two live articles now, for `dragoman explain`."""
    comparison = compare(one, [other], stories.frequencies, stories.weights)
    names, numbers = shared_labels(article, comparison, 0)
    overlap = overlaps(one, [other])[0]
    return {
        "articles": [one.article.article_id, other.article.article_id],
        "stories": [one.article.story_id, other.article.story_id],
        "score": round(float(comparison.scores[0]), 4),
        "threshold": stories.weights.join,
        "shared": names,
        "numbers": numbers,
        "cosine": cosine_of(comparison, 0),
        "gap_days": gap_days(one.article, other.article),
        "parts": [part.model_dump() for part in score_parts(comparison, 0, stories.weights)],
        "shingle_containment": round(overlap.shingles, 4),
        "duplicate": overlap.duplicate.model_dump(mode="json") if overlap.duplicate else None,
        "duplicate_veto": overlap.veto,
        "notes": list(notes),
    }
