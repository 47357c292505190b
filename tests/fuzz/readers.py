"""Everything that reads bytes of strangers, each as a function of bytes that keeps the promises or raises."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.article import DateSource, EnrichedArticle, GroupedArticle, RawArticle
from schemas.base import Record
from schemas.dead_letter import DeadLetter
from schemas.feed import Columns
from schemas.story import Story, StoryEdit
from services.common.messages import RejectedMessage, decode, encode, header_int
from services.normalizer import dates
from services.producer.fetch.client import FetchError, check_url, fresh_seconds, retry_after_seconds
from services.producer.identity import canonicalize_url
from services.producer.sources import SourceError, SourceOptions, documents, open_source, sitemap, warc
from services.producer.sources.documents import Document, NotThisFormatError
from services.producer.sources.formats import parse_document
from services.producer.sources.jsonl import read_json_row
from services.producer.sources.page import article_text
from services.producer.sources.rows import to_entry
from tests.fuzz import seeds
from tests.fuzz.promises import (
    NOW,
    check_address,
    check_items,
    check_parsed,
    check_text,
    check_time,
    demand,
)

URL: Final = "https://news.example/feed"
OPTIONS: Final = SourceOptions(source_id=None, max_article_bytes=100_000, max_document_bytes=1_000_000)
COLUMNS: Final = Columns(guid="nr", content="meta.body", title="head", published_at="meta.at", authors="by")
LANGUAGES: Final = ("en", "nl", "de", "es", "ja", "ar", "vi", "und")
Read = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader with the seeds of its inputs."""

    name: str
    seeds: Sequence[bytes]
    read: Read


def record(kind: type[Record]) -> Read:
    """Decodes a message. What can be decoded can be encoded and decoded again. RejectedMessage is allowed."""

    def read(data: bytes) -> None:
        try:
            found = decode(kind, data)
        except RejectedMessage as error:
            check_text(error.reason, "the reason of a dead letter")
            return
        demand(decode(kind, encode(found)) == found, "a record survives its encoding")

    return read


def header(data: bytes) -> None:
    """Reads a number from a header of a message. None for anything else than a positive number."""
    found = header_int({"n": data}, "n")
    demand(found is None or found > 0, "a number in a header is positive")


def document(media_type: str = "") -> Read:
    """Parses a document. NotThisFormatError is allowed."""

    def read(data: bytes) -> None:
        parse(Document(URL, data, media_type))

    return read


def parse(given: Document) -> None:
    """Parse a document and check the result. NotThisFormatError is allowed, with a message that can be printed."""
    try:
        parsed = parse_document(given, "news", NOW)
    except NotThisFormatError as error:
        check_text(str(error), "the reason why a document has no format")
        return
    check_parsed(parsed)


def claimed(data: bytes) -> None:
    """Parses a document. Its first line is the header `Content-Type` of the server."""
    first, _, rest = data.partition(b"\n")
    stated = first.replace(b"\x00", b"").replace(b"\r", b"").decode("utf8", "surrogateescape")
    media_type, charset = warc.read_content_type(stated)
    parse(Document(URL, rest, media_type, charset))


def text_of_page(data: bytes) -> None:
    """Finds the article in a page. NotThisFormatError is allowed."""
    with contextlib.suppress(NotThisFormatError):
        check_text(article_text(data.decode("utf8", "replace")), "the text of a page")


def file(name: str, pack: Callable[[bytes], bytes] = bytes, columns: Columns | None = None) -> Read:
    """Reads a file of this name. SourceError is allowed."""
    options = OPTIONS
    if columns is not None:
        options = SourceOptions(source_id=None, max_article_bytes=100_000, columns=columns)

    def read(data: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="dragoman-fuzz-") as folder:
            path = Path(folder) / name
            path.write_bytes(pack(data))
            try:
                check_items(open_source(path, options).entries())
            except SourceError as error:
                check_text(str(error), "the reason why a file is no source")

    return read


def topic_message(data: bytes) -> None:
    """Reads a message of a foreign topic with a column map. A text says what is wrong with it."""
    row = read_json_row(data, COLUMNS, default_guid="topic/0/1")
    if isinstance(row, str):
        check_text(row, "the reason of a refusal")
    else:
        check_items([to_entry(row, "message", None, "topic", 100_000, data)])


def text(read: Callable[[str], None]) -> Read:
    """A reader of text as a reader of bytes. Bytes that are not UTF-8 come as HTTP headers give them."""
    return lambda data: read(data.decode("utf8", "surrogateescape"))


def line_of_text(line: str) -> None:
    """Reads the dates of a line of an article in several languages. The normalizer gives lines with single spaces."""
    line = " ".join(line.split())
    for language in LANGUAGES:
        for found in (
            dates.read_line(line, language, NOW, DateSource.TEXT),
            *(split[0] for split in (dates.glued_header(line, language, NOW),) if split),
            *(split[0] for split in (dates.glued_trailer(line, language, NOW),) if split),
        ):
            for date in found.dates if found else ():
                check_time(date.at)
                demand(dates.is_plausible(date.at, NOW), "a stated date is plausible")


def stated_date(stated: str) -> None:
    """Reads a date of an entry, a sitemap or an archive. None for anything else."""
    for found in (documents.iso_date(stated), sitemap.read_date(stated), warc.read_date(stated)):
        check_time(found)


def date_header(stated: str) -> None:
    """Reads the headers of HTTP with times. None for anything else."""
    for headers in ({"Cache-Control": stated}, {"Expires": stated}, {"Expires": stated, "Date": stated}):
        check_wait(fresh_seconds(headers, NOW))
    check_wait(retry_after_seconds(stated, NOW))


def check_wait(seconds: int | None) -> None:
    """A wait is between nothing and a day."""
    demand(seconds is None or 0 <= seconds <= 86_400, "a wait is at most a day")


def canonical_url(url: str) -> None:
    """Makes the canonical spelling of a URL, which is a URL too. ValueError is allowed for what is no URL."""
    try:
        found = canonicalize_url(url)
    except ValueError:
        return
    try:
        again = canonicalize_url(found)
    except ValueError:
        again = ""
    demand(bool(again), "a canonical URL is a URL")


def link(url: str) -> None:
    """Resolves a link of a document. None for anything else than an address of the web."""
    found = documents.web_address(URL, url)
    if found is not None:
        check_address(found)
        demand("${" not in found, "a link does not read the environment")


def fetched_url(url: str) -> None:
    """Checks a URL before it is fetched. FetchError is allowed."""
    try:
        check_url(url)
    except FetchError as error:
        check_text(error.reason, "the reason of a refusal")
        return
    check_address(url)


CLAIMS: Final = (
    b"text/html; charset=utf-16", b"text/html; charset=utf-7", b"text/html; charset=hz",
    b"text/html; charset=idna", b"text/html; charset=punycode", b"text/html; charset=unicode_escape",
    b"text/html; charset=iso-2022-jp", b"application/rss+xml; charset=windows-1252",
    b"application/atom+xml; charset=utf-32", b"text/xml; charset=ebcdic",
    b"application/feed+json; charset=shift_jis",
)  # fmt: skip
RSS, ATOM, RDF = seeds.seed("rss.xml"), seeds.seed("atom.xml"), seeds.seed("rdf.xml")
SITEMAP, INDEX, OPML = seeds.seed("sitemap.xml"), seeds.seed("sitemap-index.xml"), seeds.seed("feeds.opml")
JSON, PAGE = seeds.seed("feed.json"), seeds.seed("page.html")
DATES, URLS = seeds.lines("dates.txt"), seeds.lines("urls.txt")
ARCHIVE: Final = seeds.ARCHIVE
ZSTD: Final = (seeds.zstd(ARCHIVE), seeds.zstd_with_dictionary(ARCHIVE))

READERS: Final[tuple[Reader, ...]] = (
    Reader("raw", seeds.messages("articles.raw"), record(RawArticle)),
    Reader("enriched", seeds.messages("articles.enriched"), record(EnrichedArticle)),
    Reader("grouped", seeds.messages("articles.grouped"), record(GroupedArticle)),
    Reader("story", seeds.messages("stories"), record(Story)),
    Reader("edit", seeds.messages("stories.edits"), record(StoryEdit)),
    Reader("dead", seeds.messages("articles.dead"), record(DeadLetter)),
    Reader("header", (b"1", b"12", b"1772600767"), header),
    Reader("rss", (RSS,), document("application/rss+xml")),
    Reader("atom", (ATOM,), document("application/atom+xml")),
    Reader("rdf", (RDF, RSS), document()),
    Reader("sitemap", (SITEMAP,), document()),
    Reader("sitemap index", (INDEX, SITEMAP), document()),
    Reader("opml", (OPML,), document()),
    Reader("json feed", (JSON,), document()),
    Reader("page", (PAGE,), document("text/html")),
    Reader("any document", (RSS, ATOM, RDF, SITEMAP, INDEX, OPML, JSON, PAGE), document()),
    Reader("claimed", tuple(claim + b"\n" + data for claim in CLAIMS for data in (RSS, JSON, PAGE)), claimed),
    Reader("text of a page", (PAGE,), text_of_page),
    Reader("warc", (ARCHIVE,), file("a.warc")),
    Reader("warc, then gzip", (ARCHIVE,), file("a.warc.gz", seeds.gzipped)),
    Reader("warc, then zstd", (ARCHIVE,), file("a.warc.zst", seeds.zstd)),
    Reader("gzip", (seeds.gzipped(ARCHIVE),), file("a.warc.gz")),
    Reader("zstd", ZSTD, file("a.warc.zst")),
    Reader("jsonl", (seeds.seed("articles.jsonl"),), file("a.jsonl")),
    Reader("jsonl with columns", (seeds.seed("columns.jsonl"),), file("a.jsonl", columns=COLUMNS)),
    Reader("topic", seeds.lines("columns.jsonl") + seeds.lines("articles.jsonl"), topic_message),
    Reader("csv", (seeds.seed("articles.csv"),), file("a.csv")),
    Reader("tsv", (seeds.seed("articles.tsv"),), file("a.tsv")),
    Reader("line of text", DATES, text(line_of_text)),
    Reader("stated date", DATES, text(stated_date)),
    Reader("date header", DATES, text(date_header)),
    Reader("canonical url", URLS, text(canonical_url)),
    Reader("link", URLS, text(link)),
    Reader("fetched url", URLS, text(fetched_url)),
)
