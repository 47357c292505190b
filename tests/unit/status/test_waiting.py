"""A replay is over when each article is searchable or dead. The patience starts again at each progress."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.status import waiting
from services.status.waiting import CLOCK_SLACK, DEAD_LETTERS_EVERY, POLL_SECONDS, Arrived, wait_until_searchable
from tests.unit.status.conftest import FAILED_AT, Installation, article_id


class Clock:
    """A clock that moves only in sleeps. `at` holds actions by the number of sleeps before them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps = 0
        self.at: dict[int, Callable[[], object]] = {}

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1
        self.at.pop(self.sleeps, lambda: None)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "time", made)
    return made


def wait(
    installation: Installation, count: int, patience: float = 10 * POLL_SECONDS, revision: int = 2
) -> tuple[Arrived, list[int]]:
    """Wait for the first `count` articles. Returns the result and the reported progress."""
    progress: list[int] = []
    revisions = {article_id(number): revision for number in range(count)}
    arrived = wait_until_searchable(installation.settings, revisions, FAILED_AT, patience, progress.append)
    return arrived, progress


def test_what_is_there_is_not_waited_for(installation: Installation, clock: Clock) -> None:
    installation.index(0, revision=2)
    installation.index(1, revision=3)
    assert wait(installation, 2) == (Arrived(searchable=2, dead=0, pending=0), [2])
    assert clock.sleeps == 0


def test_nothing_to_wait_for_is_over_at_once(installation: Installation, clock: Clock) -> None:
    assert wait(installation, 0) == (Arrived(0, 0, 0), [])
    assert clock.sleeps == 0


def test_an_older_revision_is_waited_on(installation: Installation, clock: Clock) -> None:
    installation.index(0, revision=1)
    clock.at[2] = lambda: installation.index(0, revision=2)
    assert wait(installation, 1) == (Arrived(1, 0, 0), [1])
    assert clock.sleeps == 2


def test_what_does_not_come_is_pending(installation: Installation, clock: Clock) -> None:
    installation.index(0, revision=2)
    arrived, progress = wait(installation, 3)
    assert arrived == Arrived(searchable=1, dead=0, pending=2)
    assert progress == [1]
    assert clock.sleeps > 0


def test_patience_begins_anew_with_each_arrival(installation: Installation, clock: Clock) -> None:
    """Each article comes at the last moment. Together they take longer than the patience."""
    for number in range(4):
        clock.at[3 * number + 3] = lambda number=number: installation.index(number, revision=2)  # type: ignore[misc]
    assert wait(installation, 4, patience=3.5 * POLL_SECONDS) == (Arrived(4, 0, 0), [1, 2, 3, 4])


def test_a_dead_article_is_not_waited_for(installation: Installation, clock: Clock) -> None:
    installation.index(0, revision=2)
    installation.bury(article_id(1), revision=2)
    assert wait(installation, 2) == (Arrived(searchable=1, dead=1, pending=0), [1, 2])
    assert clock.sleeps == DEAD_LETTERS_EVERY - 1


@pytest.mark.parametrize(
    ("revision", "age", "is_dead"),
    [
        (2, timedelta(), True),
        (3, timedelta(), True),
        (None, timedelta(), False),
        (1, timedelta(), False),
        (2, CLOCK_SLACK, True),
        (2, CLOCK_SLACK + timedelta(seconds=1), False),
    ],
)
@pytest.mark.usefixtures("clock")
def test_only_this_replays_letters_count(
    installation: Installation, revision: int | None, age: timedelta, *, is_dead: bool
) -> None:
    """A letter of an older revision or from before the replay does not count."""
    installation.bury(article_id(0), revision, at=FAILED_AT - age)
    assert wait(installation, 1)[0] == Arrived(searchable=0, dead=int(is_dead), pending=int(not is_dead))


@pytest.mark.usefixtures("clock")
def test_letters_of_other_articles_are_not_counted(installation: Installation) -> None:
    installation.bury(article_id(7), revision=2)
    assert wait(installation, 1)[0] == Arrived(0, 0, 1)


@pytest.mark.usefixtures("clock")
def test_an_article_is_counted_once(installation: Installation) -> None:
    """A letter of an attempt before the successful one does not count as a second result."""
    installation.bury(article_id(0), revision=2)
    installation.index(0, revision=2)
    assert wait(installation, 2)[0] == Arrived(searchable=1, dead=0, pending=1)


def test_an_article_that_comes_while_its_letter_is_read_is_searchable(installation: Installation, clock: Clock) -> None:
    installation.bury(article_id(0), revision=2)
    clock.at[DEAD_LETTERS_EVERY - 1] = lambda: installation.index(0, revision=2)
    assert wait(installation, 1)[0] == Arrived(searchable=1, dead=0, pending=0)


def test_an_outage_of_elasticsearch_is_sat_out(installation: Installation, clock: Clock) -> None:
    installation.index(0, revision=2)
    installation.server.is_down = True
    clock.at[3] = lambda: setattr(installation.server, "is_down", False)
    assert wait(installation, 1) == (Arrived(1, 0, 0), [1])
    assert clock.sleeps == 3


@pytest.mark.usefixtures("clock")
def test_an_outage_without_end_leaves_all_pending(installation: Installation) -> None:
    installation.index(0, revision=2)
    installation.server.is_down = True
    assert wait(installation, 2) == (Arrived(0, 0, 2), [])


@pytest.mark.usefixtures("clock")
def test_an_outage_of_kafka_kills_nothing(installation: Installation) -> None:
    installation.bury(article_id(0), revision=2)
    installation.kafka_is_down = True
    assert wait(installation, 1)[0] == Arrived(0, 0, 1)


@pytest.mark.usefixtures("clock")
def test_many_articles_are_asked_for_in_chunks(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "CHUNK", 2)
    for number in range(5):
        installation.index(number, revision=2)
    assert wait(installation, 5) == (Arrived(5, 0, 0), [5])
    asked = [
        content["query"]["ids"]["values"]
        for _, path, content in installation.server.requests
        if path.endswith("_search")
    ]
    assert [len(ids) for ids in asked] == [2, 2, 1]
