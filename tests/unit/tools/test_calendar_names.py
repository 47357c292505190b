"""The names of months and weekdays, as CLDR has them and as they are shipped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from babel import localedata

from tools import calendar_names


@pytest.fixture(autouse=True)
def _fresh_locales(monkeypatch: pytest.MonkeyPatch) -> None:
    """Babel's loaded locales change each other. The order of requests must not matter here."""
    monkeypatch.setattr(localedata, "_cache", {})


@pytest.mark.parametrize(
    ("locale", "name", "number"),
    [("en", "may", 5), ("en", "dec", 12), ("de_AT", "jänner", 1), ("ru", "мая", 5), ("ru", "май", 5), ("nl", "mei", 5)],
)
def test_months_are_known_inside_a_date_and_alone_short_and_long(locale: str, name: str, number: int) -> None:
    assert calendar_names.month_names(locale)[name] == number


def test_names_of_digits_or_one_letter_are_no_names() -> None:
    """`1月` is a numeric date, and `J` is January as well as June."""
    assert calendar_names.month_names("zh").keys() == {"一月", "二月", "三月", "四月", "五月", "六月"} | {
        *("七月", "八月", "九月", "十月", "十一月", "十二月")
    }
    assert all(
        len(name) > 1 for name in calendar_names.month_names("en") | dict.fromkeys(calendar_names.day_names("en"), 0)
    )


def test_weekdays_are_casefolded_and_without_dots() -> None:
    assert {"montag", "mo", "so"} <= calendar_names.day_names("de")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("calendar") / "data" / "calendar.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localedata, "_cache", {})
        patch.setattr(calendar_names, "CALENDAR", path)
        patch.setattr(calendar_names, "LOCALES", ("en", "nl", "ru", "de", "de_AT", "nb", "nn"))
        calendar_names.main()
        first = path.read_bytes()
        calendar_names.main()
    assert path.read_bytes() == first
    return json.loads(first)


@pytest.mark.parametrize("code", ["en", "nl", "ru"])
def test_the_shipped_file_has_what_is_built(written: Any, code: str) -> None:
    shipped = json.loads(calendar_names.CALENDAR.read_text(encoding="utf8"))
    assert written["months"][code].items() <= shipped["months"][code].items()
    assert set(written["weekdays"][code]) <= set(shipped["weekdays"][code])


def test_varieties_of_a_language_are_one_and_the_presss_spellings_are_added(written: Any) -> None:
    german = written["months"]["de"]
    assert (german["jänner"], german["januar"], german["feber"]) == (1, 1, 2)
    assert written["months"]["en"]["sept"] == 9
    assert {"nb", "nn", "de_AT"}.isdisjoint(written["months"])
    assert "mandag" in written["weekdays"]["no"]


def test_every_language_has_all_twelve_months(written: Any) -> None:
    built = {code for code, months in written["months"].items() if set(months.values()) == set(range(1, 13))}
    assert built == {"en", "nl", "ru", "de", "no"}
