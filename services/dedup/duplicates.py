"""Near-duplicates: containment of word bigrams, with vetoes of the facts.

Containment and not Jaccard, so that a truncated reprint costs nothing; the vetoes keep template news apart, which
shares every sentence and differs in numbers and names. Parameters: docs/adr/0006.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from schemas.article import DuplicateLevel, DuplicateReason
from services.dedup.pairs import shared_counts
from services.dedup.postings import CountTable, PostingIndex
from services.dedup.profiles import Hashes, Profile, as_hashes

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
MIN_FACT_SHARE = 0.50
MIN_DIGITS = 5
MIN_DIGIT_SHARE = 0.65
"""Without capitals no names are among the facts, but the numbers of template news still differ."""
MIN_OWN_FACTS = 2
MIN_OWN_FACT_SHARE = 0.50
"""Of the words that only one of two texts has. An edited copy differs in words of all kinds: of 1,430 true pairs one
reaches it, without two facts on each side; of 5,355 pairs of reports of one template 96 % do (docs/adr/0006)."""
LINK_SHINGLES = 0.30
"""Share of the smaller text from which another original is told as a link."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two articles share; of near-duplicates `duplicate`, and `veto` of those that only seem so."""

    other: Profile
    shingles: float
    common: int
    """Word bigrams in common."""
    duplicate: DuplicateReason | None = None
    veto: str | None = None


def overlaps(one: Profile, others: Sequence[Profile]) -> list[Overlap]:
    """One article against each of the others: containments over the smaller set of each pair."""
    common, fewer = shared_counts(one.shingles, [other.shingles for other in others])
    shares = np.minimum(1.0, common / np.maximum(fewer, 1))
    return [
        judge(one, Overlap(other, share, int(count)))
        for other, share, count in zip(others, shares.tolist(), common.tolist(), strict=True)
    ]


def judge(one: Profile, found: Overlap) -> Overlap:
    """The overlap with the decision: a near-duplicate by words and word bigrams, unless the facts speak against it."""
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
    """Why two articles that share their text, and so many of the fewer facts, are two reports of one template."""
    if fewer >= MIN_FACTS and share_of(shared, fewer) < MIN_FACT_SHARE:
        return f"{shared} of {fewer} facts are shared"
    if not (one.has_capitals and other.has_capitals):
        shared, fewer = _counts(one.digits, other.digits)
        if fewer >= MIN_DIGITS and share_of(shared, fewer) < MIN_DIGIT_SHARE:
            return f"{shared} of {fewer} digits in numbers are shared"
    if _differs_in_facts(one, other) and _differs_in_facts(other, one):
        return "they differ in facts alone"
    return None


def _differs_in_facts(one: Profile, other: Profile) -> bool:
    """Whether most words that only the first one has are facts."""
    words = np.setdiff1d(as_hashes(one.words), as_hashes(other.words), assume_unique=True)
    facts = np.setdiff1d(as_hashes(one.facts), as_hashes(other.words + other.facts))
    return len(facts) >= MIN_OWN_FACTS and len(facts) >= MIN_OWN_FACT_SHARE * len(words)


def share_of(shared: int, fewer: int) -> float:
    """What is shared of the smaller set; 0 for an empty one."""
    return min(1.0, shared / fewer) if fewer else 0.0


def _counts(one: bytes, other: bytes) -> tuple[int, int]:
    """How many hashes both sets have, and how many the smaller one has."""
    shared, fewer = shared_counts(one, [other])
    return int(shared[0]), int(fewer[0])


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
        smaller = np.minimum(len(sampled), self._postings.sizes(found))
        enough = (counts >= np.minimum(MIN_SHARED_SAMPLES, smaller)) & (counts >= MIN_SAMPLE_SHARE * smaller)
        order = np.lexsort((found[enough], -counts[enough]))[:MAX_CANDIDATES]
        candidates = [self._profiles[slot] for slot in found[enough][order].tolist()]
        if not candidates:
            return []
        return sorted(overlaps(profile, candidates), key=lambda one: (-one.shingles, -one.common, one.other.slot))
