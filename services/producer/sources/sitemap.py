"""News sitemaps and sitemap indexes (https://www.sitemaps.org/protocol.html, Google's news extension)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from lxml import etree

from schemas.article import ContentType, Declared, DeclaredBy
from schemas.feed import FeedType
from services.producer.sources.base import Entry
from services.producer.sources.documents import (
    MAX_TITLE_LENGTH,
    MAX_VALUE_LENGTH,
    Child,
    Document,
    Parsed,
    dates,
    iso_date,
    language_tag,
    local,
    namespace,
    one_line,
    parse_xml,
    root_name,
    tell_apart,
    values,
    web_address,
)

RECENT = timedelta(days=7)
"""A page without news tags is taken only if it changed within this time, because a sitemap lists the whole site."""
NEWS_NAMESPACE = "sitemap-news"
"""Part of the namespace of Google's news extension. Sites write several versions of it."""
EXTENSIONS = frozenset({"news", "image", "video"})
W3C_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")


class Sitemap:
    """The formats `urlset` and `sitemapindex`."""

    name = "sitemap"

    @staticmethod
    def accepts(document: Document) -> bool:
        """Whether the first element is `urlset` or `sitemapindex`."""
        return root_name(document.head) in ("urlset", "sitemapindex")

    @staticmethod
    def parse(document: Document, source_id: str, now: datetime) -> Parsed:
        """The addresses with their stated values. Their text must be fetched."""
        root = parse_xml(document.data, "not a sitemap")
        parsed = Parsed(format="sitemap", type=FeedType.SITEMAP)
        if local(root) == "sitemapindex":
            parsed.format = "sitemap-index"
            parsed.children = list(read_children(root, document.url))
            return parsed
        found = [read_address(element, source_id, document.url) for element in root if local(element) == "url"]
        entries = [entry for entry in found if entry is not None]
        kept = [entry for entry in entries if is_news(entry, now)]
        parsed.items = tell_apart(kept)
        for count, what in (
            (len(found) - len(entries), "addresses could not be read"),
            (len(entries) - len(kept), f"addresses left out: no news tags, and no change in {RECENT.days} days"),
        ):
            parsed.notes += [f"{count:,} {what}"] if count else []
        return parsed


def is_news_element(element: etree._Element) -> bool:
    """Whether an element is in the namespace of Google's news extension, or has its usual prefix undeclared."""
    return NEWS_NAMESPACE in namespace(element) or namespace(element) == "news"


def own_fields(element: etree._Element) -> dict[str, str]:
    """The texts of the elements right below, by local name. Elements of pictures and videos are deeper."""
    return _texts(below for below in element if local(below) not in EXTENSIONS)


def news_fields(element: etree._Element) -> dict[str, str]:
    """The texts of the news elements below, by local name. Some sites leave out the namespace or the element `news`."""
    wrapped = (below for child in element if local(child) == "news" for below in child.iterdescendants())
    loose = (below for below in element.iterdescendants(etree.Element) if is_news_element(below))
    return _texts((*wrapped, *loose))


def _texts(elements: Iterable[etree._Element]) -> dict[str, str]:
    """The texts of elements, by local name. The first text of each name counts."""
    found: dict[str, str] = {}
    for element in elements:
        if isinstance(element.tag, str) and element.text and element.text.strip():
            found.setdefault(local(element), element.text.strip())
    return found


def read_children(root: etree._Element, url: str) -> Iterator[Child]:
    """The parts of an index, the last changed first. A limit then cuts off the oldest parts.

    Some sites write the address into the element `sitemap` itself.
    """
    children: list[Child] = []
    for element in root:
        if not isinstance(element.tag, str):
            continue
        stated = own_fields(element)
        link = web_address(url, stated.get("loc") or element.text)
        if link:
            children.append(Child(link, changed_at=read_date(stated.get("lastmod"))))
    oldest = datetime.min.replace(tzinfo=UTC)
    yield from sorted(children, key=lambda child: child.changed_at or oldest, reverse=True)


def read_address(element: etree._Element, source_id: str, url: str) -> Entry | None:
    """One `url` element as an entry. None without an address."""
    stated, news = own_fields(element), news_fields(element)
    link = web_address(url, stated.get("loc") or element.text)
    if link is None:
        return None
    published, updated = read_date(news.get("publication_date")), read_date(stated.get("lastmod"))
    changed = max(filter(None, (published, updated)), default=None)
    language = language_tag(news.get("language"))
    return Entry(
        source_id,
        link[:MAX_VALUE_LENGTH],
        "",
        ContentType.TEXT,
        url=link,
        title=one_line(news.get("title"), MAX_TITLE_LENGTH),
        published_at=published,
        declared_language=language,
        declared=Declared(
            languages=values([language], DeclaredBy.ENTRY),
            dates=dates((("published", published), ("updated", updated)), DeclaredBy.ENTRY),
            tags=values((news.get("keywords") or "").split(","), DeclaredBy.ENTRY),
        ),
        # The date of the last change is the only sign of a change, because an address comes without a text.
        stamp=changed.isoformat() if changed else None,
    )


def is_news(entry: Entry, now: datetime) -> bool:
    """Whether an address has news tags or changed recently."""
    changed = max((date.at for date in entry.declared.dates), default=None)
    return entry.title is not None or (changed is not None and changed > now - RECENT)


def read_date(stated: str | None) -> datetime | None:
    """A W3C date, or date and time. A time without a zone is UTC."""
    text = (stated or "").strip()
    if not W3C_DATE.match(text):
        return None
    return iso_date(text if len(text) > 7 else f"{text}-01")
