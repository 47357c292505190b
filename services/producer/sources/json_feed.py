"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/). A cut-off file is read up to the break."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from schemas.article import ContentType, Declared, DeclaredBy
from services.common.html import to_text
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.sources.documents import (
    MAX_TITLE_LENGTH,
    MAX_VALUE_LENGTH,
    Document,
    NotThisFormatError,
    Parsed,
    dates,
    iso_date,
    language_tag,
    make_safely,
    names_of,
    one_line,
    scrub,
    tell_apart,
    values,
    web_address,
)
from services.producer.sources.html import clean_fragment, has_words
from services.producer.sources.json_text import repair_escapes
from services.producer.sources.text import UndecodableError, decode_text

MAX_BROKEN = 1000
NEXT_ITEM = re.compile(r"\}\s*,\s*\{")
BLANKS = re.compile(r"[ \t\r\n,]*")
ITEMS = re.compile(r'"items"\s*:\s*\[')


class JsonFeed:
    """The format JSON Feed."""

    name = "json-feed"

    @staticmethod
    def accepts(document: Document) -> bool:
        """Whether the document is an object that names the format or has items."""
        head = document.head
        return head.startswith(b"{") and (b"jsonfeed.org" in head or b'"items"' in document.data)

    @staticmethod
    def parse(document: Document, source_id: str, now: datetime) -> Parsed:  # noqa: ARG004 - the signature of all formats
        """Every item. In a broken file, every item before the break."""
        read = read_json(document)
        feed, items = read.feed, read.feed.get("items")
        if not isinstance(items, list):
            raise NotThisFormatError("not a JSON Feed: it has no list `items`")
        parsed = Parsed(format="json-feed", title=text(feed, "title"), language=language_tag(text(feed, "language")))
        parsed.notes += [read.problem] if read.problem else []
        parsed.items = tell_apart(
            make_safely(partial(make_entry, item, feed, source_id, document.url), source_id) for item in items
        )
        parsed.items += [
            Problem(source_id, f"{source_id}#broken-{number}", ProblemKind.INVALID, reason)
            for number, reason in enumerate(read.broken, 1)
        ]
        return parsed


@dataclass(frozen=True, slots=True)
class Json:
    """A feed as an object, and what is wrong with the file. `broken` are the reasons of items that cannot be read."""

    feed: Mapping[str, Any]
    problem: str | None = None
    broken: tuple[str, ...] = ()


def read_json(document: Document) -> Json:
    """The object. Raw control characters and bad escapes are repaired. A broken file gives the items that are whole."""
    try:
        whole = decode_text(document.data, document.charset)[0].lstrip("\ufeff")
    except UndecodableError as error:
        raise NotThisFormatError(f"not a JSON Feed: {error}") from error
    whole = repair_escapes(whole)
    try:
        read = json.loads(whole, strict=False)
    except (ValueError, RecursionError) as error:
        found = ITEMS.search(whole)
        if not found:
            raise NotThisFormatError(f"not a JSON Feed: {error}") from error
        items, broken = decode_items(whole, found.end())
        return Json({"items": items}, f"broken JSON, read as far as it goes: {error}", broken)
    if not isinstance(read, dict):
        raise NotThisFormatError("not a JSON Feed: it is not an object")
    return Json(read)


def decode_items(whole: str, start: int) -> tuple[list[Any], tuple[str, ...]]:
    """The items of a broken list, and the reasons of those that cannot be read."""
    decoder = json.JSONDecoder(strict=False)
    items: list[Any] = []
    broken: list[str] = []
    while len(broken) < MAX_BROKEN:
        blanks = BLANKS.match(whole, start)
        start = blanks.end() if blanks else start
        if start >= len(whole) or whole[start] in "]}":
            break
        try:
            item, start = decoder.raw_decode(whole, start)
            items.append(item)
        except (ValueError, RecursionError) as error:
            following = NEXT_ITEM.search(whole, start + 1)
            broken.append(f"an item is broken JSON: {error}"[:300])
            if following is None:
                break
            start = following.end() - 1
    return items, tuple(broken)


def text(item: Mapping[str, Any], name: str) -> str | None:
    """A text field. Numbers are accepted too, because some generators write ids as numbers."""
    value = item.get(name)
    return scrub(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def make_entry(item: object, feed: Mapping[str, Any], source_id: str, url: str) -> Entry | Problem:
    """One item as the feed states it."""
    if not isinstance(item, dict):
        return Problem(source_id, "item", ProblemKind.INVALID, "is not an object")
    link = web_address(url, text(item, "url") or text(item, "external_url"))
    title = one_line(to_text(text(item, "title") or ""), MAX_TITLE_LENGTH)
    html, plain = clean_fragment(text(item, "content_html") or ""), (text(item, "content_text") or "").strip()
    content = plain or (html if has_words(html) else "") or (text(item, "summary") or "").strip()
    published, updated = (iso_date(text(item, name)) for name in ("date_published", "date_modified"))
    stated = one_line(text(item, "id")) or (link or "")[:MAX_VALUE_LENGTH]
    guid, words_name = names_of(stated, title, content, published)
    language, feed_language = language_tag(text(item, "language")), language_tag(text(feed, "language"))
    return Entry(
        source_id,
        guid,
        content,
        ContentType.HTML if content and content == html else ContentType.TEXT,
        url=link,
        title=title,
        published_at=published or updated,
        words_name=words_name,
        declared_language=language or feed_language,
        declared=Declared(
            languages=(*values([language], DeclaredBy.ENTRY), *values([feed_language], DeclaredBy.FEED)),
            dates=dates((("published", published), ("updated", updated)), DeclaredBy.ENTRY),
            authors=values(authors(item), DeclaredBy.ENTRY) or values(authors(feed), DeclaredBy.FEED),
            tags=values(_texts(item.get("tags")), DeclaredBy.ENTRY),
        ),
    )


def authors(item: Mapping[str, Any]) -> Iterator[str | None]:
    """The names in `authors` (1.1) or `author` (1.0)."""
    listed = item.get("authors")
    for author in [*(listed if isinstance(listed, list) else ()), item.get("author")]:
        if isinstance(author, dict):
            yield text(author, "name")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list):
        yield from (scrub(str(item)) for item in value if isinstance(item, str | int))
