"""Finds near-duplicates by the containment of word bigrams. Facts can veto a decision.

Containment is used instead of the Jaccard index, so that a truncated reprint loses no score. The vetoes separate
template news: such reports share every sentence and differ in numbers and names. Parameters: docs/adr/0006.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from schemas.article import DuplicateLevel, DuplicateReason
from services.dedup.live import LiveArticles
from services.dedup.pairs import shared_counts
from services.dedup.postings import CountTable, PostingIndex
from services.dedup.profiles import Profile, as_hashes

MOST_ORIGINALS = 64
"""A shingle that more live originals have finds no candidates: it is a common phrase or part of a template."""
TABLE_BITS = 22
MIN_SHARED_SAMPLES = 2
MIN_SAMPLE_SHARE = 0.20
MAX_CANDIDATES = 30
COPY_SHINGLES = 0.62
REWRITE_SHINGLES = 0.40
REWRITE_WORDS = 0.75
REWRITE_MIN_WORDS = 60
MIN_WORDS = 0.65
MIN_FACTS = 4
MIN_FACT_SHARE = 0.50
MIN_DIGITS = 5
MIN_DIGIT_SHARE = 0.65
"""In scripts without capitals the facts contain no names, but the numbers of template news still differ."""
MIN_OWN_FACTS = 2
MIN_OWN_FACT_SHARE = 0.50
"""Minimum share of facts among the words that only one of two texts has. An edited copy differs in words of all kinds:
of 1,430 true pairs one reaches this share, but it has fewer than two facts on one side. Of 5,355 pairs of reports from
one template 96 % reach it (docs/adr/0006)."""
LINK_SHINGLES = 0.30
"""Minimum share of the smaller text at which another original is reported as a link."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two articles share. A near-duplicate has `duplicate`, a pair that only looks like one has `veto`."""

    other: Profile
    shingles: float
    common: int
    """Number of word bigrams that both have."""
    duplicate: DuplicateReason | None = None
    veto: str | None = None


def overlaps(one: Profile, others: Sequence[Profile]) -> list[Overlap]:
    """Compare one article with each of the others. Each containment is measured on the smaller set of the pair."""
    common, fewer = shared_counts(one.shingles, [other.shingles for other in others])
    shares = np.minimum(1.0, common / np.maximum(fewer, 1))
    return [
        judge(one, Overlap(other, share, int(count)))
        for other, share, count in zip(others, shares.tolist(), common.tolist(), strict=True)
    ]


def judge(one: Profile, found: Overlap) -> Overlap:
    """Add the decision to an overlap: a near-duplicate by words and word bigrams, unless the facts contradict it."""
    if found.shingles < REWRITE_SHINGLES:
        return found
    shared_words, fewer_words = _counts(one.words, found.other.words)
    words = share_of(shared_words, fewer_words)
    is_rewrite = words >= REWRITE_WORDS and fewer_words >= REWRITE_MIN_WORDS
    if words < MIN_WORDS or not (is_rewrite or found.shingles >= COPY_SHINGLES):
        return found
    shared, fewer = _counts(one.facts, found.other.facts)
    veto = find_veto(one, found.other, shared, fewer)
    if veto:
        return replace(found, veto=veto)
    reason = DuplicateReason(
        level=DuplicateLevel.COPY if found.shingles >= COPY_SHINGLES else DuplicateLevel.REWRITE,
        shingle_containment=round(found.shingles, 4),
        word_containment=round(words, 4),
        shared_facts=shared,
        missing_facts=fewer - shared,
    )
    return replace(found, duplicate=reason)


def find_veto(one: Profile, other: Profile, shared: int, fewer: int) -> str | None:
    """Why two articles with mostly the same text are reports from one template, or None if they are near-duplicates.

    `shared` of the facts of the article with fewer facts (`fewer`) are in both.
    """
    if fewer >= MIN_FACTS and share_of(shared, fewer) < MIN_FACT_SHARE:
        return f"{shared} of {fewer} facts are shared"
    if not (one.article.has_capitals and other.article.has_capitals):
        shared, fewer = _counts(one.digits, other.digits)
        if fewer >= MIN_DIGITS and share_of(shared, fewer) < MIN_DIGIT_SHARE:
            return f"{shared} of {fewer} digits in numbers are shared"
    if _differs_in_facts(one, other) and _differs_in_facts(other, one):
        return "they differ in facts alone"
    return None


def _differs_in_facts(one: Profile, other: Profile) -> bool:
    """Whether at least half of the words that only the first article has are facts."""
    words = np.setdiff1d(as_hashes(one.words), as_hashes(other.words), assume_unique=True)
    facts = np.setdiff1d(as_hashes(one.facts), as_hashes(other.words + other.facts))
    return len(facts) >= MIN_OWN_FACTS and len(facts) >= MIN_OWN_FACT_SHARE * len(words)


def share_of(shared: int, fewer: int) -> float:
    """The shared part of the smaller set, or 0 if that set is empty."""
    return min(1.0, shared / fewer) if fewer else 0.0


def _counts(one: bytes, other: bytes) -> tuple[int, int]:
    """The number of hashes in both sets, and the size of the smaller set."""
    shared, fewer = shared_counts(one, [other])
    return int(shared[0]), int(fewer[0])


@dataclass(slots=True)
class DuplicateIndex:
    """The live first members of all duplicate groups. They are found by sampled shingles.

    The index holds first members only, so that an article made of two others cannot join their two groups.
    """

    live: LiveArticles
    _postings: PostingIndex = field(default_factory=PostingIndex)
    _counts: CountTable = field(default_factory=lambda: CountTable(TABLE_BITS))

    def add(self, profile: Profile) -> None:
        """Add a first member."""
        self._postings.add(profile.article.slot, profile.samples)
        self._counts.change(profile.samples, 1)

    def remove(self, profile: Profile) -> None:
        """Remove a first member."""
        self._postings.remove(profile.article.slot)
        self._counts.change(profile.samples, -1)

    def find(self, profile: Profile) -> list[Overlap]:
        """Originals that share text with an article, best first.

        The order is: the share of the smaller text, then the number of shared bigrams, then the order of arrival.
        """
        sampled = profile.samples
        postings = self._postings.find(sampled[self._counts.of(sampled) <= MOST_ORIGINALS])
        found, first, counts = np.unique(postings.slots, return_index=True, return_counts=True)
        smaller = np.minimum(len(sampled), postings.sizes[first])
        enough = (counts >= np.minimum(MIN_SHARED_SAMPLES, smaller)) & (counts >= MIN_SAMPLE_SHARE * smaller)
        order = np.lexsort((found[enough], -counts[enough]))[:MAX_CANDIDATES]
        candidates = self.live.profiles(map(self.live.at, found[enough][order].tolist()))
        if not candidates:
            return []
        return sorted(
            overlaps(profile, candidates),
            key=lambda overlap: (-overlap.shingles, -overlap.common, overlap.other.article.slot),
        )
