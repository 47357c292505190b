"""The halt rule looks at the last messages alone, counts only what a deploy can cause, and ends by itself."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.dead_letter import ErrorClass
from services.common.halt import FIRST_WAIT_SECONDS, LAST_WAIT_SECONDS, MIN_SOURCES, Halt, HaltRule, source_of
from services.common.settings import Settings


def answers(rule: HaltRule, outcomes: str) -> list[bool]:
    """What the rule says after each message; d is a dead letter. Each has a source of its own."""
    return [rule.halts(faulty=b"%d" % number if outcome == "d" else None) for number, outcome in enumerate(outcomes)]


def test_a_long_good_past_excuses_no_bad_present() -> None:
    """Three of the last four died; of all messages three in a hundred."""
    rule = HaltRule(window=4, percent=50)
    assert not any(answers(rule, "." * 96))
    assert answers(rule, "ddd") == [False, False, True]


def test_it_halts_when_most_of_the_window_died_and_not_before_it_is_full() -> None:
    rule = HaltRule(window=10, percent=50)
    assert answers(rule, "d" * 10) == [False] * 9 + [True]


@pytest.mark.parametrize("sources", [1, 2])
def test_a_few_sources_do_not_halt_a_service_for_all_others(sources: int) -> None:
    rule = HaltRule(window=10, percent=50)
    assert not any(rule.halts(faulty=b"%d" % (number % sources)) for number in range(100))


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def feed(halt: Halt, error: ErrorClass | None, count: int) -> list[bool]:
    return [halt.count(error, b"source %d" % number) for number in range(count)]


@pytest.fixture
def halt(tmp_path: Path) -> Halt:
    return Halt(Settings(home=tmp_path, halt_window=10), tmp_path.name, Clock())


@pytest.mark.parametrize("error", [ErrorClass.NO_TEXT, ErrorClass.TOO_LARGE, ErrorClass.TOO_SLOW])
def test_what_no_deploy_can_cause_does_not_halt(halt: Halt, error: ErrorClass) -> None:
    assert not any(feed(halt, error, 100))


def test_a_halt_ends_by_itself_when_a_message_can_be_handled(halt: Halt) -> None:
    clock: Clock = halt.now  # type: ignore[assignment]
    assert feed(halt, ErrorClass.STAGE_FAILED, 10)[-1]
    assert halt.seconds_left() == FIRST_WAIT_SECONDS
    assert halt.count(None, b""), "a message that was handled before the halt ends no halt"
    clock.seconds += FIRST_WAIT_SECONDS
    assert halt.seconds_left() == 0
    assert not halt.count(None, b"")
    assert not any(feed(halt, ErrorClass.STAGE_FAILED, 9)), "the window begins anew"


def test_the_wait_grows_while_the_cause_is_there(halt: Halt) -> None:
    clock: Clock = halt.now  # type: ignore[assignment]
    feed(halt, ErrorClass.STAGE_FAILED, 10)
    waits = []
    for _ in range(8):
        clock.seconds += halt.seconds_left()
        assert halt.count(ErrorClass.STAGE_FAILED, b"x")
        waits.append(halt.seconds_left())
    assert waits[:3] == [60, 120, 240]
    assert waits[-1] == LAST_WAIT_SECONDS


def test_a_message_names_its_source_also_when_it_is_no_record() -> None:
    assert source_of(b'{"source_id": "bbc", "broken') == b"bbc"
    assert source_of(b"\xff") == source_of(None) == b""


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
    counted = [
        end >= 10 and (dead := outcomes[end - 10 : end].count("d")) * 10 > percent and dead >= MIN_SOURCES
        for end in range(1, len(outcomes) + 1)
    ]
    assert answers(rule, outcomes) == counted
