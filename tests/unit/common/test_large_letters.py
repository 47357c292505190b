"""A message of any size can become a dead letter: one that does not fit keeps its beginning, its size and its hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from schemas.dead_letter import DeadLetter, ErrorClass
from services.common.dead_letters import PREFIX_BYTES, Received, bury, make_letter
from services.common.messages import RejectedMessage, decode
from services.common.settings import Settings

REJECTED = RejectedMessage("decode", ErrorClass.INVALID_MESSAGE, "no JSON")


@pytest.mark.parametrize("size", [10, 25_000_000, 60_000_000])
def test_a_letter_fits_whatever_the_size_of_its_message(tmp_path: Path, size: int) -> None:
    settings = Settings(home=tmp_path)
    value = b"x" * size
    letter = make_letter(Received("articles.raw", 0, 7, 0, b"k", value), REJECTED, "worker")
    outgoing = bury(settings, letter)
    assert outgoing.value is not None
    assert len(outgoing.value) < settings.max_request_bytes
    kept = decode(DeadLetter, outgoing.value)
    if size == 10:
        assert (kept.original_value, kept.original_bytes, kept.original_sha256) == (value, None, None)
    else:
        assert kept.original_value == value[:PREFIX_BYTES]
        assert (kept.original_bytes, kept.original_sha256) == (size, hashlib.sha256(value).hexdigest())
