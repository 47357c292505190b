"""Dates that a text states for itself, in several languages; never an invented one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.article import DatePrecision, DateSource
from services.normalizer.dates import glued_header, is_bare_date, labelled, read_date, stated

NOW = datetime(2023, 6, 1, tzinfo=UTC)
READ = [
    ("2021-05-23", "en", "2021-05-23"),
    ("19-03-2021", "nl", "2021-03-19"),
    ("03-04-2021", "nl", "2021-04-03"),
    ("23/05/2021", "en", "2021-05-23"),
    ("05/23/2021", "en", "2021-05-23"),
    ("04.03.2021", "de", "2021-03-04"),
    ("19 maart 2021", "nl", "2021-03-19"),
    ("March 19, 2021", "en", "2021-03-19"),
    ("19 марта 2021", "ru", "2021-03-19"),
    ("2021年3月19日", "zh", "2021-03-19"),
    ("19 de marzo de 2021", "es", "2021-03-19"),
]
NOT_READ = [
    ("03/04/2021", "en"),  # April or March
    ("03-04-2021", "und"),
    ("2021-02-30", "en"),
    ("99-99-2021", "nl"),
    ("March 2021", "en"),
    ("2021", "en"),
    ("Monday", "en"),
    ("the treaty of 2001", "en"),
    ("", "en"),
]


@pytest.mark.parametrize(("words", "language", "day"), READ, ids=[row[0] for row in READ])
def test_stated_days(words: str, language: str, day: str) -> None:
    found = read_date(words, language)
    assert found is not None
    assert (found[0].date().isoformat(), found[1]) == (day, DatePrecision.DAY)


@pytest.mark.parametrize(("words", "language"), NOT_READ, ids=[f"{row[0]!r}" for row in NOT_READ])
def test_no_date_rather_than_a_guess(words: str, language: str) -> None:
    assert read_date(words, language) is None


def test_a_time_with_a_zone_is_precise_to_the_second() -> None:
    found = read_date("2021-03-19T08:30:00+01:00", "en")
    assert found == (datetime(2021, 3, 19, 7, 30, tzinfo=UTC), DatePrecision.SECOND)


@pytest.mark.parametrize("words", ["1970-01-01", "1989-12-31", "2023-06-04", "2203-01-01"])
def test_implausible_dates_are_none(words: str) -> None:
    assert stated(words, "en", DateSource.HEADER, NOW) is None


def test_a_date_keeps_the_words_that_state_it() -> None:
    found = stated("19-03-2021", "nl", DateSource.TEXT, NOW)
    assert found is not None
    assert (found.matched, found.source) == ("19-03-2021", DateSource.TEXT)


def test_labels_in_several_languages() -> None:
    for line in ("Plaatsingstijd: 19-03-2021", "Published on March 19, 2021", "Veröffentlicht am 19.03.2021"):
        assert labelled(line) is not None, line
    for line in ("The treaty was signed on March 19, 2021 in Moscow.", "Date of birth unknown", "Stand up for 2021!"):
        assert labelled(line) is None or read_date(labelled(line) or "", "en") is None, line


def test_a_scrapers_header_is_split_from_the_sentence() -> None:
    assert glued_header(" date 2022-02-04 China and Russia will") == ("2022-02-04", "China and Russia will")
    assert glued_header("The date 2022-02-04 was chosen") is None


@given(st.text(max_size=60), st.sampled_from(["en", "nl", "und", "xx"]))
def test_any_words_are_a_date_or_none(words: str, language: str) -> None:
    found = read_date(words, language)
    assert found is None or found[0].tzinfo is not None
    is_bare_date(words)
