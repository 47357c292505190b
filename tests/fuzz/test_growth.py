"""The time for a hostile input grows with its size, not with the square of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz.growth import Row, check_growth, rows
from tests.fuzz.known import SLOW

pytestmark = pytest.mark.filterwarnings("ignore")


def cases() -> list[Any]:
    """Every row. The known slow ones must still be slow: when one is mended, take it off the list."""
    return [
        pytest.param(
            row,
            id=row.name,
            marks=[pytest.mark.xfail(strict=True, reason=SLOW[row.name])] if row.name in SLOW else [],
        )
        for row in rows()
    ]


@pytest.mark.parametrize("row", cases())
def test_time_grows_with_the_size(row: Row) -> None:
    check_growth(row)


def test_every_slow_row_is_tried() -> None:
    assert set(SLOW) <= {row.name for row in rows()}
