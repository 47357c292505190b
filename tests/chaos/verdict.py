"""Compares the evidence: what was lost, doubled, decided differently, or buried as a dead letter. Pure functions."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.evidence import Decision, Evidence, Letter


@dataclass(slots=True)
class Findings:
    """Ids of articles, ids of stories, and places of messages (topic/partition/offset).

    `differing` is empty when the expected decisions are not known; then `is_order_known` is false.
    """

    accepted: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    doubled: Counter[str] = field(default_factory=Counter)
    differing: set[str] = field(default_factory=set)
    differing_stories: set[str] = field(default_factory=set)
    letters: dict[str, Letter] = field(default_factory=dict)
    is_order_known: bool = True

    def since(self, before: Findings) -> Findings:
        """The same without what was already found before."""
        return Findings(
            self.accepted - before.accepted,
            self.lost - before.lost,
            self.doubled - before.doubled,
            self.differing - before.differing,
            self.differing_stories - before.differing_stories,
            {place: letter for place, letter in self.letters.items() if place not in before.letters},
            self.is_order_known,
        )


def judge(found: Evidence, promised: Mapping[str, int] | None = None) -> Findings:
    """Compare everything. `promised` are the revisions of articles that the producer has accepted over HTTP."""
    findings = Findings(set(found.accepted), is_order_known=found.expected is not None)
    findings.letters = {letter.place: letter for letter in found.letters}
    findings.lost = find_lost(found, promised or {})
    findings.doubled = find_doubled(found.articles, found.stories)
    findings.differing = find_differing(found)
    findings.differing_stories = find_differing_stories(found)
    return findings


def find_lost(found: Evidence, promised: Mapping[str, int]) -> set[str]:
    """Articles that are neither indexed in their newest version nor dead, and junk without a dead letter."""
    dead: dict[str, int] = {}
    for letter in found.letters:
        if letter.key is not None:
            dead[letter.key] = max(letter.revision or sys.maxsize, dead.get(letter.key, 0))
    indexed = {(doc["article_id"], doc["revision"], doc["content_hash"]) for doc in found.articles}
    lost = {
        article_id
        for article_id, (revision, content_hash) in found.accepted.items()
        if (article_id, revision, content_hash) not in indexed and dead.get(article_id, 0) < revision
    }
    lost |= {
        article_id
        for article_id, revision in promised.items()
        if found.accepted.get(article_id, (0, ""))[0] < revision and dead.get(article_id, 0) < revision
    }
    return lost | (found.junk - {letter.place for letter in found.letters})


def find_doubled(articles: Iterable[Mapping[str, Any]], stories: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How many documents too many there are: of one article id, of one entry of a source, or of one story id."""
    by_id = Counter(str(doc["article_id"]) for doc in articles)
    by_entry: dict[tuple[str, str], set[str]] = {}
    for doc in articles:
        if doc.get("guid"):
            by_entry.setdefault((doc["source_id"], doc["guid"]), set()).add(doc["article_id"])
    doubled = _surplus(by_id) + _surplus(Counter(str(doc["story_id"]) for doc in stories))
    for ids in by_entry.values():
        if len(ids) > 1:
            doubled[min(ids)] += len(ids) - 1
    return doubled


def _surplus(counts: Counter[str]) -> Counter[str]:
    return Counter({name: count - 1 for name, count in counts.items() if count > 1})


def find_differing(found: Evidence) -> set[str]:
    """Articles whose decision, in the index or on Kafka, is not that of an undisturbed grouping.

    A row that the changelog lacks differs too: a dedup that is restored would not know the article.
    """
    if found.expected is None:
        return set()
    indexed: dict[str, Decision] = {
        doc["article_id"]: (doc["story_id"], doc["duplicate_of"], doc["decision_seq"]) for doc in found.articles
    }
    unrestored = found.expected.keys() - found.changelog.keys()
    return (
        unrestored
        | _unlike(found.expected, indexed)
        | _unlike(found.expected, found.grouped)
        | _unlike(found.expected, found.changelog)
    )


def _unlike(expected: Mapping[str, Decision], actual: Mapping[str, Decision]) -> set[str]:
    return {key for key in expected.keys() & actual.keys() if expected[key] != actual[key]}


def find_differing_stories(found: Evidence) -> set[str]:
    """Stories that are missing or have other counts than expected, and stories that should be empty and are not."""
    if found.expected_stories is None:
        return set()
    indexed = {doc["story_id"]: (doc["articles"], doc["duplicates"]) for doc in found.stories}
    differing = {story for story, counts in found.expected_stories.items() if indexed.get(story) != counts}
    alive = {doc["story_id"] for doc in found.stories if not doc["merged_into"]}
    return differing | (alive - found.expected_stories.keys())


def find_buried(letters: Mapping[str, Letter], allowed: AbstractSet[str]) -> list[Letter]:
    """Letters of messages that are in order. `allowed` are the places and keys that may die in this round."""
    return [
        letter for place, letter in letters.items() if place not in allowed and (letter.key or place) not in allowed
    ]
