"""The inverted index finds what a plain dict finds, however its postings are spread over segments."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pytest

from services.dedup import postings
from services.dedup.postings import Found, PostingIndex, SlotArray


def expected(live: dict[int, list[int]], keys: list[int]) -> set[tuple[int, int, int]]:
    found = set()
    for place, key in enumerate(keys):
        found |= {(slot, place, len(held)) for slot, held in live.items() if key in held}
    return found


def postings_of(found: Found) -> list[tuple[int, int, int]]:
    return list(zip(found.slots.tolist(), found.places.tolist(), found.sizes.tolist(), strict=True))


@pytest.mark.parametrize("tail", [1, 3, 512])
def test_segments_and_tail_give_what_a_dict_gives(monkeypatch: pytest.MonkeyPatch, tail: int) -> None:
    """Ten thousand random steps of adding, removing and finding. Segments of every size are merged."""
    monkeypatch.setattr(postings, "TAIL_ARTICLES", tail)
    monkeypatch.setattr(postings, "LARGEST_SEGMENT", tail * 64)
    rnd = random.Random(tail)
    index, live = PostingIndex(), dict[int, list[int]]()
    for slot in range(700):
        live[slot] = rnd.sample(range(60), rnd.randrange(7))
        index.add(slot, np.array(live[slot], dtype=np.uint32))
        if rnd.random() < 0.4:
            gone = rnd.choice(list(live))
            index.remove(gone)
            del live[gone]
        keys = rnd.sample(range(70), 5)
        found = postings_of(index.find(np.array(keys, dtype=np.uint32)))
        assert len(found) == len(set(found))
        assert set(found) == expected(live, keys)
        places: dict[int, list[int]] = defaultdict(list)
        for posted, place, _ in found:
            places[posted].append(place)
        assert all(held == sorted(held) for held in places.values()), "sums over an article are in one order"


@pytest.mark.parametrize("tail", [2, 512])
def test_a_key_that_an_article_has_twice_is_found_twice(monkeypatch: pytest.MonkeyPatch, tail: int) -> None:
    """A name and a stem may have one hash. In the tail and in a segment that must weigh the same."""
    monkeypatch.setattr(postings, "TAIL_ARTICLES", tail)
    index = PostingIndex()
    for slot in range(2):
        index.add(slot, np.array([5, 5], dtype=np.uint32))
    assert sorted(postings_of(index.find(np.array([5], dtype=np.uint32)))) == [(0, 0, 2)] * 2 + [(1, 0, 2)] * 2


def test_nothing_is_found_where_nothing_is() -> None:
    assert postings_of(PostingIndex().find(np.array([1, 2], dtype=np.uint32))) == []


def test_segments_without_a_live_article_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the window, not by how long dedup has run."""
    monkeypatch.setattr(postings, "TAIL_ARTICLES", 4)
    monkeypatch.setattr(postings, "LARGEST_SEGMENT", 16)
    index = PostingIndex()
    for slot in range(400):
        index.add(slot, np.array([slot % 7, 100 + slot], dtype=np.uint32))
        if slot >= 20:
            index.remove(slot - 20)
    assert sum(len(segment.articles) for segment in index._segments) <= 2 * 40


def test_the_numbers_of_live_slots_are_kept_and_the_others_let_go() -> None:
    numbers = SlotArray()
    for slot in range(0, 100_000, 3):
        first = max(0, slot - 3000)
        numbers.set(slot, slot + 7, first)
        if slot % 999 == 0:
            live = np.arange(first + (-first) % 3, slot + 1, 3)
            assert numbers.of(live).tolist() == (live + 7).tolist()
    assert len(numbers._values) < 20_000
