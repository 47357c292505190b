"""Finds names with a linear-chain CRF. CRFsuite trains the weights. This module computes the marginals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.entities.names.agreement import NameRun, agree
from services.entities.names.base import NameSpan
from services.entities.names.classes import load_classes
from services.entities.names.features import flag_of, split_sentences, tokenize
from services.entities.names.scorer import TYPES, Floats, NameWeights, Scorer, read_weights

WEIGHTS = Path(__file__).with_name("data") / "names.npz"
OUTSIDE = 0
BEGIN = slice(1, None, 2)
INSIDE = slice(2, None, 2)
MIN_PROBABILITY = 0.4
"""Minimum probability of a token in a name. The best untyped F on development data is between 0.3 and 0.5."""
MIN_CONFIDENCE = 0.3
"""Minimum confidence of a name. Below it one name in three is right on development data, and mean untyped F falls."""
RESCALE_EVERY = 4
LOWEST = -60.0
"""Lower limit for a score relative to the best score of its token. `RESCALE_EVERY` products then stay above 1e-200."""

Doubles = NDArray[np.float64]


def marginals(scores: Floats, transitions: Floats, sentences: Sequence[tuple[int, int]]) -> Doubles:
    """The probability of each label at each token: float64, (n, 7).

    Forward-backward (Rabiner 1989) runs over all sentences at once. The longest sentences come first, so that the
    sentences that continue at a step are a slice.
    """
    order = sorted(sentences, key=lambda bounds: bounds[0] - bounds[1])
    lengths = np.array([end - begin for begin, end in order])
    begins = np.array([begin for begin, _ in order])
    steps = np.arange(lengths[0])
    place = begins + steps[:, None]
    inside = steps[:, None] < lengths
    active = inside.sum(axis=1).tolist()
    potentials = np.exp(np.maximum(scores - scores.max(axis=1, keepdims=True), LOWEST).astype(np.float64))
    padded = potentials[np.where(inside, place, 0)]
    forward, backward = _sweep(padded, np.exp(transitions.astype(np.float64)), active)
    forward *= backward
    result: Doubles = np.empty(scores.shape)
    result[place[inside]] = forward[inside]
    result /= result.sum(axis=1, keepdims=True)
    return result


def _sweep(potentials: Doubles, transitions: Doubles, active: list[int]) -> tuple[Doubles, Doubles]:
    """Both messages at each step for the sentences that continue, up to a factor per row: float64, (steps, n, 7)."""
    forward, backward = potentials.copy(), np.ones_like(potentials)
    back = np.ascontiguousarray(transitions.T)
    for step in range(1, len(active)):
        going = active[step]
        message = forward[step - 1, :going] @ transitions
        if step % RESCALE_EVERY == 0:
            message /= message.sum(axis=1, keepdims=True)
        forward[step, :going] *= message
    for step in range(len(active) - 2, -1, -1):
        going = active[step + 1]
        message = (potentials[step + 1, :going] * backward[step + 1, :going]) @ back
        if step % RESCALE_EVERY == 0:
            message /= message.sum(axis=1, keepdims=True)
        backward[step, :going] = message
    return forward, backward


def find_runs(probabilities: Doubles, sentences: Sequence[tuple[int, int]]) -> Iterator[NameRun]:
    """Runs of tokens that are probably in a name. A run is cut where a beginning is more likely than a continuation.

    The probability of a run is the smallest of these: it begins at its first token, continues at each token, and ends
    at its last token.
    """
    begin, inside = probabilities[:, BEGIN].sum(axis=1), probabilities[:, INSIDE].sum(axis=1)
    inside[[first for first, _ in sentences]] = 0.0
    goes_on = np.append(inside, 0.0).tolist()
    is_named = probabilities[:, OUTSIDE] <= 1.0 - MIN_PROBABILITY
    is_first = is_named & ((begin > inside) | ~np.append(False, is_named[:-1]))
    ends = np.append(is_first | ~is_named, True)
    for first in np.flatnonzero(is_first).tolist():
        end = first + 1 + int(ends[first + 1 :].argmax())
        votes = probabilities[first:end, 1:].sum(axis=0).reshape(len(TYPES), 2).sum(axis=1)
        sure = min(float(begin[first]), 1.0 - goes_on[end], *goes_on[first + 1 : end])
        yield NameRun(first, end, TYPES[int(votes.argmax())], sure)


class CrfNameFinder:
    """Finds names in any text, sentence by sentence. It works best in its training languages (`data/MODEL_CARD.md`)."""

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._path = weights

    def find(self, text: str, language: str) -> tuple[NameSpan, ...]:
        """The names with at least `MIN_CONFIDENCE`. The confidence is a probability (see `find_runs`)."""
        words, starts = tokenize(text)
        if not words:
            return ()
        scorer, weights = load_scorer(self._path)
        sentences = split_sentences(text, starts)
        probabilities = marginals(scorer.score(words, sentences, flag_of(language)), weights.transitions, sentences)
        return tuple(
            NameSpan(starts[name.first], starts[name.end - 1] + len(words[name.end - 1]), name.type, confidence)
            for name in agree(list(find_runs(probabilities, sentences)), words)
            if (confidence := round(name.probability, 3)) >= MIN_CONFIDENCE
        )


@cache
def load_scorer(path: Path) -> tuple[Scorer, NameWeights]:
    """A scorer and its weights. The file is read once per process."""
    weights = read_weights(path)
    return Scorer(weights, load_classes()), weights
