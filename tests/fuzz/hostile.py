"""Makes hostile inputs: valid examples with damage, rows of hostile tokens, and plain noise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from hypothesis import strategies as st

MAX_BYTES: Final = 50_000
"""Largest input that is made here. Larger ones are in the tests of growth."""
MAX_REPEATS: Final = 3000

MARKS: Final = (
    b"<", b">", b"</", b"/>", b"&", b";", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?", b"?>", b"<!DOCTYPE",
    b'<!DOCTYPE r [<!ENTITY e "x">]>', b"&e;", b"&lt;", b"&nbsp;", b"&#0;", b"&#55357;", b"&#xD83D;&#xDE00;",
    b"&#xFFFFFF;", b"&#99999999999;", b"<p>", b"<a>", b"<b", b"<div>", b"<script>", b"<style>", b"<table>",
    b"<svg><title>", b"<template>", b"<x:y>", b"<html>", b"<item>", b"<entry>", b"<url>", b"<outline/>",
    b' a="', b" xmlns:a=''", b" xml:base='//['", b"[", b"]", b"{", b"}", b'"', b'{"', b'"items":[', b"\\",
    b"\\ud800", b"\\u0000", b",", b":", b"null", b"true", b"1e999", b"-", b"--", b"%", b"%00", b"${", b"xn--",
    b"@", b"//[", b"\\\\", b"#", b"?", b"..", b"utf-7", b"utf-16", b"charset=hz",
)  # fmt: skip
"""Pieces of markup, JSON and URLs."""
BYTES: Final = (
    b"\x00", b"\x01", b"\x0b", b"\x1a", b"\x1b", b"\x7f", b"\x85", b"\xff", b"\xfe\xff", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xef\xbf\xbf", b"\n", b"\r\n", b"\r",
    b"\t", b" ", b"\xc2\xa0", b"\xe2\x80\xa8", b"\xe2\x80\x8f", b"\xcc\x81", b"\xc4\xb0", b"\xf0\x9f\x98\x80",
    b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x5d\x2a\x4d\x18", b"\xff" * 8,
)  # fmt: skip
"""Control bytes, broken UTF-8, byte order marks, and the first bytes of packed data."""
VALUES: Final = (
    b"", b"0", b"-1", b"1e400", b"NaN", b"9" * 30, b"9" * 5000, b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59-14:00", b"0000-00-00", b"2026-02-30", b"2026-03-04T24:00:00Z",
    b"2026-03-04T05:06:60Z", b"2026-03-04T05:06:07+99:99", b"Mon, 01 Jan 0001 00:00:00 +1400",
    b"Fri, 31 Dec 9999 23:59:59 -1400", b"Mon, 01 Jan 99999999999 00:00:00 GMT",
    b"Mon, 01 Jan 2026 00:00:00 +999999999999", b"2026-03-04T05:06:07.123456789Z",
    b"\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa6", b"http://[", b"http://[::1", b"http://[::1]:80/", b"http://a:99999/",
    b"http://a:b@c/", b"http://", b"https://www./", b"javascript:alert(1)", b"http://\xe2\x84\x80/",
    b"http://xn--\xff/", b"https://a/" + b"x" * 9000, b"///", b"x" * 2000, b"en_GB", b"xx-" * 20, b"text/plain",
    b"text/html", b"application/xhtml+xml", b"base64", b"gzip", b"br", b"chunked",
)  # fmt: skip
"""Whole values of fields: numbers, dates, URLs, languages and types at their limits."""
TOKENS: Final = MARKS + BYTES + VALUES
FIELD: Final = re.compile(rb">[^<>]*<|\"[^\"]*\"|'[^']*'|[:,\t] ?[^:,\t\r\n]*")
"""The places of values: between tags, in quotes, behind a colon, a comma or a tab."""
HARM: Final = ("flip", "cut", "insert", "repeat", "fill", "splice")

noise: Final = st.binary(max_size=64) | st.text(max_size=40).map(lambda text: text.encode("utf8", "surrogatepass"))
tokens: Final = st.sampled_from(TOKENS)
soup: Final = st.lists(tokens | noise, max_size=30).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with up to six kinds of damage."""
    data = draw(st.sampled_from(seeds))
    for kind in draw(st.lists(st.sampled_from(HARM), min_size=1, max_size=6)):
        data = harm(draw, kind, data, seeds)[:MAX_BYTES]
    return data


def harm(draw: st.DrawFn, kind: str, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """The data with one damage of this kind."""
    if kind == "fill":
        return fill(draw, data)
    at = draw(st.integers(0, len(data)))
    if kind == "flip":
        return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
    if kind == "insert":
        return data[:at] + draw(tokens | noise) + data[at:]
    if kind == "splice":
        other = draw(st.sampled_from(seeds))
        return data[:at] + other[draw(st.integers(0, len(other))) :]
    end = draw(st.integers(at, min(len(data), at + 200)))
    if kind == "cut":
        return data[:at] + data[end:]
    times = draw(st.integers(2, 9) | st.integers(2, MAX_REPEATS))
    return data[:at] + (data[at:end] * times)[:MAX_BYTES] + data[end:]


def fill(draw: st.DrawFn, data: bytes) -> bytes:
    """The data with another value in the place of one value."""
    places = [match.span() for match in FIELD.finditer(data)]
    value: bytes = draw(tokens)
    if not places:
        return data + value
    start, end = draw(st.sampled_from(places))
    value = draw(st.sampled_from(VALUES) | tokens | noise)
    closed = data[start:end][-1:] if data[start : start + 1] in b">\"'" else b""
    return data[: start + 1] + value + closed + data[end:]


def inputs(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Mostly damaged seeds, and some single tokens, rows of tokens, text and bytes."""
    return st.one_of(damaged(seeds), damaged(seeds), damaged(seeds), tokens, soup, noise)
