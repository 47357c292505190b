"""Stories: finds the live articles that report the same event, across languages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import fmean

import numpy as np
import numpy.typing as npt

from services.dedup.pairs import Array, Comparison, Frequencies, PairWeights, compare, load_weights
from services.dedup.postings import PostingIndex
from services.dedup.profiles import Hashes, Profile

POSTING_CAP = 200
RAREST_KEYS = 12
MAX_CANDIDATES = 30
BEST_MEMBERS = 2
USUAL_LEAD = 1.0
"""How far the best members of a story may score above all its compared members. Half of the excess is subtracted."""
MANY_MEMBERS = 32
"""A story with so many articles keeps the counts of its actors, so that an update does not count them all again."""
MOST_SHARED = 8
"""Most keys by which related stories are found. A byte says which of them a story has."""
HELD = (np.arange(2**MOST_SHARED)[:, None] >> np.arange(MOST_SHARED)) & 1
"""(256, 8): which keys each value of that byte stands for."""
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
    because everything in it would count twice. Each story has a number, so that arrays can say whose an article is.
    """

    _profiles: dict[int, Profile] = field(default_factory=dict)
    _members: dict[str, dict[int, Profile]] = field(default_factory=lambda: defaultdict(dict))
    _actors: dict[str, Counter[int]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _ids: dict[int, str] = field(default_factory=dict)
    _number_of: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(1024, dtype=np.int32))
    _next_number: Iterator[int] = field(default_factory=count)
    _postings: PostingIndex = field(default_factory=PostingIndex)
    frequencies: Frequencies = field(default_factory=Frequencies)
    weights: PairWeights = field(default_factory=load_weights)

    def add(self, profile: Profile) -> None:
        """Add an article to its story."""
        self._members[profile.story_id][profile.slot] = profile
        self._enter(profile)
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
        self._enter(profile)

    def _enter(self, profile: Profile) -> None:
        """Note a new member of a story in what is known of the story."""
        story_id, slot = profile.story_id, profile.slot
        if story_id not in self._numbers:
            self._numbers[story_id] = next(self._next_number)
            self._ids[self._numbers[story_id]] = story_id
        if slot >= len(self._number_of):
            more = np.zeros(max(len(self._number_of), slot), dtype=np.int32)
            self._number_of = np.concatenate([self._number_of, more])
        self._number_of[slot] = self._numbers[story_id]
        if story_id in self._actors:
            self._actors[story_id].update(profile.actors.tolist())
        elif len(self._members[story_id]) >= MANY_MEMBERS:
            self._actors[story_id] = count_actors(self._members[story_id].values())

    def _leave(self, profile: Profile) -> None:
        story_id = profile.story_id
        members = self._members[story_id]
        if members.pop(profile.slot, None) is not None and story_id in self._actors:
            counts = self._actors[story_id]
            counts.subtract(profile.actors.tolist())
            for key in profile.actors.tolist():
                if not counts[key]:
                    del counts[key]
        if len(members) < MANY_MEMBERS:
            self._actors.pop(story_id, None)
        if not members:
            del self._members[story_id]
            del self._ids[self._numbers.pop(story_id)]

    def members(self, story_id: str) -> list[Profile]:
        """The live articles of a story, in order of arrival."""
        return list(self._members.get(story_id, {}).values())

    def actors(self, story_id: str) -> Counter[int]:
        """The hashes of the ids of a story's entities, with the number of its articles that name each."""
        known = self._actors.get(story_id)
        return count_actors(self._members.get(story_id, {}).values()) if known is None else known

    def story_ids(self) -> Iterable[str]:
        """The ids of all stories with a live article."""
        return self._members.keys()

    def __len__(self) -> int:
        return len(self._members)

    def candidates(self, profile: Profile) -> list[Profile]:
        """Articles that share the rarest keys of an article, best first. Equal ones are in order of arrival."""
        packed = (profile.keys, profile.terms)
        rarest = np.concatenate([self._rarest(np.frombuffer(keys, "<u4")) for keys in packed])
        found, places = self._postings.find(rarest)
        slots, owner = np.unique(found, return_inverse=True)
        shared = np.bincount(owner, weights=self.frequencies.idf(rarest)[places], minlength=len(slots))
        ranked = slots[np.argsort(-shared, kind="stable")]  # slots ascend, so a stable sort keeps the order of arrival
        return [self._profiles[slot] for slot in ranked[ranked != profile.slot][:MAX_CANDIDATES].tolist()]

    def _rarest(self, keys: Hashes) -> Hashes:
        """The rarest of these keys that live articles have and that are not too common."""
        counts = self.frequencies.of(keys)
        places = np.flatnonzero((counts > 0) & (counts <= POSTING_CAP))
        rarest: Hashes = keys[places[np.lexsort((keys[places], counts[places]))][:RAREST_KEYS]]
        return rarest

    def sharing(self, story_id: str, keys: Hashes, *, at_least: int, most: int) -> list[tuple[str, list[int]]]:
        """Other stories that have at least so many of these keys in their originals, and the places of the keys.

        At most `most` stories, and at most `MOST_SHARED` keys. Those with the rarest keys come first; of equal ones,
        the one with the latest article. Only rare keys are fast.
        """
        slots, places = self._postings.find(keys)
        numbers = self._number_of[slots]
        order = np.argsort(numbers, kind="stable")
        found, starts = np.unique(numbers[order], return_index=True)
        if not len(found):
            return []
        held = np.bitwise_or.reduceat(np.left_shift(1, places[order]), starts)
        latest = np.maximum.reduceat(slots[order], starts)
        worth = np.round(HELD[:, : len(keys)] @ self.frequencies.idf(keys), 6)  # so that equal ones are equal
        enough = np.flatnonzero((HELD[held].sum(axis=1) >= at_least) & (found != self._numbers.get(story_id, -1)))
        best = enough[np.lexsort((-latest[enough], -worth[held[enough]]))][:most]
        chosen = zip(found[best].tolist(), held[best].tolist(), strict=True)
        return [(self._ids[number], np.flatnonzero(HELD[bits]).tolist()) for number, bits in chosen]

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
        return score_of(np.sort(scores)[::-1].tolist(), max(BEST_MEMBERS, min(len(ones), len(others))))


def count_actors(members: Iterable[Profile]) -> Counter[int]:
    """The hashes of the entity ids of these articles, with the number of articles that name each."""
    found = [member.actors for member in members]
    return Counter(np.concatenate(found).tolist()) if found else Counter()


def score_of(scores: Sequence[float], best: int) -> float:
    """The score of a story from the scores of its pairs, highest first: the mean of the first `best` scores.

    It subtracts half of the excess over USUAL_LEAD when the best members score far above the average, so that one
    ambiguous report cannot join two events.
    """
    most = fmean(scores[:best])
    return most - max(0.0, most - fmean(scores) - USUAL_LEAD) / 2


def rank_stories(candidates: Sequence[Profile], scores: Array) -> list[StoryMatch]:
    """The stories of the candidates, by score. Stories with equal scores are sorted by id."""
    places: dict[str, list[int]] = defaultdict(list)
    for place in np.argsort(-scores, kind="stable").tolist():
        places[candidates[place].story_id].append(place)
    value = scores.tolist()
    matches = [
        StoryMatch(story_id, score_of([value[place] for place in found], BEST_MEMBERS), candidates[found[0]], found[0])
        for story_id, found in places.items()
    ]
    return sorted(matches, key=lambda match: (-match.score, match.story_id))
