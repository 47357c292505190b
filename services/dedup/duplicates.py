"""Near-duplicates: containment of word bigrams, with a veto of the facts.

Containment and not Jaccard, so that a truncated reprint costs nothing; the veto keeps template news apart, which shares
every sentence and differs in numbers and names. Parameters: docs/adr/0006.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
MIN_NUMBERS = 3
MIN_NUMBER_SHARE = 0.60
"""Where capitals say little (German nouns) or are none (Japanese), the numbers of template news still differ."""
LINK_SHINGLES = 0.30
"""Share of the smaller text from which another original is told as a link."""


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
    shared, fewer = {}, {}
    for name in ("shingles", "words", "facts", "numbers"):
        counts = shared_counts(getattr(one, name), [getattr(other, name) for other in others])
        shared[name], fewer[name] = counts[0].astype(int).tolist(), counts[1].tolist()
    found = []
    for place, other in enumerate(others):
        mine = {name: (shared[name][place], fewer[name][place]) for name in shared}
        found.append(Overlap(other, share_of(mine["shingles"]), mine["shingles"][0], judge(mine)))
    return found


def share_of(counts: tuple[int, int]) -> float:
    """What is shared of the smaller set; 0 for an empty one."""
    shared, fewer = counts
    return min(1.0, shared / fewer) if fewer else 0.0


def judge(counts: Mapping[str, tuple[int, int]]) -> DuplicateReason | None:
    """The rule. `counts`: of shingles, words, facts and numbers, those shared and those of the side that has fewer."""
    shingles, words = share_of(counts["shingles"]), share_of(counts["words"])
    is_rewrite = words >= REWRITE_WORDS and counts["words"][1] >= REWRITE_MIN_WORDS
    if words < MIN_WORDS or shingles < (REWRITE_SHINGLES if is_rewrite else COPY_SHINGLES):
        return None
    for name, enough, least in (("facts", MIN_FACTS, MIN_FACT_SHARE), ("numbers", MIN_NUMBERS, MIN_NUMBER_SHARE)):
        if counts[name][1] >= enough and share_of(counts[name]) < least:
            return None
    shared, fewer = counts["facts"]
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
