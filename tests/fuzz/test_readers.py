"""Whatever a stranger sends, a reader gives good entries and problems, or says in the agreed way that it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz.effort import try_all
from tests.fuzz.faults import name_of, read_in_time
from tests.fuzz.hostile import inputs
from tests.fuzz.known import KNOWN
from tests.fuzz.readers import READERS, Reader

pytestmark = pytest.mark.filterwarnings("ignore")
BY_NAME = {reader.name: reader for reader in READERS}
FAULTS = frozenset(known.fault for known in KNOWN.values())


@pytest.mark.parametrize("reader", READERS, ids=BY_NAME)
def test_hostile_input_is_read_or_refused(reader: Reader) -> None:
    def check(data: bytes) -> None:
        try:
            read_in_time(reader.read, data)
        except Exception as error:
            if name_of(error) not in FAULTS:
                raise

    try_all(inputs(reader.seeds), check)


def names() -> list[Any]:
    """The known faults. Each must still be a fault: when it is mended, take it off the list."""
    return [pytest.param(name, marks=pytest.mark.xfail(strict=True, reason=KNOWN[name].fault)) for name in KNOWN]


@pytest.mark.parametrize("name", names())
def test_what_was_found_is_mended(name: str) -> None:
    known = KNOWN[name]
    read_in_time(BY_NAME[known.reader].read, known.data)


@pytest.mark.parametrize("name", KNOWN)
def test_what_was_found_has_its_right_name(name: str) -> None:
    known = KNOWN[name]
    with pytest.raises(Exception, match="") as raised:
        read_in_time(BY_NAME[known.reader].read, known.data)
    assert name_of(raised.value) == known.fault
