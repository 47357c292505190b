"""Bytes that are no message never become one, and never crash the reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.article import RawArticle
from services.common.messages import RejectedMessage, decode, header_int

POISON = {
    "no value": None,
    "empty": b"",
    "not json": b"not json",
    "wrong fields": b'{"a": 1}',
    "invalid utf-8": b"\xff\xfe",
    "deep": b"[" * 20_000,
    "null content": b'{"article_id": "x", "content": null}',
    "lone surrogate": '{"x": "\ud800"}'.encode("utf8", "surrogatepass"),
    "escaped surrogate": b'{"content": "\\ud800"}',
    "not a number": b'{"n": NaN}',
    "number": b"1e400",
}


@pytest.mark.parametrize("value", POISON.values(), ids=POISON)
def test_poison_is_rejected_in_a_sentence(value: bytes | None) -> None:
    with pytest.raises(RejectedMessage) as caught:
        decode(RawArticle, value)
    assert 0 < len(caught.value.reason) <= 1000


@given(st.binary())
def test_any_bytes_are_a_record_or_rejected(value: bytes) -> None:
    with pytest.raises(RejectedMessage):
        decode(RawArticle, value)


def test_the_reason_does_not_quote_the_article() -> None:
    with pytest.raises(RejectedMessage) as caught:
        decode(RawArticle, b'{"content": "a secret text", "revision": "secret"}')
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize(("value", "expected"), [(b"7", 7), (b"0", None), (b"-1", None), (b"x", None), (b"\xff", None)])
def test_headers_that_are_no_number_are_ignored(value: bytes, expected: int | None) -> None:
    assert header_int({"h": value}, "h") == expected
    assert header_int({}, "h") is None
