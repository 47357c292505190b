"""The books balance when everything is indexed, dead or on its way."""

from __future__ import annotations

import pytest

from services.status.books import Books

CASES = [
    (Books(sent=5, articles=5, indexed=5, dead=0, in_flight=0), True, 0),
    (Books(sent=10, articles=5, indexed=4, dead=1, in_flight=0), True, 0),
    (Books(sent=5, articles=5, indexed=3, dead=0, in_flight=2), True, 2),
    (Books(sent=5, articles=5, indexed=4, dead=0, in_flight=0), False, 1),
    (Books(sent=5, articles=5, indexed=2, dead=1, in_flight=1), False, 2),
    (Books(sent=0, articles=0, indexed=3, dead=0, in_flight=0), True, 0),
]


@pytest.mark.parametrize(("books", "balanced", "missing"), CASES)
def test_balance(books: Books, balanced: bool, missing: int) -> None:  # noqa: FBT001
    assert (books.balanced, books.missing) == (balanced, missing)
    assert books.to_dict()["balanced"] is balanced


def test_repeats_are_not_articles() -> None:
    assert Books(sent=10, articles=5, indexed=5, dead=0, in_flight=0).superseded == 5
