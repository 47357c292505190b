"""Dates that a line states for its article, in many languages. No date is invented."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.article import DatePrecision, DateSource
from services.normalizer.dates import DateLine, glued_header, glued_trailer, read_line

NOW = datetime(2023, 6, 1, tzinfo=UTC)
STATED = [
    ("2021-05-23", "en", "bare"),
    ("Published 23 May 2021 14:05", "en", "labelled"),
    ("By Jane Doe | May 23, 2021 2:05 PM EDT", "en", "section"),
    ("Binnenland | 23-05-2021", "nl", "section"),
    ("Plaatsingstijd: 23-05-2021", "nl", "labelled"),
    ("Berlin, 23. Mai 2021", "de", "section"),
    ("23.05.21, 14:05 Uhr", "de", "bare"),
    ("Dimanche 23 mai 2021", "fr", "bare"),
    ("Publicado el 23 de mayo de 2021 a las 14:05", "es", "labelled"),
    ("Pubblicato il 23 maggio 2021", "it", "labelled"),
    ("Publicado: 23/05/2021 | Atualizado: 23/05/2021 às 14h05", "pt", "labelled"),
    ("Опубликовано 23 мая 2021 г., 14:05 МСК", "ru", "labelled"),
    ("Опубліковано: 23 травня 2021, 14:05", "uk", "labelled"),
    ("تاريخ النشر: ٢٣ مايو ٢٠٢١", "ar", "labelled"),
    ("23 مايو/أيار 2021", "ar", "bare"),
    ("2021年5月23日 14时05分", "zh", "bare"),
    ("公開日：2021/05/23 14:05", "ja", "labelled"),
    ("令和3年5月23日", "ja", "bare"),
    ("Yayınlanma: 23 Mayıs 2021 14:05", "tr", "labelled"),
    ("Data dodania: 23 maja 2021 r.", "pl", "labelled"),
    ("Publicerad 23 maj 2021 kl. 14.05", "sv", "labelled"),
    ("Julkaistu 23. toukokuuta 2021", "fi", "labelled"),
    ("23 tháng 5, 2021", "vi", "bare"),
]
NOT_STATED = [
    ("The treaty was signed on 16 July 2001 in Moscow.", "en"),
    ("Concert: 12 mei 2021", "nl"),
    ("© 2016-2021 Stadsbode", "nl"),
    ("Bel 020-2021 123", "nl"),
    ("99-99-2021", "nl"),
    ("2021-02-30", "en"),
    ("March 2021", "en"),
    ("2021", "en"),
    ("3 min leestijd", "nl"),
    ("", "en"),
]


def read(line: str, language: str) -> DateLine | None:
    return read_line(line, language, NOW, DateSource.HEADER)


@pytest.mark.parametrize(("line", "language", "kind"), STATED, ids=[row[0] for row in STATED])
def test_the_day_and_how_surely_it_is_the_articles(line: str, language: str, kind: str) -> None:
    found = read(line, language)
    assert found is not None
    assert {date.at.date().isoformat() for date in found.dates} == {"2021-05-23"}
    assert found.kind == kind


@pytest.mark.parametrize(("line", "language"), NOT_STATED, ids=[f"{row[0]!r}" for row in NOT_STATED])
def test_no_date_rather_than_a_guess(line: str, language: str) -> None:
    assert read(line, language) is None


def test_the_language_decides_between_day_and_month_and_it_is_said() -> None:
    found = read("03-04-2021", "nl")
    assert found is not None
    assert (found.dates[0].at.date().isoformat(), found.dates[0].order) == ("2021-04-03", "day first in nl")


@pytest.mark.parametrize("language", ["en", "und"])
def test_where_the_language_cannot_decide_there_is_a_reason_and_no_date(language: str) -> None:
    found = read("03/04/2021", language)
    assert found is not None
    assert found.dates == ()
    assert [(date.matched, date.reason) for date in found.rejected] == [
        ("03/04/2021", "day and month cannot be told apart")
    ]


def test_a_time_with_a_zone_is_precise_to_the_second() -> None:
    found = read("2021-03-19T08:30:00+01:00", "en")
    assert found is not None
    assert (found.dates[0].at, found.dates[0].precision) == (
        datetime(2021, 3, 19, 7, 30, tzinfo=UTC),
        DatePrecision.SECOND,
    )


@pytest.mark.parametrize("words", ["1970-01-01", "1989-12-31", "2023-06-04", "2203-01-01"])
def test_an_implausible_date_is_kept_apart_with_its_reason(words: str) -> None:
    found = read(words, "en")
    assert found is not None
    assert (found.dates, found.rejected[0].matched) == ((), words)
    assert "1990" in found.rejected[0].reason


def test_a_change_is_told_from_a_publication() -> None:
    updated, published = read("Laatst bijgewerkt: 23-05-2021", "nl"), read("Gepubliceerd: 23-05-2021", "nl")
    assert updated is not None
    assert published is not None
    assert (updated.is_update, published.is_update) == (True, False)


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        (" date 2022-02-04 China and Russia will deepen", "China and Russia will deepen"),
        ("(04.02.2022) Die Regierung hat beschlossen", "Die Regierung hat beschlossen"),
        ("MADRID, 4 feb 2022 (EFE) - El Gobierno ha decidido", "El Gobierno ha decidido"),
    ],
)
def test_a_header_is_split_from_the_first_sentence(line: str, rest: str) -> None:
    found = glued_header(line, "es" if "feb" in line else "de", NOW)
    assert found is not None
    assert (found[0].dates[0].at.date().isoformat(), found[2]) == ("2022-02-04", rest)


def test_a_sentence_that_begins_with_a_day_keeps_it() -> None:
    assert glued_header("The date 2022-02-04 was chosen by the committee of the council", "en", NOW) is None
    assert glued_header("On 4 February 2022 the council met to decide about the school", "en", NOW) is None


def test_a_labelled_date_is_split_from_the_last_sentence() -> None:
    found = glued_trailer("De handel groeide. Plaatsingstijd: 19-03-2021", "nl", NOW)
    assert found is not None
    assert (found[1], found[0].dates[0].matched) == ("De handel groeide.", "19-03-2021")
    assert glued_trailer("De handel groeide. Dat was op 19-03-2021", "nl", NOW) is None


@given(st.text(max_size=80), st.sampled_from(["en", "nl", "und", "xx", "ar"]))
def test_any_line_is_read_without_an_error(line: str, language: str) -> None:
    found = read(line, language)
    assert found is None or all(date.at.tzinfo is not None for date in found.dates)
    glued_header(line, language, NOW)
    glued_trailer(line, language, NOW)


MONTH_FIRST = ["05/23/2021", "5-23-2021", "Published 05/23/2021 14:05", "By Jane Doe | 05/23/21"]


@pytest.mark.parametrize("language", ["en", "fil", "und"])
@pytest.mark.parametrize("line", MONTH_FIRST)
def test_where_the_month_may_stand_first_a_second_number_above_twelve_is_the_day(line: str, language: str) -> None:
    found = read(line, language)
    assert found is not None
    assert [date.at.date().isoformat() for date in found.dates] == ["2021-05-23"]
    assert found.dates[0].order is None, "the numbers decided, and not the language"


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_first_number_above_twelve_is_the_day_everywhere(language: str) -> None:
    found = read("23/05/2021", language)
    assert found is not None
    assert [date.at.date().isoformat() for date in found.dates] == ["2021-05-23"]


@pytest.mark.parametrize("line", MONTH_FIRST)
@pytest.mark.parametrize("language", ["nl", "de", "pt"])
def test_where_the_day_always_stands_first_there_is_no_23rd_month(line: str, language: str) -> None:
    assert read(line, language) is None


AMBIGUOUS = [
    ("04/05/2021", "en", None),
    ("04-05-2021", "fil", None),
    ("04/05/2021", "und", None),
    ("04.05.2021", "en", "2021-05-04"),
    ("04/05/2021", "nl", "2021-05-04"),
    ("05/05/2021", "en", "2021-05-05"),
]


@pytest.mark.parametrize(("line", "language", "day"), AMBIGUOUS, ids=[f"{row[0]} {row[1]}" for row in AMBIGUOUS])
def test_two_readings_are_no_date_in_english_unless_dots_or_equal_numbers_leave_one(
    line: str, language: str, day: str | None
) -> None:
    found = read(line, language)
    assert found is not None
    assert [date.at.date().isoformat() for date in found.dates] == ([day] if day else [])
    assert len(found.rejected) == (0 if day else 1)
