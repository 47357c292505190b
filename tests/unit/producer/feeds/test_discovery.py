"""The feeds of a site are found on its page, in its robots.txt and at the usual paths."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.feed import Feed, FeedType
from services.producer.feeds.discovery import COMMON_PATHS, MAX_LINKS, FoundFeed, discover, fetch_once, linked_feeds
from services.producer.fetch.client import NO_VALIDATORS, Failure, Fetched, FetchError
from services.producer.fetch.robots import Robots
from services.producer.sources.documents import Document, NotThisFormatError
from tests.fakes.web import FakeWeb
from tests.web import rss, story

HOME = "https://e.org/"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
BARE = "<html><body><p>Words of a page.</p></body></html>"
NEWS = "<urlset><url><loc>https://e.org/1</loc><news><title>T</title></news></url></urlset>"
INDEX = "<sitemapindex><sitemap><loc>https://e.org/a.xml</loc></sitemap></sitemapindex>"
NOTHING_NEW = Fetched(None, NO_VALIDATORS, None)


def link(target: str, title: str = "", kind: str = "application/rss+xml") -> str:
    return f'<link rel="alternate" type="{kind}" href="{target}" title="{title}">'


def page(*links: str) -> str:
    return f"<html><head>{''.join(links)}</head><body><p>Words of a page.</p></body></html>"


@pytest.fixture
def web() -> FakeWeb:
    return FakeWeb()


def find(web: FakeWeb, url: str = HOME) -> list[FoundFeed]:
    client: Any = web
    return asyncio.run(discover(client, Robots(client, "x"), url))


def test_a_feed_is_found_as_itself_and_nothing_else_is_asked(web: FakeWeb) -> None:
    web.pages[HOME] = rss([story("a", 1), story("a", 2)])
    (found,) = find(web)
    assert (found.url, found.why, found.entries) == (HOME, "this is a feed itself", 2)
    assert web.paths() == [HOME]


def test_an_index_counts_its_parts(web: FakeWeb) -> None:
    web.pages[HOME] = INDEX
    (found,) = find(web)
    assert (found.parsed.type, found.entries) == (FeedType.SITEMAP, 1)


def test_feeds_that_the_page_links_to_come_first_and_custom_is_not_tried_then(web: FakeWeb) -> None:
    web.pages = {
        HOME: page(link("/empty"), link("news.xml", "Latest  news"), link("/gone")),
        "https://e.org/robots.txt": "Sitemap: https://e.org/sitemap.xml",
        "https://e.org/sitemap.xml": NEWS,
        "https://e.org/news.xml": rss([story("a", 1)]),
        "https://e.org/empty": rss([]),
    }
    found = find(web)
    assert [(feed.url, feed.why) for feed in found] == [
        ("https://e.org/news.xml", "the page links to it as 'Latest news'"),
        ("https://e.org/sitemap.xml", "robots.txt names it"),
    ]
    assert not set(web.paths()) & {f"https://e.org{path}" for path in COMMON_PATHS}


def test_where_only_a_sitemap_is_found_the_usual_places_are_tried_and_a_feed_comes_before_it(web: FakeWeb) -> None:
    web.pages = {
        "https://e.org/section/?q=1": BARE,
        "https://e.org/robots.txt": "Sitemap: https://e.org/sitemap.xml",
        "https://e.org/sitemap.xml": NEWS,
        "https://e.org/atom.xml": rss([story("a", 1)]),
    }
    found = find(web, "https://e.org/section/?q=1")
    assert [(feed.url, feed.why) for feed in found] == [
        ("https://e.org/atom.xml", "where feeds usually are"),
        ("https://e.org/sitemap.xml", "robots.txt names it"),
    ]
    assert set(web.paths()) > {f"https://e.org{path}" for path in COMMON_PATHS}


def test_the_same_document_under_two_addresses_is_found_once_by_its_first(web: FakeWeb) -> None:
    feed = rss([story("a", 1)])
    web.pages = {HOME: page(link("/one"), link("/two")), "https://e.org/one": feed, "https://e.org/two": feed}
    assert [feed.url for feed in find(web)] == ["https://e.org/one"]


def test_what_is_no_feed_fails_or_is_forbidden_is_left_out(web: FakeWeb) -> None:
    web.pages = {
        HOME: page(link("/page"), link("/odd"), link("/down"), link("/same"), link("/private/feed"), link("/list")),
        "https://e.org/robots.txt": "User-agent: *\nDisallow: /private",
        "https://e.org/page": BARE,
        "https://e.org/odd": "nothing that can be read",
        "https://e.org/down": FetchError(Failure.SERVER, "the server answers 500"),
        "https://e.org/same": NOTHING_NEW,
        "https://e.org/private/feed": rss([story("a", 1)]),
        "https://e.org/list": '<opml version="2.0"><body><outline xmlUrl="https://a.org/"/></body></opml>',
    }
    assert find(web) == []
    assert "https://e.org/private/feed" not in web.paths()


def test_a_page_that_is_no_document_may_still_have_feeds_at_the_usual_places(web: FakeWeb) -> None:
    web.pages = {HOME: b"\x00\x01\x02", "https://e.org/feed": rss([story("a", 1)])}
    assert [feed.url for feed in find(web)] == ["https://e.org/feed"]


def test_a_url_that_cannot_be_had_says_why_and_one_without_a_document_has_no_feeds(web: FakeWeb) -> None:
    with pytest.raises(FetchError, match="404"):
        find(web)
    web.pages[HOME] = NOTHING_NEW
    assert find(web) == []


def test_of_very_many_links_the_first_ones_are_tried(web: FakeWeb) -> None:
    web.pages[HOME] = page(*(link(f"/f{number}") for number in range(MAX_LINKS + 5)))
    find(web)
    asked = web.paths()
    assert f"https://e.org/f{MAX_LINKS - 1}" in asked
    assert f"https://e.org/f{MAX_LINKS}" not in asked


LINKS = {
    "relative to the page": (link("feed.xml"), [("https://e.org/a/feed.xml", None)]),
    "relative to its base": ('<base href="/b/">' + link("feed.xml"), [("https://e.org/b/feed.xml", None)]),
    "with a title": (link("/f", "News"), [("https://e.org/f", "News")]),
    "with more in its type": (link("/f", kind="Application/Atom+XML; charset=utf-8"), [("https://e.org/f", None)]),
    "as a link in the text": (
        '<a rel="ALTERNATE nofollow" type="application/json" href="/f">',
        [("https://e.org/f", None)],
    ),
    "of another type": (link("/f", kind="text/html"), []),
    "of another relation": ('<link rel="stylesheet" type="application/rss+xml" href="/f">', []),
    "to no web address": (link("javascript:x()"), []),
    "without an address": ('<link rel="alternate" type="application/rss+xml">', []),
    "in their order": (link("/2") + link("/1"), [("https://e.org/2", None), ("https://e.org/1", None)]),
}


@pytest.mark.parametrize("name", LINKS)
def test_links_to_feeds_are_read_from_the_page(name: str) -> None:
    head, expected = LINKS[name]
    assert list(linked_feeds(Document("https://e.org/a/b", page(head).encode()))) == expected


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00\xd8\x41\x00\x61"])
def test_what_is_no_page_links_to_nothing(data: bytes) -> None:
    assert list(linked_feeds(Document(HOME, data))) == []


def once(web: FakeWeb, **values: Any) -> Any:
    client: Any = web
    feed = Feed(**{"id": "f", "url": HOME, **values})
    return asyncio.run(fetch_once(client, Robots(client, "x"), feed, NOW))


def test_a_feed_is_looked_at_once_with_its_headers_and_its_source(
    web: FakeWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_TEST_KEY", "hush")
    web.pages[HOME] = rss([story("a", 1)])
    document, parsed = once(web, headers={"X-Key": "${DRAGOMAN_TEST_KEY}"}, source="Publisher")
    assert document.url == HOME
    assert parsed.items[0].source_id == "Publisher"
    assert [request.headers for request in web.asked if request.url == HOME] == [{"X-Key": "hush"}]
    assert once(web)[1].items[0].source_id == "e.org"


def test_a_look_obeys_robots_where_the_feed_does(web: FakeWeb) -> None:
    web.pages = {HOME: rss([story("a", 1)]), "https://e.org/robots.txt": "User-agent: *\nDisallow: /"}
    with pytest.raises(FetchError, match=r"robots\.txt"):
        once(web)
    assert len(once(web, respect_robots=False)[1].items) == 1


def test_a_server_that_says_unasked_that_nothing_changed_gives_no_feed(web: FakeWeb) -> None:
    web.pages[HOME] = NOTHING_NEW
    with pytest.raises(NotThisFormatError, match="nothing changed"):
        once(web)
