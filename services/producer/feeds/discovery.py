"""Finds the feeds of a site: links on the page, sitemaps in robots.txt, and the usual paths of feeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urljoin, urlsplit

from lxml import etree, html

from schemas.feed import Feed, FeedType
from services.producer.feeds.poll import addresses
from services.producer.fetch.client import NO_VALIDATORS, Client, FetchError
from services.producer.fetch.robots import Robots
from services.producer.identity import host_name
from services.producer.sources.base import Entry
from services.producer.sources.documents import Document, NotThisFormatError, Parsed, one_line, web_address
from services.producer.sources.formats import parse_document
from services.producer.sources.text import UndecodableError, decode_text

LINK_TYPES: Final = frozenset(
    {
        "application/rss+xml",
        "application/atom+xml",
        "application/feed+json",
        "application/rdf+xml",
        "application/json",
    }
)
COMMON_PATHS: Final = (
    "/feed",
    "/feed/",
    "/rss",
    "/rss.xml",
    "/feed.xml",
    "/atom.xml",
    "/index.xml",
    "/feed.json",
    "/feeds/posts/default",
    "/news-sitemap.xml",
    "/sitemap-news.xml",
    "/sitemap_news.xml",
)
MAX_LINKS: Final = 20


@dataclass(frozen=True, slots=True)
class FoundFeed:
    """A document that can be collected, with its address and content. `why` says how it was found."""

    url: str
    parsed: Parsed
    why: str

    @property
    def entries(self) -> int:
        """The number of entries in the document. For an index or a list, the number of its parts."""
        return sum(isinstance(item, Entry) for item in self.parsed.items) or len(self.parsed.children)


def linked_feeds(document: Document) -> Iterator[tuple[str, str | None]]:
    """(URL, title) of each `<link rel="alternate">` that is a feed, in the order of the page."""
    try:
        text = decode_text(document.data, document.charset)[0]
        root = html.document_fromstring(text.encode("utf8", "replace"), html.HTMLParser(encoding="utf-8"))
    except (UndecodableError, etree.LxmlError):
        return
    base_element = root.find(".//base[@href]")
    base = urljoin(document.url, base_element.get("href", "")) if base_element is not None else document.url
    for link in root.iter("link", "a"):
        kind = (link.get("type") or "").split(";")[0].strip().lower()
        relation = (link.get("rel") or "").lower().split()
        address = web_address(base, link.get("href"))
        if address and kind in LINK_TYPES and "alternate" in relation:
            yield address, one_line(link.get("title"))


async def fetch_once(client: Client, robots: Robots, feed: Feed, now: datetime) -> tuple[Document, Parsed]:
    """Fetch and parse the document of a feed. FetchError or NotThisFormatError says why that failed."""
    url, headers = addresses(feed)
    check = robots.check if feed.respect_robots else None
    fetched = await client.fetch(url, NO_VALIDATORS, headers, check)
    if fetched.document is None:
        raise NotThisFormatError("the server says that nothing changed, but the request did not ask for that")
    return fetched.document, parse_document(fetched.document, feed.source or host_name(fetched.document.url), now)


async def discover(client: Client, robots: Robots, url: str) -> list[FoundFeed]:
    """The feeds behind a URL: the URL itself, or the feeds that its page and its host offer.

    FetchError when the URL cannot be fetched.
    """
    now = datetime.now(UTC)
    fetched = await client.fetch(url, check=robots.check)
    if fetched.document is None:
        return []
    document = fetched.document
    try:
        parsed = parse_document(document, host_name(document.url), now)
    except NotThisFormatError:
        parsed = Parsed(format="page", type=FeedType.PAGE)
    if parsed.type is not FeedType.PAGE:
        return [FoundFeed(document.url, parsed, "this is a feed itself")]
    found: dict[str, FoundFeed] = {}
    for address, title in list(linked_feeds(document))[:MAX_LINKS]:
        await _try(client, robots, address, f"the page links to it{f' as {title!r}' if title else ''}", found)
    for address in (await robots.sitemaps(document.url))[:MAX_LINKS]:
        await _try(client, robots, address, "robots.txt names it", found)
    if not any(feed.parsed.type is FeedType.FEED for feed in found.values()):
        parts = urlsplit(document.url)
        for path in COMMON_PATHS:
            await _try(client, robots, f"{parts.scheme}://{parts.netloc}{path}", "where feeds usually are", found)
    return sorted(found.values(), key=lambda feed: feed.parsed.type is not FeedType.FEED)


async def _try(client: Client, robots: Robots, url: str, why: str, found: dict[str, FoundFeed]) -> None:
    """Keep a URL if its document can be collected. A document with two addresses is kept once."""
    try:
        fetched = await client.fetch(url, check=robots.check)
        if fetched.document is None:
            return
        parsed = parse_document(fetched.document, host_name(fetched.document.url), datetime.now(UTC))
    except (FetchError, NotThisFormatError):
        return
    if parsed.type in (FeedType.FEED, FeedType.SITEMAP) and (parsed.items or parsed.children):
        found.setdefault(fetched.body_hash or url, FoundFeed(url, parsed, why))
