"""Stories: finds the live articles that report the same event, across languages."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import fsum
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from services.dedup.live import LiveArticles
from services.dedup.pairs import Array, Comparison, Frequencies, PairWeights, compare, load_weights
from services.dedup.postings import PostingIndex, SlotArray
from services.dedup.profiles import Hashes, LiveArticle, Profile

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
slot_of = attrgetter("slot")
MERGE_MEMBERS = 15
"""The latest so many members of two stories are compared before the stories are merged."""


class StoryMatch(NamedTuple):
    """A story, its score (`score_of`), its nearest member, and the place of that member in the comparison."""

    story_id: str
    score: float
    nearest: LiveArticle
    place: int


@dataclass(slots=True)
class StoryMembers:
    """The live articles of a story, in order of arrival. A large story keeps the counts of its actors."""

    story_id: str
    number: int
    articles: list[LiveArticle] = field(default_factory=list)
    actors: Counter[int] | None = None


@dataclass(slots=True)
class StoryIndex:
    """The live articles by story, and the frequencies of their keys. Both depend on the rows only.

    A near-duplicate is a member of its story, but it is not counted in the frequencies and not found as a candidate,
    because everything in it would count twice. Each story has a number, so that arrays can say whose an article is.
    """

    live: LiveArticles = field(default_factory=LiveArticles)
    frequencies: Frequencies = field(default_factory=Frequencies)
    weights: PairWeights = field(default_factory=load_weights)
    _stories: dict[str, StoryMembers] = field(default_factory=dict)
    _numbered: dict[int, StoryMembers] = field(default_factory=dict)
    _number_of: SlotArray = field(default_factory=SlotArray)
    _next_number: Iterator[int] = field(default_factory=count)
    _postings: PostingIndex = field(default_factory=PostingIndex)

    def add(self, profile: Profile) -> None:
        """Add a live article to its story."""
        self._enter(profile)
        if not profile.article.is_duplicate:
            self.frequencies.change(profile, 1)
            self._postings.add(profile.article.slot, profile.all_keys)

    def remove(self, profile: Profile) -> None:
        """Remove an article. A story without articles is removed too."""
        self._leave(profile)
        if not profile.article.is_duplicate:
            self.frequencies.change(profile, -1)
            self._postings.remove(profile.article.slot)

    def move(self, profile: Profile, story_id: str, opened: float) -> None:
        """Move a known article to another story."""
        self._leave(profile)
        profile.article.story_id, profile.article.opened = story_id, opened
        self._enter(profile)

    def _enter(self, profile: Profile) -> None:
        article = profile.article
        story = self._stories.get(article.story_id)
        if story is None:
            story = StoryMembers(article.story_id, next(self._next_number))
            self._stories[story.story_id] = self._numbered[story.number] = story
        article.story_id = story.story_id  # one object for all members
        insort(story.articles, article, key=slot_of)
        self._number_of.set(article.slot, story.number, self.live.first_slot())
        if story.actors is not None:
            story.actors.update(profile.actors.tolist())
        elif len(story.articles) >= MANY_MEMBERS:
            story.actors = count_actors(self.live.profiles(story.articles))

    def _leave(self, profile: Profile) -> None:
        story, slot = self._stories[profile.article.story_id], profile.article.slot
        place = bisect_left(story.articles, slot, key=slot_of)
        del story.articles[place]
        if len(story.articles) < MANY_MEMBERS:
            story.actors = None
        elif story.actors is not None:
            keys = profile.actors.tolist()
            story.actors.subtract(keys)
            for key in keys:
                if not story.actors[key]:
                    del story.actors[key]
        if not story.articles:
            del self._stories[story.story_id], self._numbered[story.number]

    def members(self, story_id: str) -> Sequence[LiveArticle]:
        """The live articles of a story, in order of arrival. The list changes with the story."""
        story = self._stories.get(story_id)
        return story.articles if story else ()

    def actors(self, story_id: str) -> Counter[int]:
        """The hashes of the ids of a story's entities, with the number of its articles that name each."""
        story = self._stories.get(story_id)
        if story is None:
            return Counter()
        return count_actors(self.live.profiles(story.articles)) if story.actors is None else story.actors

    def story_ids(self) -> Iterable[str]:
        """The ids of all stories with a live article."""
        return self._stories.keys()

    def __len__(self) -> int:
        return len(self._stories)

    def candidates(self, profile: Profile) -> list[Profile]:
        """Articles that share the rarest keys of an article, best first. Equal ones are in order of arrival."""
        packed = (profile.keys, profile.terms)
        rarest = np.concatenate([self._rarest(np.frombuffer(keys, "<u4")) for keys in packed])
        found = self._postings.find(rarest)
        slots, owner = np.unique(found.slots, return_inverse=True)
        shared = np.bincount(owner, weights=self.frequencies.idf(rarest)[found.places], minlength=len(slots))
        ranked = slots[np.argsort(-shared, kind="stable")]  # slots ascend, so a stable sort keeps the order of arrival
        ranked = ranked[ranked != profile.article.slot][:MAX_CANDIDATES]
        return self.live.profiles(map(self.live.at, ranked.tolist()))

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
        postings = self._postings.find(keys)
        slots, places = postings.slots, postings.places
        numbers = self._number_of.of(slots)
        order = np.argsort(numbers, kind="stable")
        found, starts = np.unique(numbers[order], return_index=True)
        if not len(found):
            return []
        held = np.bitwise_or.reduceat(np.left_shift(1, places[order]), starts)
        latest = np.maximum.reduceat(slots[order], starts)
        worth = np.round(HELD[:, : len(keys)] @ self.frequencies.idf(keys), 6)  # so that equal ones are equal
        story = self._stories.get(story_id)
        enough = np.flatnonzero((HELD[held].sum(axis=1) >= at_least) & (found != (story.number if story else -1)))
        best = enough[np.lexsort((-latest[enough], -worth[held[enough]]))][:most]
        chosen = zip(found[best].tolist(), held[best].tolist(), strict=True)
        return [(self._numbered[number].story_id, np.flatnonzero(HELD[bits]).tolist()) for number, bits in chosen]

    def rank(self, profile: Profile) -> tuple[Comparison | None, list[StoryMatch]]:
        """The comparison of an article with its candidates, and their stories, best first."""
        candidates = self.candidates(profile)
        if not candidates:
            return None, []
        comparison = compare(profile, candidates, self.frequencies, self.weights)
        return comparison, rank_stories([candidate.article for candidate in candidates], comparison.scores)

    def similarity(self, one: str, other: str) -> float:
        """The score of two stories being the same story, from the pairs of their latest members."""
        ones, others = (
            self.live.profiles([member for member in members if not member.is_duplicate][-MERGE_MEMBERS:])
            for members in (self.members(one), self.members(other))
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
    if len(scores) == 1:
        return scores[0]
    most = fsum(scores[:best]) / len(scores[:best])
    return most - max(0.0, most - fsum(scores) / len(scores) - USUAL_LEAD) / 2


def rank_stories(candidates: Sequence[LiveArticle], scores: Array) -> list[StoryMatch]:
    """The stories of the candidates, by score. Stories with equal scores are sorted by id."""
    places: dict[str, list[int]] = defaultdict(list)
    for place in np.argsort(-scores, kind="stable").tolist():
        places[candidates[place].story_id].append(place)
    value: list[float] = scores.tolist()
    matches = [
        StoryMatch(story_id, score_of([value[place] for place in found], BEST_MEMBERS), candidates[found[0]], found[0])
        for story_id, found in places.items()
    ]
    return sorted(matches, key=lambda match: (-match.score, match.story_id))
