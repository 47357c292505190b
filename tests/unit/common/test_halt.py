"""The halt rule looks at the last messages alone: the window slides."""

from __future__ import annotations

import random

import pytest

from services.common.halt import HaltRule


def answers(rule: HaltRule, outcomes: str) -> list[bool]:
    """What the rule says after each message; d is a dead letter."""
    return [rule.halts(dead=outcome == "d") for outcome in outcomes]


def test_a_long_good_past_excuses_no_bad_present() -> None:
    """Three of the last four died; of all messages three in a hundred."""
    rule = HaltRule(window=4, percent=50)
    assert not any(answers(rule, "." * 96))
    assert answers(rule, "ddd") == [False, False, True]


def test_dead_letters_that_left_the_window_are_forgotten() -> None:
    rule = HaltRule(window=4, percent=50)
    assert not any(answers(rule, "dd" + "..dd" * 25))


def test_only_the_window_is_remembered() -> None:
    """A service runs for months: memory must not grow with its messages."""
    rule = HaltRule(window=4, percent=50)
    answers(rule, ".d" * 500)
    assert len(rule._last) == 4


def test_just_the_share_is_not_more_than_it() -> None:
    rule = HaltRule(window=4, percent=50)
    assert answers(rule, "dd..") == [False] * 4


@pytest.mark.parametrize("percent", [10.0, 50.0, 99.0, 100.0])
def test_every_answer_is_that_of_counting_the_last_messages(percent: float) -> None:
    rnd = random.Random(5)
    outcomes = "".join(rnd.choice(rnd.choice([".....d", "d....", "ddddd."])) for _ in range(600))
    rule = HaltRule(window=10, percent=percent)
    counted = [end >= 10 and outcomes[end - 10 : end].count("d") * 10 > percent for end in range(1, len(outcomes) + 1)]
    assert answers(rule, outcomes) == counted
