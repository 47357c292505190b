"""The score of a story: its best members raise it, and members that fit much less lower it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from services.dedup.stories import BEST_MEMBERS, StoryMatch, rank_stories, score_of


@dataclass
class Member:
    """An article of a story."""

    story_id: str


def ranked(**scores: list[float]) -> list[StoryMatch]:
    """Stories ranked from the scores of their members."""
    members: Any = [Member(story_id) for story_id, found in scores.items() for _ in found]
    return rank_stories(members, np.array([score for found in scores.values() for score in found]))


def score(*scores: float) -> float:
    return score_of(np.array(scores), BEST_MEMBERS)


def test_a_story_is_as_good_as_its_two_best_members() -> None:
    assert score(4.0, 2.0) == 3.0
    assert score(4.0) == 4.0
    assert score(3.0, 3.0, 2.0, 2.0) == 3.0, "the others are a little worse, as usual"


def test_members_that_do_not_fit_count_against_a_story() -> None:
    """The penalty is half of the excess over USUAL_LEAD."""
    assert score(6.0, 6.0, 0.0, 0.0) == pytest.approx(5.0)
    assert score(6.0, 6.0, 0.0, 0.0) > score(6.0, 6.0, -4.0, -4.0)


def test_of_two_stories_with_equal_best_members_the_one_that_fits_as_a_whole_is_first() -> None:
    """A report about two events must not join them: the other members of one story are about something else."""
    assert [match.story_id for match in ranked(a_mixed=[5.0, 5.0, -9.0, -9.0], whole=[4.9, 4.9, 4.5])] == [
        "whole",
        "a_mixed",
    ]


def test_a_story_that_fits_but_for_a_bridge_falls_below_joining() -> None:
    bridged, alone = ranked(alone=[2.0, 2.0, -20.0, -20.0, -20.0], bridged=[2.0, 2.0])
    assert (bridged.story_id, alone.story_id) == ("bridged", "alone")
    assert alone.score < 0 < bridged.score


def test_ties_go_to_the_storys_id_and_the_nearest_member_is_told() -> None:
    first, second = ranked(b=[1.0, 3.0], a=[2.0, 2.0])
    assert (first.story_id, second.story_id) == ("a", "b")
    assert second.place == 1
