"""What the index of stories keeps is what a plain count over its members gives, after any order of changes."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import numpy as np
import pytest

from schemas.article import KeyFlag
from services.dedup import stories as module
from services.dedup.profiles import ARRAYS, LiveArticle, Profile
from services.dedup.stories import StoryIndex

KEYS = 8
MOST = 3


def profile(slot: int, story: str, actors: list[int], *, is_duplicate: bool = False) -> Profile:
    keys = np.array(sorted(actors), dtype="<u4")
    flags = np.full(len(keys), KeyFlag.ENTITY, dtype=np.uint8)
    article = LiveArticle(
        article_id=f"a{slot}",
        slot=slot,
        story_id=story,
        duplicate_of="another" if is_duplicate else None,
        language="en",
        source_id="s",
        day=None,
        fetched=0.0,
        event=0.0,
        opened=0.0,
        story_revision=1,
    )
    arrays = dict.fromkeys(ARRAYS, b"")
    arrays |= {"keys": keys.tobytes(), "key_flags": flags.tobytes()}
    arrays["key_weights"] = np.ones(len(keys), dtype="<f2").tobytes()
    return Profile(article, None, **arrays)


def add(index: StoryIndex, one: Profile) -> None:
    index.live.store(one.article.slot, one.pack())
    index.live.add(one.article)
    index.add(one)


def remove(index: StoryIndex, one: Profile) -> None:
    index.remove(one)
    index.live.remove(one.article)


def actors_of(one: Profile) -> list[int]:
    found: list[int] = np.frombuffer(one.keys, "<u4").tolist()
    return found


def expected(live: dict[int, Profile], story: str, keys: list[int], index: StoryIndex) -> list[tuple[str, list[int]]]:
    """The other stories with two of the keys: rarest keys first, of equal ones the latest article with such a key."""
    held: dict[str, set[int]] = defaultdict(set)
    latest: dict[str, int] = {}
    for slot, one in live.items():
        places = {place for place, key in enumerate(keys) if key in actors_of(one)}
        if places and not one.article.is_duplicate and one.article.story_id != story:
            held[one.article.story_id] |= places
            latest[one.article.story_id] = max(slot, latest.get(one.article.story_id, 0))
    worth = index.frequencies.idf(np.array(keys, dtype=np.uint32)).tolist()
    order = sorted(
        (name for name, places in held.items() if len(places) >= 2),
        key=lambda name: (-round(sum(worth[place] for place in held[name]), 6), -latest[name]),
    )
    return [(name, sorted(held[name])) for name in order[:MOST]]


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_related_stories_are_those_of_a_plain_count(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(module, "MANY_MEMBERS", 4)
    chance = random.Random(seed)
    index, live = StoryIndex(), dict[int, Profile]()
    for slot in range(400):
        story = f"story {chance.randrange(12)}"
        live[slot] = profile(slot, story, chance.sample(range(20), 4), is_duplicate=chance.random() < 0.2)
        add(index, live[slot])
        if chance.random() < 0.6:
            remove(index, live.pop(chance.choice(list(live))))
        if live and chance.random() < 0.3:
            moved = chance.choice(list(live))
            index.move(live[moved], f"story {chance.randrange(12)}", 0.0)
        for name in (story, f"story {chance.randrange(12)}"):
            members = [one for one in live.values() if one.article.story_id == name]
            assert [one.article_id for one in index.members(name)] == [one.article.article_id for one in members]
            assert index.actors(name) == Counter(key for one in members for key in actors_of(one))
        keys = sorted(chance.sample(range(20), KEYS))
        found = index.sharing(story, np.array(keys, dtype=np.uint32), at_least=2, most=MOST)
        assert found == expected(live, story, keys, index)


def test_a_story_that_nobody_shares_a_key_with_is_alone() -> None:
    index = StoryIndex()
    add(index, profile(0, "one", [1, 2]))
    assert index.sharing("one", np.array([1, 2], dtype=np.uint32), at_least=2, most=5) == []
    assert index.sharing("none", np.array([7, 8], dtype=np.uint32), at_least=2, most=5) == []
    assert index.actors("none") == {}
