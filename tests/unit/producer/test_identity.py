"""The producer computes the identity. It does not depend on the spelling of a URL."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.producer.identity import article_id_of, canonicalize_url, content_hash_of

SAME = [
    "https://example.org/news/1?id=2&a=1",
    "http://www.Example.org:80/news/1/?a=1&id=2&utm_source=feed#top",
    "https://example.org./news/1?a=1&fbclid=x&id=2",
]


def test_spellings_of_one_page_are_one_article() -> None:
    assert len({article_id_of("s", str(number), url) for number, url in enumerate(SAME)}) == 1


APART = [
    ["https://e.org/news#v1", "https://e.org/news#v2", "https://e.org/news"],
    ["https://e.org/live#post-1", "https://e.org/live#post-2"],
    ["https://e.org/#!/a/1", "https://e.org/#!/a/2"],
    ["https://e.org/view?ref=101", "https://e.org/view?ref=102"],
    ["https://e.org/day?from=2026-11-01", "https://e.org/day?from=2026-11-02"],
    ["https://e.org/view?source=7", "https://e.org/view?source=8", "https://e.org/view"],
    ["https://e.org/view?feed=sports", "https://e.org/view?feed=music"],
    ["https://e.org/q?n=%E9", "https://e.org/q?n=%E8"],
    ["https://e.org/a%2Fb", "https://e.org/a/b"],
]
ONE = [
    ["https://b\u00fccher.example/a", "https://xn--bcher-kva.example/a", "https://XN--BCHER-KVA.example/a"],
    ["https://e.org/caf%c3%a9", "https://e.org/caf%C3%A9", "https://e.org/caf\u00e9"],
    ["https://e.org/%7Eme/%61", "https://e.org/~me/a"],
    ["https://e.org/a?q=%7ea", "https://e.org/a?q=~a"],
    ["https://e.org/a?rss=1", "https://e.org/a?CMP=rss", "https://e.org/a?source=rss", "https://e.org/a"],
    ["https://e.org/a?wt_zmc=x.y", "https://e.org/a?wtrid=abc&traffic_source=rss", "https://e.org/a?ref=Twitter"],
    ["https://e.org/a#comments", "https://e.org/a#:~:text=words", "https://e.org/a#xtor=RSS-1", "https://e.org/a#"],
    ["https://e.org/a;jsessionid=12AB", "https://e.org/a?PHPSESSID=x", "https://e.org/a"],
]


@pytest.mark.parametrize("urls", APART, ids=lambda urls: urls[0])
def test_addresses_of_different_articles_stay_apart(urls: list[str]) -> None:
    assert len({article_id_of("s", "g", url) for url in urls}) == len(urls)


@pytest.mark.parametrize("urls", ONE, ids=lambda urls: urls[0])
def test_spellings_of_one_address_are_one_article(urls: list[str]) -> None:
    assert len({article_id_of("s", "g", url) for url in urls}) == 1


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=20))
def test_a_canonical_url_is_its_own_canonical_url(path: str, query: str, fragment: str) -> None:
    try:
        once = canonicalize_url(f"https://e.org/{path}?{query}#{fragment}")
    except ValueError:
        return
    assert canonicalize_url(once) == once


def test_other_paths_and_parameters_are_other_articles() -> None:
    urls = ["https://example.org/1", "https://example.org/2", "https://example.org/1?page=2", "https://example.com/1"]
    assert len({article_id_of("s", None, url) for url in urls}) == len(urls)


@pytest.mark.parametrize("url", ["ftp://x/y", "javascript:alert(1)", "no url", "https://"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        canonicalize_url(url)


@given(st.text(min_size=1), st.text(min_size=1))
def test_ids_are_uuid5_and_stable(source: str, guid: str) -> None:
    first = article_id_of(source, guid, None)
    assert uuid.UUID(first).version == 5
    assert first == article_id_of(source, guid, None)


def test_parts_cannot_be_shifted_into_each_other() -> None:
    assert article_id_of("a", "b\nc", None) != article_id_of("a\nb", "c", None)
    assert content_hash_of("ab", None, None, None, None) != content_hash_of("a", "b", None, None, None)


def test_an_article_needs_a_name() -> None:
    with pytest.raises(ValueError, match="guid"):
        article_id_of("s", None, None)


def test_everything_stated_makes_a_revision() -> None:
    at = datetime(2023, 1, 1, tzinfo=UTC)
    base = ("text", "title", "https://example.org", at, "en")
    changed = [
        ("text2", *base[1:]),
        ("text", None, *base[2:]),
        (*base[:2], None, *base[3:]),
        (*base[:3], None, "en"),
        (*base[:4], "nl"),
    ]
    hashes = {content_hash_of(*values) for values in [base, *changed]}  # type: ignore[arg-type]
    assert len(hashes) == 6
