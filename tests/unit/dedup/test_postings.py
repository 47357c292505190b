"""The inverted index finds what a plain dict finds, however its postings are spread over segments."""

from __future__ import annotations

import random

import numpy as np
import pytest

from services.dedup import postings
from services.dedup.postings import PostingIndex


def expected(live: dict[int, list[int]], keys: list[int]) -> set[tuple[int, int]]:
    found = set()
    for place, key in enumerate(keys):
        found |= {(slot, place) for slot, held in live.items() if key in held}
    return found


@pytest.mark.parametrize("tail", [1, 3, 512])
def test_segments_and_tail_give_what_a_dict_gives(monkeypatch: pytest.MonkeyPatch, tail: int) -> None:
    """Ten thousand random steps of adding, removing and finding. Segments of every size are merged."""
    monkeypatch.setattr(postings, "TAIL_ARTICLES", tail)
    monkeypatch.setattr(postings, "LARGEST_SEGMENT", tail * 64)
    rnd = random.Random(tail)
    index, live = PostingIndex(), dict[int, list[int]]()
    for slot in range(700):
        live[slot] = rnd.sample(range(60), 6)
        index.add(slot, np.array(live[slot], dtype=np.uint32))
        if rnd.random() < 0.4:
            gone = rnd.choice(list(live))
            index.remove(gone)
            del live[gone]
        keys = rnd.sample(range(70), 5)
        slots, places = index.find(np.array(keys, dtype=np.uint32))
        assert set(zip(slots.tolist(), places.tolist(), strict=True)) == expected(live, keys)


def test_nothing_is_found_where_nothing_is() -> None:
    slots, places = PostingIndex().find(np.array([1, 2], dtype=np.uint32))
    assert (slots.tolist(), places.tolist()) == ([], [])


def test_segments_without_a_live_article_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the window, not by how long dedup has run."""
    monkeypatch.setattr(postings, "TAIL_ARTICLES", 4)
    monkeypatch.setattr(postings, "LARGEST_SEGMENT", 16)
    index = PostingIndex()
    for slot in range(400):
        index.add(slot, np.array([slot % 7, 100 + slot], dtype=np.uint32))
        if slot >= 20:
            index.remove(slot - 20)
    assert sum(len(segment.keys) for segment in index._segments) <= 2 * 40
