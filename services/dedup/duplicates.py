"""Near-duplicates: containment of word bigrams, with a veto of the facts.

Containment and not Jaccard, so that a truncated reprint costs nothing; the veto keeps template news apart, which shares
every sentence and differs in numbers and names. Parameters: docs/adr/0006.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.article import DuplicateLevel, DuplicateReason
from services.dedup.pairs import shared_counts
from services.dedup.postings import CountTable, PostingIndex
from services.dedup.profiles import Hashes, Profile

MOST_ORIGINALS = 64
"""A shingle of more live originals finds nothing: it is a turn of phrase, or a template."""
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
MIN_FACT_SHARE = 0.60
LINK_SHINGLES = 0.30
"""Share of the smaller text from which another original is told as a link."""
HASH_BYTES = 2


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two articles share; `duplicate` is absent where they are no near-duplicates."""

    other: Profile
    shingles: float
    common: int
    """Word bigrams in common."""
    duplicate: DuplicateReason | None


def overlaps(one: Profile, others: Sequence[Profile]) -> list[Overlap]:
    """One article against each of the others, all at once: containments over the smaller set of each pair."""
    shingles, words, facts = (
        (shared_counts(getattr(one, name), [getattr(other, name) for other in others]), name)
        for name in ("shingles", "words", "facts")
    )
    sizes = [
        np.minimum(len(getattr(one, name)), [len(getattr(other, name)) for other in others]) // HASH_BYTES
        for _, name in (shingles, words, facts)
    ]
    shares = shingles[0] / np.maximum(sizes[0], 1), words[0] / np.maximum(sizes[1], 1)
    return [
        Overlap(
            other,
            float(shares[0][place]),
            int(shingles[0][place]),
            _verdict(
                float(shares[0][place]),
                float(shares[1][place]),
                int(sizes[1][place]),
                (int(facts[0][place]), int(sizes[2][place])),
            ),
        )
        for place, other in enumerate(others)
    ]


def _verdict(shingles: float, words: float, fewer_words: int, facts: tuple[int, int]) -> DuplicateReason | None:
    """The rule; `facts` are those shared and those of the side that has fewer."""
    shared, fewer = facts
    is_rewrite = words >= REWRITE_WORDS and fewer_words >= REWRITE_MIN_WORDS
    if words < MIN_WORDS or shingles < (REWRITE_SHINGLES if is_rewrite else COPY_SHINGLES):
        return None
    if fewer >= MIN_FACTS and shared < MIN_FACT_SHARE * fewer:
        return None
    return DuplicateReason(
        level=DuplicateLevel.COPY if shingles >= COPY_SHINGLES else DuplicateLevel.REWRITE,
        shingle_containment=round(shingles, 4),
        word_containment=round(words, 4),
        shared_facts=shared,
        missing_facts=max(0, fewer - shared),
    )


@dataclass(slots=True)
class DuplicateIndex:
    """The live first members of all duplicate groups, found by sampled shingles.

    Only first members, so that an article spliced from two others cannot join their groups.
    """

    _profiles: dict[int, Profile] = field(default_factory=dict)
    _postings: PostingIndex = field(default_factory=PostingIndex)
    _counts: CountTable = field(default_factory=lambda: CountTable(TABLE_BITS))

    def add(self, profile: Profile, sampled: Hashes) -> None:
        """Make a first member findable."""
        self._profiles[profile.slot] = profile
        self._postings.add(profile.slot, sampled)
        self._counts.change(sampled, 1)

    def remove(self, profile: Profile, sampled: Hashes) -> None:
        """Forget an article."""
        if self._profiles.pop(profile.slot, None) is not None:
            self._postings.remove(profile.slot)
            self._counts.change(sampled, -1)

    def find(self, profile: Profile, sampled: Hashes) -> list[Overlap]:
        """Originals that share text: the largest share of the smaller first, then the most, then who came first."""
        slots, _ = self._postings.find(sampled[self._counts.of(sampled) <= MOST_ORIGINALS])
        found, counts = np.unique(slots, return_counts=True)
        smaller = np.minimum(len(sampled), [self._profiles[slot].sample_size for slot in found.tolist()])
        enough = (counts >= np.minimum(MIN_SHARED_SAMPLES, smaller)) & (counts >= MIN_SAMPLE_SHARE * smaller)
        order = np.lexsort((found[enough], -counts[enough]))[:MAX_CANDIDATES]
        candidates = [self._profiles[slot] for slot in found[enough][order].tolist()]
        if not candidates:
            return []
        return sorted(overlaps(profile, candidates), key=lambda one: (-one.shingles, -one.common, one.other.slot))
