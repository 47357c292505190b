"""Near-duplicates: containment of word bigrams, with a veto of the facts.

Containment and not Jaccard, so that a truncated reprint costs nothing; the veto keeps template news apart, which shares
every sentence and differs in numbers and names. Parameters: docs/adr/0006.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from schemas.article import DuplicateLevel, DuplicateReason
from services.dedup.rows import Hashes, Row

SAMPLE_MODULUS = 4
SMALL_SAMPLE = 6
SMALL_MODULUS = 2
POSTING_CAP = 64
"""Looked at per shingle, oldest first: a function of the live rows, so a rebuild finds the same."""
MIN_SHARED_SAMPLES = 2
MIN_SAMPLE_SHARE = 0.20
MAX_CANDIDATES = 30
COPY_SHINGLES = 0.62
REWRITE_SHINGLES = 0.40
REWRITE_WORDS = 0.75
REWRITE_MIN_WORDS = 60
MIN_WORDS = 0.65
MIN_FACTS = 4
MIN_FACT_SHARE = 0.60


def sample(shingles: Hashes) -> Hashes:
    """The hashes that are indexed: every fourth on average, every second of a short text."""
    chosen: Hashes = shingles[shingles % SAMPLE_MODULUS == 0]
    if len(chosen) < SMALL_SAMPLE:
        chosen = shingles[shingles % SMALL_MODULUS == 0]
    return chosen


def containment(a: Hashes, b: Hashes) -> float:
    """Shared elements over the smaller set; 0 for an empty one."""
    smaller = min(len(a), len(b))
    return len(np.intersect1d(a, b, assume_unique=True)) / smaller if smaller else 0.0


def compare(a: Row, b: Row) -> DuplicateReason | None:
    """The figures where two articles are near-duplicates, None where they are not."""
    words = containment(a.words, b.words)
    if words < MIN_WORDS:
        return None
    shingles = containment(a.shingles, b.shingles)
    is_rewrite = words >= REWRITE_WORDS and min(len(a.words), len(b.words)) >= REWRITE_MIN_WORDS
    if shingles < (REWRITE_SHINGLES if is_rewrite else COPY_SHINGLES):
        return None
    shared = len(np.intersect1d(a.facts, b.facts, assume_unique=True))
    smaller = min(len(a.facts), len(b.facts))
    if smaller >= MIN_FACTS and shared < MIN_FACT_SHARE * smaller:
        return None
    return DuplicateReason(
        level=DuplicateLevel.COPY if shingles >= COPY_SHINGLES else DuplicateLevel.REWRITE,
        shingle_containment=round(shingles, 4),
        word_containment=round(words, 4),
        shared_facts=shared,
        missing_facts=smaller - shared,
    )


@dataclass(slots=True)
class DuplicateIndex:
    """The live first members of all duplicate groups, found by sampled shingles."""

    _rows: dict[str, Row] = field(default_factory=dict)
    _postings: dict[int, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, row: Row) -> None:
        """Make a first member findable."""
        self._rows[row.article_id] = row
        for value in sample(row.shingles).tolist():
            self._postings[value][row.article_id] = None

    def remove(self, row: Row) -> None:
        """Forget an article."""
        if self._rows.pop(row.article_id, None) is None:
            return
        for value in sample(row.shingles).tolist():
            posting = self._postings[value]
            posting.pop(row.article_id, None)
            if not posting:
                del self._postings[value]

    def find(self, row: Row) -> tuple[Row, DuplicateReason] | None:
        """The best original of an article, ties to the first that came."""
        shared = Counter[str]()
        own = sample(row.shingles)
        for value in own.tolist():
            shared.update(islice(self._postings.get(value, ()), POSTING_CAP))
        best: tuple[Row, DuplicateReason] | None = None
        for article_id, count in shared.most_common(MAX_CANDIDATES):
            other = self._rows[article_id]
            smaller = min(len(own), len(sample(other.shingles)))
            if count < min(MIN_SHARED_SAMPLES, smaller) or count < MIN_SAMPLE_SHARE * smaller:
                continue
            reason = compare(row, other) if article_id != row.article_id else None
            if reason and (best is None or _rank(reason, other) > _rank(best[1], best[0])):
                best = other, reason
        return best


def _rank(reason: DuplicateReason, row: Row) -> tuple[float, int]:
    return reason.shingle_containment, -row.arrival
