"""Rows of one hostile token in a place where a reader meets them. The time may grow with the size, not its square."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.fuzz.faults import limit_seconds, seconds_of
from tests.fuzz.promises import demand
from tests.fuzz.readers import READERS, Read

SIZES: Final = (25_000, 100_000, 400_000)
"""Each size is four times the one before."""
ENOUGH_BYTES: Final = 100_000
MAX_FACTOR: Final = 8.0
"""Four times the size takes 4 times as long when the time grows with the size, and 16 times with its square."""
MIN_SECONDS: Final = 0.5
"""Shorter times say nothing about growth."""
SPACES: Final = (b" ", b"\n", b"\t", b"\xc2\xa0")
XML: Final = (
    b"<", b"<!--", b"<![CDATA[", b"<?", b"<!DOCTYPE r [", b"&", b"&#55357;", b"&#x", b"&lt;", b"&lt;b",
    b"&lt;a ", b"&lt;!--", b"&lt;p&gt;", b"<p>", b"<b", b"</", b"<a b='", b"]]>", b"\xff", *SPACES,
)  # fmt: skip
FEED: Final = (b"<!--", b"<![CDATA[", b"<?", b"&", b"&#55357;", b"&lt;b", b"&lt;!--", b"<p>", b"\xff", *SPACES)
"""The tokens for feedparser, which takes some seconds for every megabyte."""
HTML: Final = (
    b"<", b"<!--", b"<![CDATA[", b"<?", b"&", b"&#55357;", b"<p>", b"<div>", b"<b",
    b"<script>", b"<table>", b"<svg>", b"<html lang='", b"</", b"\xff", *SPACES,
)  # fmt: skip
JSON: Final = (
    b"[",
    b"{",
    b'{"',
    b'"items":[',
    b'{"a":',
    b"9",
    b"\\",
    b"\\u",
    b'"',
    b",",
    b"{},",
    b"<b",
    b"<!--",
    *SPACES,
)
TEXT: Final = (
    b"9",
    b"9-",
    b"2026-01-01 ",
    b"1 may ",
    b"may ",
    b".",
    b". ",
    b"(",
    b"/",
    b"%",
    b"xn--",
    b"a.",
    b"\xff",
    *SPACES,
)
LINKS: Final = (
    b"%",
    b"%41",
    b"xn--",
    b"a.",
    b"/",
    b"../",
    b"[",
    b"@",
    b":",
    b"&",
    b"&a=",
    b"?",
    b"#",
    b"9",
    b"\xff",
    *SPACES,
)
ROWS: Final = (b"9", b'"', b'""', b",", b";", b"\r", b"\n", b'"\n', b"[", b'{"', b'{"a":', b"\x00", b"\xff", *SPACES)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tokens stand: between these bytes, for this reader."""

    name: str
    reader: str
    before: bytes
    after: bytes
    tokens: tuple[bytes, ...]


RSS: Final = b'<rss version="2.0"><channel>'
ITEM: Final = RSS + b"<item><guid>g</guid><title>T</title>"
RSS_END: Final = b"</channel></rss>"
ATOM: Final = b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>a</id><content type="xhtml"><div>'
JSON_FEED: Final = b'{"version":"https://jsonfeed.org/version/1.1",'
HTTP: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
RECORD: Final = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.example/\r\n"
PLACES: Final = (
    Place("rss head", "rss", b"", ITEM + b"</item>" + RSS_END, FEED),
    Place("rss comment", "rss", b"<!--", b"-->" + ITEM + b"</item>" + RSS_END, (b"-", b"<!ENTITY", *SPACES)),
    Place("rss channel", "rss", RSS, RSS_END, (*FEED, b"<item>", b"<x:y>")),
    Place("rss description", "rss", ITEM + b"<description>", b"</description></item>" + RSS_END, FEED),
    Place("rss cdata", "rss", ITEM + b"<description><![CDATA[", b"]]></description></item>" + RSS_END, HTML),
    Place("rss title", "rss", RSS + b"<item><title>", b"</title></item>" + RSS_END, FEED),
    Place("rss date", "rss", ITEM + b"<pubDate>", b"</pubDate></item>" + RSS_END, TEXT),
    Place("rss link", "rss", ITEM + b"<link>http://a.example/", b"</link></item>" + RSS_END, LINKS),
    Place(
        "atom content",
        "atom",
        ATOM,
        b"</div></content></entry></feed>",
        (b"<!--", b"<![CDATA[", b"<p>", b"<b", b"&#55357;", *SPACES),
    ),
    Place(
        "sitemap", "sitemap", b"<urlset>", b"</urlset>", (*XML, b"<url>", b"<url><loc>http://a.example/</loc></url>")
    ),
    Place("sitemap loc", "sitemap", b"<urlset><url><loc>http://", b"</loc></url></urlset>", LINKS),
    Place("sitemap index", "sitemap index", b"<sitemapindex>", b"</sitemapindex>", (*XML, b"<sitemap>", b"<loc>")),
    Place(
        "opml", "opml", b"<opml><body>", b"</body></opml>", (*XML, b"<outline>", b"<outline text='a'>", b"<outline/>")
    ),
    Place("json", "json feed", JSON_FEED, b"}", JSON),
    Place("json items", "json feed", JSON_FEED + b'"items":[', b"]}", JSON),
    Place("json html", "json feed", JSON_FEED + b'"items":[{"id":1,"content_html":"', b'"}]}', HTML),
    Place("json title", "json feed", JSON_FEED + b'"items":[{"id":1,"title":"', b'"}]}', HTML),
    Place("page head", "page", b"", b"<html><body>words</body></html>", HTML),
    Place("page body", "page", b"<html lang='en'><body><p>", b"</p>words</body></html>", HTML),
    Place("page tag", "page", b"<html ", b"><body>words</body></html>", (*HTML, b"lang=", b'lang="')),
    Place("text of a page", "text of a page", b"<html><body><article><p>", b"</p>words</article></body></html>", HTML),
    Place("warc headers", "warc", RECORD, b"\r\nContent-Length: 2\r\n\r\nab\r\n\r\n", ROWS),
    Place("warc body", "warc", RECORD + b"Content-Length: 9000000\r\n\r\n" + HTTP + b"\r\n", b"", HTML),
    Place("jsonl", "jsonl", b'{"guid": "1", "content": ', b"}", (*JSON, *ROWS)),
    Place("csv", "csv", b"guid,content\r\n1,", b"\r\n", ROWS),
    Place("csv head", "csv", b"", b"\r\nguid,content\r\n1,2\r\n", ROWS),
    Place("record", "raw", b'{"article_id": ', b"}", JSON),
    Place("line of text", "line of text", b"Published 4 March 2026 ", b" the end", TEXT),
    Place("stated date", "stated date", b"2026-03-04", b"", TEXT),
    Place("date header", "date header", b"", b", 04 Mar 2026 05:06:07 GMT", TEXT),
    Place("canonical url", "canonical url", b"http://a.example/", b"", LINKS),
    Place("canonical host", "canonical url", b"http://", b".example/", LINKS),
    Place("link", "link", b"http://", b"", LINKS),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A token that is repeated in a place."""

    place: Place
    token: bytes

    @property
    def name(self) -> str:
        """The name by which the row is known."""
        return f"{self.place.name}: {self.token.decode('utf8', 'backslashreplace')!r}"

    def of_size(self, size: int) -> bytes:
        """An input of about this many bytes."""
        return self.place.before + self.token * (size // len(self.token)) + self.place.after


def rows() -> Iterator[Row]:
    """Every token in every place."""
    for place in PLACES:
        yield from (Row(place, token) for token in dict.fromkeys(place.tokens))


def read_of(place: Place) -> Read:
    """The reader of a place. Its faults are found by the other tests."""
    read = next(reader.read for reader in READERS if reader.name == place.reader)

    def forgiving(data: bytes) -> None:
        with contextlib.suppress(Exception):
            read(data)

    return forgiving


def check_growth(row: Row) -> None:
    """Read the row in growing sizes. It is a broken promise when one takes too long, or much longer than a quarter.

    A size whose time can be measured well is the last one.
    """
    read, before = read_of(row.place), 0.0
    for smaller, size in zip((0, *SIZES), SIZES, strict=False):
        seconds = seconds_of(read, row.of_size(size))
        demand(seconds <= limit_seconds(size), "the time is within the limit")
        if is_steep(seconds, before):  # once more, because a busy machine is no fault
            before = min(before, seconds_of(read, row.of_size(smaller)))
            seconds = min(seconds, seconds_of(read, row.of_size(size)))
            demand(not is_steep(seconds, before), "the time grows with the size")
        if size >= ENOUGH_BYTES and seconds >= MIN_SECONDS:
            return
        before = seconds


def is_steep(seconds: float, before: float) -> bool:
    """Whether the time is much more than four times that of a quarter of the size."""
    return seconds >= MIN_SECONDS and 0 < before * MAX_FACTOR < seconds
