"""Fields that follow from other fields, for articles of every kind."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.article import DateSource, DeclaredBy, DeclaredDate, EventSource, RemovedLine
from services.common.derived import HEADLINE_CHARACTERS, count_words, event_time, headline_of, lines_in_order
from tests.conftest import NOW

HEADLINES = [
    ("  A title \n of two lines ", "Text.", "A title of two lines"),
    (None, "First sentence. Second sentence.", "First sentence."),
    ("", "\n\nНовость дня! Дальше.", "Новость дня!"),
    (None, "政府は法案を提出した。野党は反対した。", "政府は法案を提出した。"),
    (None, "It rose by 3.5 points to 1.2 million. More.", "It rose by 3.5 points to 1.2 million."),
    (None, "word " * 100, "word " * 38 + "word…"),
    (None, "x" * 500, "x" * 199 + "…"),
    (None, " ", "…"),
]


@pytest.mark.parametrize(("title", "text", "headline"), HEADLINES)
def test_a_headline_is_the_title_or_the_first_sentence(title: str | None, text: str, headline: str) -> None:
    assert headline_of(title, text) == headline


@given(st.none() | st.text(), st.text())
def test_a_headline_is_never_empty_and_never_long(title: str | None, text: str) -> None:
    assert 0 < len(headline_of(title, text)) <= HEADLINE_CHARACTERS


def declared(kind: str, at: datetime) -> DeclaredDate:
    return DeclaredDate(kind=kind, at=at, source=DeclaredBy.FEED)


DAY = timedelta(days=1)
EVENTS = [
    ((NOW - DAY, DateSource.TEXT, ()), (NOW - DAY, EventSource.STATED)),
    ((NOW - DAY, DateSource.FEED, ()), (NOW - DAY, EventSource.FEED)),
    ((None, DateSource.NONE, ()), (NOW, EventSource.FETCHED)),
    (
        (None, DateSource.NONE, (declared("updated", NOW - DAY), declared("published", NOW - 2 * DAY))),
        (NOW - 2 * DAY, EventSource.DECLARED),
    ),
    ((None, DateSource.NONE, (declared("published", NOW + DAY),)), (NOW, EventSource.FETCHED)),
    ((None, DateSource.NONE, (declared("published", NOW - 20_000 * DAY),)), (NOW, EventSource.FETCHED)),
]


@pytest.mark.parametrize(("stated", "event"), EVENTS)
def test_an_event_has_the_most_trusted_time(
    stated: tuple[datetime | None, DateSource, tuple[DeclaredDate, ...]], event: tuple[datetime, EventSource]
) -> None:
    assert event_time(*stated, NOW) == event


def test_removed_lines_stand_where_they_stood() -> None:
    removed = [
        RemovedLine(before=0, rule="date", text="Monday"),
        RemovedLine(before=1, rule="caption", text="Photo"),
        RemovedLine(before=1, rule="share", text="Share"),
        RemovedLine(before=2, rule="source", text="Source"),
    ]
    lines = list(lines_in_order("One\nTwo", removed))
    assert [line for line, _ in lines] == ["Monday", "One", "Photo", "Share", "Two", "Source"]
    assert [found.rule if found else None for _, found in lines] == ["date", None, "caption", "share", None, "source"]


@pytest.mark.parametrize(
    ("text", "words"), [("It's a 2nd try", 4), ("", 0), ("日本語", 3), ("...", 0), ("один два", 2)]
)
def test_words_are_counted_in_every_script(text: str, words: int) -> None:
    assert count_words(text) == words
