"""A web page as an article. This module makes it harmless. The extraction stage (trafilatura, htmldate) reads it."""

from __future__ import annotations

import re
from datetime import datetime

import trafilatura
from lxml import etree

from schemas.article import ContentType, Declared, DeclaredBy
from schemas.feed import FeedType
from services.common.html import to_text
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.sources.documents import (
    MAX_VALUE_LENGTH,
    Document,
    NotThisFormatError,
    Parsed,
    language_tag,
    root_name,
    values,
    web_address,
)
from services.producer.sources.html import clean_page, has_words
from services.producer.sources.text import UndecodableError, decode_text, is_binary

HTML_TAG = re.compile(r"<html\b[^>]*>")
TITLE = re.compile(r"<title\b[^>]*>([^<]*)</title>", re.IGNORECASE)
LANG = re.compile(r"\b(?:xml:)?lang=\"([^\"]*)\"")
MEDIA_TYPES = frozenset({"text/html", "application/xhtml+xml"})


class HtmlPage:
    """The format of HTML pages."""

    name = "page"

    @staticmethod
    def accepts(document: Document) -> bool:
        """Whether the first element or the media type is that of an HTML page."""
        return root_name(document.head) in ("html", "head", "body") or document.media_type in MEDIA_TYPES

    @staticmethod
    def parse(document: Document, source_id: str, now: datetime) -> Parsed:  # noqa: ARG004 - the signature of all formats
        """The page as one entry. Its guid is its address."""
        return Parsed(format="page", type=FeedType.PAGE, items=[read_page(document, source_id)])


def read_page(document: Document, source_id: str) -> Entry | Problem:
    """The HTML of a page without scripts. No script is executed, so the words must already be in the HTML."""
    guid = document.url[:MAX_VALUE_LENGTH]
    if is_binary(document.data):
        return Problem(source_id, guid, ProblemKind.BINARY, "is neither text nor HTML")
    try:
        decoded, encoding = decode_text(document.data, document.charset)
    except UndecodableError as error:
        return Problem(source_id, guid, ProblemKind.UNDECODABLE, f"cannot be decoded: {error}", data=document.data)
    page = clean_page(decoded)
    if not has_words(page):
        return Problem(source_id, guid, ProblemKind.EMPTY, "has no words outside of its scripts")
    language = page_language(page)
    note = None if encoding in ("utf-8", "utf-8-sig") or encoding == document.charset else f"decoded as {encoding}"
    return Entry(
        source_id,
        guid,
        page,
        ContentType.HTML,
        url=web_address(document.url, document.url),
        declared_language=language,
        note=note,
        declared=Declared(languages=values([language], DeclaredBy.PAGE)),
    )


def page_language(page: str) -> str | None:
    """The language of `<html lang>`."""
    root = HTML_TAG.search(page)
    stated = LANG.search(root[0]) if root else None
    return language_tag(stated[1]) if stated else None


def page_title(page: str) -> str:
    """The text of `<title>`. Empty when there is none."""
    found = TITLE.search(page)
    return to_text(found[1]) if found else ""


def article_text(page: str) -> str:
    """The text of the article in a page. It shows whether the article changed. The rest changes at every visit."""
    try:
        return trafilatura.extract(page, include_comments=False) or to_text(page)
    except (etree.LxmlError, ValueError, TypeError) as error:
        raise NotThisFormatError(f"no page: {error}") from error
