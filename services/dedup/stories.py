"""Stories: finds the live articles that report the same event, across languages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.dedup.pairs import Array, Comparison, Frequencies, PairWeights, compare, load_weights
from services.dedup.postings import PostingIndex
from services.dedup.profiles import Hashes, Profile

POSTING_CAP = 200
RAREST_KEYS = 12
MAX_CANDIDATES = 30
BEST_MEMBERS = 2
USUAL_LEAD = 1.0
"""How far the best members of a story may score above all its compared members. Half of the excess is subtracted."""
MERGE_MEMBERS = 15
"""The latest so many members of two stories are compared before the stories are merged."""


@dataclass(frozen=True, slots=True)
class StoryMatch:
    """A story, its score (`score_of`), its nearest member, and the place of that member in the comparison."""

    story_id: str
    score: float
    nearest: Profile
    place: int


@dataclass(slots=True)
class StoryIndex:
    """The live articles by story, and the frequencies of their keys. Both depend on the rows only.

    A near-duplicate is a member of its story, but it is not counted in the frequencies and not found as a candidate,
    because everything in it would count twice.
    """

    _profiles: dict[int, Profile] = field(default_factory=dict)
    _members: dict[str, dict[int, Profile]] = field(default_factory=lambda: defaultdict(dict))
    _postings: PostingIndex = field(default_factory=PostingIndex)
    frequencies: Frequencies = field(default_factory=Frequencies)
    weights: PairWeights = field(default_factory=load_weights)

    def add(self, profile: Profile) -> None:
        """Add an article to its story."""
        self._members[profile.story_id][profile.slot] = profile
        if not profile.is_duplicate:
            self._profiles[profile.slot] = profile
            self.frequencies.change(profile, 1)
            self._postings.add(profile.slot, profile.all_keys)

    def remove(self, profile: Profile) -> None:
        """Remove an article. A story without articles is removed too."""
        self._leave(profile)
        if self._profiles.pop(profile.slot, None) is not None:
            self.frequencies.change(profile, -1)
            self._postings.remove(profile.slot)

    def move(self, profile: Profile, story_id: str, opened: float) -> None:
        """Move a known article to another story."""
        self._leave(profile)
        profile.story_id, profile.opened = story_id, opened
        members = self._members[story_id]
        members[profile.slot] = profile
        self._members[story_id] = dict(sorted(members.items()))

    def _leave(self, profile: Profile) -> None:
        members = self._members[profile.story_id]
        members.pop(profile.slot, None)
        if not members:
            del self._members[profile.story_id]

    def members(self, story_id: str) -> list[Profile]:
        """The live articles of a story, in order of arrival."""
        return list(self._members.get(story_id, {}).values())

    def story_ids(self) -> Iterable[str]:
        """The ids of all stories with a live article."""
        return self._members.keys()

    def __len__(self) -> int:
        return len(self._members)

    def candidates(self, profile: Profile) -> list[Profile]:
        """Articles that share the rarest keys of an article, best first. Equal ones are in order of arrival."""
        found, worth = [], []
        for packed in (profile.keys, profile.terms):
            keys = np.frombuffer(packed, "<u4")
            counts = self.frequencies.of(keys)
            places = np.flatnonzero((counts > 0) & (counts <= POSTING_CAP))
            rarest = keys[places[np.lexsort((keys[places], counts[places]))][:RAREST_KEYS]]
            slots, of_keys = self._postings.find(rarest)
            found.append(slots)
            worth.append(self.frequencies.idf(rarest)[of_keys])
        slots, owner = np.unique(np.concatenate(found), return_inverse=True)
        shared = np.bincount(owner, weights=np.concatenate(worth), minlength=len(slots))
        ranked = slots[np.argsort(-shared, kind="stable")]  # slots ascend, so a stable sort keeps the order of arrival
        return [self._profiles[slot] for slot in ranked[ranked != profile.slot][:MAX_CANDIDATES].tolist()]

    def holding(self, keys: Hashes) -> Iterator[tuple[Profile, int]]:
        """Live originals that have one of these keys, with the place of the key. Only rare keys are fast."""
        slots, places = self._postings.find(keys)
        for slot, place in zip(slots.tolist(), places.tolist(), strict=True):
            yield self._profiles[slot], place

    def rank(self, profile: Profile) -> tuple[Comparison | None, list[StoryMatch]]:
        """The comparison of an article with its candidates, and their stories, best first."""
        candidates = self.candidates(profile)
        if not candidates:
            return None, []
        comparison = compare(profile, candidates, self.frequencies, self.weights)
        return comparison, rank_stories(candidates, comparison.scores)

    def similarity(self, one: str, other: str) -> float:
        """The score of two stories being the same story, from the pairs of their latest members."""
        ones, others = (
            [member for member in self.members(story_id) if not member.is_duplicate][-MERGE_MEMBERS:]
            for story_id in (one, other)
        )
        if not ones or not others:
            return float("-inf")
        scores = np.concatenate([compare(member, others, self.frequencies, self.weights).scores for member in ones])
        return score_of(np.sort(scores)[::-1], max(BEST_MEMBERS, min(len(ones), len(others))))


def score_of(scores: Array, best: int) -> float:
    """The score of a story from the scores of its pairs, highest first: the mean of the first `best` scores.

    It subtracts half of the excess over USUAL_LEAD when the best members score far above the average, so that one
    ambiguous report cannot join two events.
    """
    most = float(scores[:best].mean())
    return most - max(0.0, most - float(scores.mean()) - USUAL_LEAD) / 2


def rank_stories(candidates: Sequence[Profile], scores: Array) -> list[StoryMatch]:
    """The stories of the candidates, by score. Stories with equal scores are sorted by id."""
    places: dict[str, list[int]] = defaultdict(list)
    for place in np.argsort(-scores, kind="stable").tolist():
        places[candidates[place].story_id].append(place)
    matches = [
        StoryMatch(story_id, score_of(scores[found], BEST_MEMBERS), candidates[found[0]], found[0])
        for story_id, found in places.items()
    ]
    return sorted(matches, key=lambda match: (-match.score, match.story_id))
