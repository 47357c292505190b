"""A dead letter keeps the message whole and knows its redeliveries."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.dead_letter import DeadLetter, ErrorClass
from services.common.dead_letters import Received, make_letter
from services.common.messages import ATTEMPTS_HEADER, REVISION_HEADER, RejectedMessage, decode, encode

REJECTED = RejectedMessage("decode", ErrorClass.INVALID_MESSAGE, "no JSON")


def letter_for(**fields: object) -> DeadLetter:
    values: dict[str, object] = {
        "topic": "articles.raw",
        "partition": 2,
        "offset": 17,
        "timestamp_ms": 1_685_620_800_000,
        "key": b"k",
        "value": b"\xff\x00",
        "headers": ((REVISION_HEADER, b"5"), (ATTEMPTS_HEADER, b"2")),
    }
    return make_letter(Received(**{**values, **fields}), REJECTED, "worker")  # type: ignore[arg-type]


def test_the_original_comes_back_byte_for_byte() -> None:
    letter = decode(DeadLetter, encode(letter_for()))
    assert (letter.original_value, letter.original_key) == (b"\xff\x00", b"k")
    assert letter.original_headers == ((REVISION_HEADER, b"5"), (ATTEMPTS_HEADER, b"2"))


def test_a_redelivery_is_the_same_letter() -> None:
    assert letter_for().letter_id == letter_for(timestamp_ms=None).letter_id == "articles.raw/2/17"


def test_attempts_count_on_from_the_header() -> None:
    assert letter_for().attempts == 3
    assert letter_for(headers=()).attempts == 1


def test_a_message_without_key_value_or_time_has_a_letter_too() -> None:
    letter = letter_for(key=None, value=None, timestamp_ms=None)
    assert decode(DeadLetter, encode(letter)) == letter


def test_the_source_time_is_kept() -> None:
    assert letter_for().source_timestamp == datetime(2023, 6, 1, 12, tzinfo=UTC)
