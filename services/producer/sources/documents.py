"""Common types and functions of all document formats. A document is a feed, a sitemap, a page or a list of feeds."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from lxml import etree
from pydantic import TypeAdapter, ValidationError

from schemas.article import Declared, DeclaredBy, DeclaredDate, DeclaredValue, LanguageCode
from schemas.feed import FeedType
from services.common.html import to_text
from services.producer.identity import content_hash_of
from services.producer.sources.base import Entry, Problem, ProblemKind

HEAD_BYTES = 4096
TAIL_BYTES = 512
DOCUMENT_END = re.compile(
    rb"</\s*(?:[\w.-]+:)?(?:rss|feed|rdf|urlset|sitemapindex|opml|html|channel)\s*>(?:\s*<!--.*?-->)?$",
    re.IGNORECASE | re.DOTALL,
)
MAX_VALUES = 50
"""Maximum number of authors, tags, languages or dates of one entry. More values are noise."""
MAX_VALUE_LENGTH = 1024
MAX_TITLE_LENGTH = 10_000
UNIX_SECONDS = re.compile(r"\d{9,16}(?:\.\d+)?")
EARLIEST_UNIX, LATEST_UNIX = 631_152_000, 4_102_444_800
YEAR_FIRST = re.compile(r"^(\d{4})[/.](\d{2})[/.](\d{2})")
DAY_AND_TIME = re.compile(r"^(\d{4}-\d{2}-\d{2}) +(?=\d)")
ZONE_WORD = re.compile(r" ?(?:UTC|GMT|Z)$", re.IGNORECASE)
SURROGATES = re.compile(rb"(?:&#(?:0*5[567]\d{3}|[xX]0*[dD][89a-fA-F][0-9a-fA-F]{2});)+")
BLANK = re.compile(r"\s+")
LANGUAGE: TypeAdapter[str] = TypeAdapter(LanguageCode)
LEADING = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*")


@dataclass(frozen=True, slots=True)
class Document:
    """A fetched or read file: its bytes, its address, and the media type and charset from the server."""

    url: str
    data: bytes
    media_type: str = ""
    charset: str | None = None

    @property
    def is_ended(self) -> bool:
        """Whether the document ends as a whole document does: with the end of its root element, or of its object."""
        tail = self.data[-TAIL_BYTES:].rstrip(b"\x00 \t\r\n")
        return DOCUMENT_END.search(tail) is not None or (self.head.startswith(b"{") and tail.endswith(b"}"))

    @property
    def head(self) -> bytes:
        """The beginning of the document, without byte order mark and leading white space."""
        start = LEADING.match(self.data)
        begin = start.end() if start else 0
        return self.data[begin : begin + HEAD_BYTES]


@dataclass(frozen=True, slots=True)
class Child:
    """A document that this one links to: a part of a sitemap index, or a feed of an OPML list."""

    url: str
    title: str | None = None
    changed_at: datetime | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None


@dataclass(slots=True)
class Parsed:
    """The content of a document: entries and problems in order, values about the document, and its children."""

    format: str
    type: FeedType = FeedType.FEED
    items: list[Entry | Problem] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    title: str | None = None
    language: str | None = None
    ttl_seconds: int | None = None
    notes: list[str] = field(default_factory=list)


class NotThisFormatError(Exception):
    """The document does not have this format. The message says why, for a person."""


class Format(Protocol):
    """One document format."""

    name: str

    def accepts(self, document: Document) -> bool:
        """Whether the document looks like this format. Only its beginning is checked."""

    def parse(self, document: Document, source_id: str, now: datetime) -> Parsed:
        """Parse the document. NotThisFormatError when it does not have this format after all."""


def root_name(head: bytes) -> str:
    """The local name of the first element in lower case. Empty when there is no element."""
    text = head.replace(b"\x00", b"")
    match = re.search(
        rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)", re.sub(rb"<!--.*?(-->|$)", b"", text, flags=re.DOTALL)
    )
    return match[1].decode("ascii", "replace").lower() if match else ""


def safe_parser() -> etree.XMLParser:
    """An XML parser without entities, DTDs and network. It reads broken XML as far as possible."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        recover=True,
        remove_comments=True,
    )


def parse_xml(data: bytes, what: str) -> etree._Element:
    """The root element. NotThisFormatError when there is none."""
    try:
        root = etree.fromstring(mend_surrogates(data), safe_parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotThisFormatError(f"{what}: {error}") from error
    if root is None:
        raise NotThisFormatError(f"{what}: no element can be read")
    return root


def local(element: etree._Element) -> str:
    """The name of an element in lower case, without its namespace or prefix. Empty for a comment."""
    return element.tag.rpartition("}")[2].rpartition(":")[2].lower() if isinstance(element.tag, str) else ""


def namespace(element: etree._Element) -> str:
    """The namespace of an element, or its prefix when that is not declared. Empty when it has neither."""
    tag = element.tag if isinstance(element.tag, str) else ""
    return tag[1:].partition("}")[0] if tag.startswith("{") else tag.rpartition(":")[0]


def mend_surrogates(data: bytes) -> bytes:
    """The XML with the references to halves of a surrogate pair joined. Some generators write emoji as halves."""
    return SURROGATES.sub(_join_surrogates, data)


def _join_surrogates(match: re.Match[bytes]) -> bytes:
    halves = re.findall(rb"&#([xX]?)([0-9a-fA-F]+);", match[0])
    text = scrub("".join(chr(int(digits, 16 if prefix else 10)) for prefix, digits in halves))
    return b"".join(b"&#%d;" % ord(character) for character in text)


def scrub(text: str) -> str:
    """The text as valid Unicode. Two halves of a surrogate pair are joined. A single half becomes U+FFFD.

    Some feeds write the halves as two character references.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def make_safely(make: Callable[[], Entry | Problem], source_id: str) -> Entry | Problem:
    """Make one entry. An exception becomes a problem of this entry and does not affect other entries."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - a bad entry must not stop its feed
        reason = f"cannot be read: {type(error).__name__}: {scrub(str(error))}"[:300]
        return Problem(
            source_id, f"unreadable-{hashlib.sha256(reason.encode()).hexdigest()[:16]}", ProblemKind.INVALID, reason
        )


def one_line(text: str | None, limit: int = MAX_VALUE_LENGTH) -> str | None:
    """The text on one line with single spaces, cut at `limit`. None for an empty text."""
    folded = BLANK.sub(" ", scrub(text or "")).strip()
    return folded[:limit] or None


def web_address(base: str, link: str | None) -> str | None:
    """A link as an absolute http(s) URL. None for anything else."""
    if not link or not link.strip():
        return None
    try:
        joined = urljoin(base, BLANK.sub("", link.strip()))
        parts = urlsplit(joined)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
    except ValueError:
        return None
    # `${NAME}` is replaced by environment variables in the user's own feeds file. Links of others must not do that.
    joined = joined.replace("${", "%24%7B")
    is_web = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and len(joined) <= 8000
    return joined if is_web else None


def language_tag(text: str | None) -> str | None:
    """A BCP 47 tag as feeds write it (also `en_GB`). None for anything else."""
    try:
        return LANGUAGE.validate_python((text or "").strip().replace("_", "-"))
    except ValidationError:
        return None


def iso_date(stated: str | None) -> datetime | None:
    """An ISO 8601 date, or date and time, in UTC. A time without a zone is UTC. None for anything else."""
    try:
        read = datetime.fromisoformat(stated.strip()) if stated else None
        return read.replace(tzinfo=read.tzinfo or UTC).astimezone(UTC) if read else None
    except (ValueError, OverflowError):
        return None


def stated_date(stated: object) -> datetime | None:  # noqa: PLR0911 - one return for each form
    """A date as files state it, in UTC: ISO 8601, with slashes or dots, RFC 2822, or Unix seconds or milliseconds.

    A time without a zone is UTC. None for anything else, and for `03/04/2026`, which has two meanings.
    """
    if isinstance(stated, datetime):
        return stated.replace(tzinfo=stated.tzinfo or UTC).astimezone(UTC)
    if isinstance(stated, int | float) and not isinstance(stated, bool):
        return _unix_date(float(stated))
    text = BLANK.sub(" ", str(stated)).strip()
    if UNIX_SECONDS.fullmatch(text):
        return _unix_date(float(text))
    numeric = YEAR_FIRST.sub(r"\1-\2-\3", text)
    read = iso_date(ZONE_WORD.sub("+00:00", DAY_AND_TIME.sub(r"\1T", numeric)))
    if read is not None:
        return read
    try:
        mailed = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    try:
        return mailed.replace(tzinfo=mailed.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return None


def _unix_date(seconds: float) -> datetime | None:
    """A date from Unix seconds, milliseconds or microseconds, whichever lies between 1990 and 2100."""
    for scale in (1.0, 1e3, 1e6):
        if EARLIEST_UNIX <= seconds / scale <= LATEST_UNIX:
            return datetime.fromtimestamp(seconds / scale, UTC)
    return None


def values(texts: Iterable[str | None], source: DeclaredBy) -> tuple[DeclaredValue, ...]:
    """Distinct, non-empty values in order, with limits on their number and length."""
    kept = dict.fromkeys(filter(None, (one_line(text) for text in texts)))
    return tuple(DeclaredValue(value=text, source=source) for text in list(kept)[:MAX_VALUES])


def dates(stated: Iterable[tuple[str, datetime | None]], source: DeclaredBy) -> tuple[DeclaredDate, ...]:
    """The dates that could be read, with their kinds."""
    return tuple(DeclaredDate(kind=kind, at=at, source=source) for kind, at in stated if at is not None)


def words_of(content: str) -> str:
    """The words of a text or of HTML, with single spaces. Markup, pictures and addresses of links are left out."""
    return BLANK.sub(" ", to_text(content)).strip()


def entry_hash(entry: Entry) -> str:
    """The hash of the words of an entry, its language, and the path of its URL. A new hash means a changed entry.

    Dates, pictures, attributes and the parameters of links change at every visit of some sites, so they do not count.
    The date of a row in a file does: nobody changes it by accident.
    """
    place = urlsplit(entry.url).path if entry.url else None
    title = one_line(entry.title, MAX_TITLE_LENGTH)
    stated = None if entry.declared.dates else entry.published_at
    return content_hash_of(words_of(entry.content), title, place, stated, f"{entry.declared_language}\n{entry.stamp}")


def names_of(stated: str, title: str | None, content: str, published: datetime | None) -> tuple[str, str | None]:
    """The guid and the `words_name` of an entry that states this guid or link. Without one, both are made."""
    if stated:
        return stated, None
    made = content_hash_of("" if title else content, title, None, published, None)
    return made, content_hash_of(words_of(content), title, None, None, None)


def likeness(entry: Entry) -> str:
    """A short hash of the title, or of the words when there is no title. It tells entries with one guid apart."""
    return short_hash(entry.title or words_of(entry.content))


def short_hash(text: str) -> str:
    """16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf8", "replace")).hexdigest()[:16]


def tell_apart(items: Iterable[Entry | Problem]) -> list[Entry | Problem]:
    """Make the entries of one document distinct: two entries are two articles.

    Entries with the same guid get their URL as guid, or the guid with a hash of their title (and of their words) when
    the URL is the same too. When they do not differ at all, the second entry becomes a problem. Entries that link to
    the same page are marked with `shares_url`, so that their guid tells them apart and not their URL. Entries with the
    same words are numbered in their `words_name`.
    """
    listed = list(items)
    entries = [item for item in listed if isinstance(item, Entry)]
    guids = Counter(entry.guid for entry in entries)
    places = Counter((entry.guid, entry.url) for entry in entries)
    repeated = [entry for entry in entries if places[entry.guid, entry.url] > 1]
    titles = Counter((entry.guid, entry.url, likeness(entry)) for entry in repeated)
    seen: set[str] = set()
    words: Counter[str] = Counter()
    distinct: list[Entry | Problem] = []
    for item in listed:
        kept = item
        if isinstance(kept, Entry) and guids[kept.guid] > 1:
            if places[kept.guid, kept.url] == 1 and kept.url:
                kept = replace(kept, guid=kept.url[:MAX_VALUE_LENGTH])
            else:
                is_one_title = titles[kept.guid, kept.url, likeness(kept)] > 1
                kept = with_hash(kept, short_hash(words_of(kept.content)) if is_one_title else likeness(kept))
        if isinstance(kept, Entry) and kept.guid in seen:
            reason = "has the same guid, address, title and words as an earlier entry"
            kept = Problem(kept.source_id, kept.guid, ProblemKind.REPEATED, reason)
        if isinstance(kept, Entry) and kept.words_name is not None:
            words[kept.words_name] += 1
            kept = replace(kept, words_name=f"{kept.words_name} {words[kept.words_name]}")
        seen.add(kept.guid)
        distinct.append(kept)
    return mark_shared_urls(distinct)


def with_hash(entry: Entry, hashed: str) -> Entry:
    """The entry with a hash behind its guid, which it shares with other entries of its feed."""
    return replace(entry, guid=f"{entry.guid[: MAX_VALUE_LENGTH - 17]}#{hashed}", shared_guid=entry.guid)


def mark_shared_urls(items: Iterable[Entry | Problem]) -> list[Entry | Problem]:
    """Mark entries with different guids that link to the same URL, letter by letter.

    URLs that differ only in tracking parameters are not the same in this sense: they lead to one article.
    """
    listed = list(items)
    guids: dict[str, set[str]] = defaultdict(set)
    for item in listed:
        if isinstance(item, Entry) and item.url:
            guids[item.url.strip()].add(item.guid)
    shared = {url for url, found in guids.items() if len(found) > 1}
    return [
        replace(item, shares_url=True) if isinstance(item, Entry) and (item.url or "").strip() in shared else item
        for item in listed
    ]


def within_limit(item: Entry | Problem, max_bytes: int) -> Entry | Problem:
    """The entry if it is small enough for Kafka. Otherwise a problem with the bytes of the entry."""
    if isinstance(item, Problem) or len(item.content) * 4 <= max_bytes:
        return item
    data = item.content.encode("utf8", "replace")
    if len(data) <= max_bytes:
        return item
    reason = f"has {len(data):,} bytes; the limit is {max_bytes:,}"
    return Problem(item.source_id, item.guid, ProblemKind.TOO_LARGE, reason, data=data)


def add_declared(entry: Entry, tags: Iterable[str], language: str | None) -> Entry:
    """The entry with the tags of its feed from the configuration, and with the language if the entry states none."""
    own = values(tags, DeclaredBy.CONFIGURATION)
    languages = entry.declared.languages
    if language and entry.declared_language is None:
        languages = (*languages, DeclaredValue(value=language, source=DeclaredBy.CONFIGURATION))
    declared = Declared(
        languages=languages,
        dates=entry.declared.dates,
        authors=entry.declared.authors,
        tags=(*entry.declared.tags, *own),
    )
    return replace(entry, declared=declared, declared_language=entry.declared_language or language)
