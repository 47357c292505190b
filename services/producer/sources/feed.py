"""RSS 0.9 to 2.0, RDF, Atom and CDF. feedparser reads them, and this module makes entries from the result."""

from __future__ import annotations

import calendar
import codecs
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import feedparser

from schemas.article import ContentType, Declared, DeclaredBy
from services.common.html import has_markup, to_text
from services.producer.sources.base import Entry
from services.producer.sources.documents import (
    MAX_TITLE_LENGTH,
    MAX_VALUE_LENGTH,
    Document,
    NotThisFormatError,
    Parsed,
    dates,
    language_tag,
    make_safely,
    mend_surrogates,
    names_of,
    one_line,
    root_name,
    scrub,
    tell_apart,
    values,
    web_address,
)
from services.producer.sources.html import clean_fragment, has_words

ROOTS = frozenset({"rss", "rdf", "feed", "channel", "item", "entry"})
MEDIA_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/rdf+xml"})
PERIODS = {"hourly": 3600, "daily": 86400, "weekly": 7 * 86400, "monthly": 30 * 86400, "yearly": 365 * 86400}
"""Seconds for each updatePeriod of the RSS 1.0 syndication module."""
PROLOG = rb"\A((?:\xef\xbb\xbf)?+(?>\s+|<\?.*?\?>|<!--.*?-->)*+)"
"""The text that may precede the document type. The pattern is atomic, so the regular expression never backtracks."""
START = re.compile(PROLOG, re.DOTALL)
INSTRUCTION = re.compile(rb"<\?.*?\?>", re.DOTALL)
DOCTYPE = re.compile(PROLOG + rb"<!DOCTYPE[^>\[]*(\[[^\]]*\]\s*)?>", re.IGNORECASE | re.DOTALL)


class XmlFeed:
    """All XML feed formats that feedparser reads."""

    name = "feed"

    @staticmethod
    def accepts(document: Document) -> bool:
        """Whether the first element is that of a feed. If not, the media type decides."""
        return root_name(document.head) in ROOTS or document.media_type in MEDIA_TYPES

    @staticmethod
    def parse(document: Document, source_id: str, now: datetime) -> Parsed:  # noqa: ARG004 - the signature of all formats
        """Every entry. A broken entry does not affect the others."""
        read = read_feed(document)
        if not read.get("version") and not read.get("entries"):
            raise NotThisFormatError(f"not a feed: {_why(read)}")
        feed = read.get("feed", {})
        language = language_tag(feed.get("language"))
        parsed = Parsed(
            format=read.get("version") or "feed",
            title=one_line(to_text(feed.get("title") or "")),
            language=language,
            ttl_seconds=stated_ttl(feed),
        )
        if read.get("bozo"):
            parsed.notes.append(f"broken XML, read as far as it goes: {_why(read)}")
        base = feed.get("link") or document.url
        found = (
            make_safely(partial(make_entry, entry, feed, source_id, document.url, base), source_id)
            for entry in read.get("entries", ())
        )
        parsed.items = tell_apart(found)
        return parsed


def read_feed(document: Document) -> Mapping[str, Any]:
    """The result of feedparser. It gets a stream, because it would open a file if the bytes were a file name."""
    media_type = document.media_type or "application/xml"
    charset = f"; charset={document.charset}" if document.charset else ""
    # No content-location header: a guid that looks like a relative address would change when the feed moves.
    headers = {"content-type": f"{media_type}{charset}"}
    data = mend_surrogates(short_prolog(DOCTYPE.sub(rb"\1", document.data, count=1)))
    try:
        read: Mapping[str, Any] = feedparser.parse(
            io.BytesIO(data), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as error:  # any exception of the parser is a fault of the document
        raise NotThisFormatError(
            f"cannot be read as a feed: {type(error).__name__}: {scrub(str(error))}"[:300]
        ) from error
    return read


def short_prolog(data: bytes) -> bytes:
    """The document with nothing but its declarations in front of the first element.

    feedparser searches for declarations from every line end there, and its time grows with the square of them.
    """
    prolog = START.match(data)
    if prolog is None:
        return data
    mark = data[:3] if data.startswith(codecs.BOM_UTF8) else b""
    return mark + b"".join(INSTRUCTION.findall(prolog[1])) + data[prolog.end() :]


def _why(read: Mapping[str, Any]) -> str:
    error = read.get("bozo_exception")
    return (one_line(str(error), 200) or type(error).__name__) if error else "it has neither a version nor entries"


def stated_ttl(feed: Mapping[str, Any]) -> int | None:
    """Seconds for which the feed states that it does not change.

    They come from `ttl` (minutes) or from the period of the syndication module.
    """
    ttl = str(feed.get("ttl") or "").strip()
    if ttl.isascii() and ttl.isdigit():
        return int(ttl[:6]) * 60 or None
    period = PERIODS.get(str(feed.get("sy_updateperiod") or "").strip().lower())
    frequency = str(feed.get("sy_updatefrequency") or "1").strip()
    times = int(frequency[:6]) if frequency.isascii() and frequency.isdigit() else 1
    return period // max(1, times) if period else None


def make_entry(entry: Mapping[str, Any], feed: Mapping[str, Any], source_id: str, url: str, base: str) -> Entry:
    """One entry as the feed states it. An entry without guid and link gets a hash of its content as guid."""
    link = web_address(base if base.startswith("http") else url, entry.get("feedburner_origlink") or entry.get("link"))
    title = one_line(to_text(entry.get("title") or ""), MAX_TITLE_LENGTH)
    content, content_type = best_content(entry)
    published, updated = (read_date(entry, name) for name in ("published_parsed", "updated_parsed"))
    stated = one_line(entry.get("id")) or (link or "")[:MAX_VALUE_LENGTH]
    guid, words_name = names_of(stated, title, content, published)
    language = stated_language(entry)
    feed_language = language_tag(feed.get("language"))
    return Entry(
        source_id,
        guid,
        content,
        content_type,
        url=link,
        title=title,
        published_at=published or updated,
        words_name=words_name,
        declared_language=language or feed_language,
        declared=Declared(
            languages=(*values([language], DeclaredBy.ENTRY), *values([feed_language], DeclaredBy.FEED)),
            dates=dates((("published", published), ("updated", updated)), DeclaredBy.ENTRY),
            authors=values(authors(entry), DeclaredBy.ENTRY) or values(authors(feed), DeclaredBy.FEED),
            tags=values((tag.get("label") or tag.get("term") for tag in entry.get("tags", ())), DeclaredBy.ENTRY),
        ),
    )


def best_content(entry: Mapping[str, Any]) -> tuple[str, ContentType]:
    """The longest text of the entry: its content or its summary. Empty when it has neither."""
    candidates = [part for part in entry.get("content", ()) if str(part.get("type", "")).startswith(("text/", "appl"))]
    candidates.append(entry.get("summary_detail") or {"value": entry.get("summary")})
    best = scrub(max((str(part.get("value") or "") for part in candidates), key=len)).strip()
    if has_markup(best):
        cleaned = clean_fragment(best)
        return (cleaned, ContentType.HTML) if has_words(cleaned) else ("", ContentType.TEXT)
    return best, ContentType.TEXT


def read_date(entry: Mapping[str, Any], name: str) -> datetime | None:
    """A date that feedparser could read, in UTC.

    `dict.get` is used because feedparser's own access may return the value of another key.
    """
    parsed = dict.get(entry, name) if isinstance(entry, dict) else None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def stated_language(entry: Mapping[str, Any]) -> str | None:
    """The language that the entry states: `xml:lang` of its parts, or a language element."""
    parts = [*entry.get("content", ()), entry.get("summary_detail") or {}, entry.get("title_detail") or {}]
    return next(filter(None, (language_tag(part.get("language")) for part in (entry, *parts))), None)


def authors(entry: Mapping[str, Any]) -> Iterator[str | None]:
    """The names of the authors, or their e-mail addresses."""
    for author in entry.get("authors", ()):
        yield author.get("name") or author.get("email")
    if not any(entry.get("authors", ())):
        yield entry.get("author")
