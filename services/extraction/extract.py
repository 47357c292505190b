"""Readable text from plain text or HTML; never raises but for content without any text."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

import htmldate
import trafilatura
from trafilatura.settings import Document

from schemas.article import ArticleDraft, ContentType, DatePrecision, DateSource, Extracted, StatedDate
from schemas.dead_letter import ErrorClass
from services.common.messages import RejectedMessage

VERSION = "extraction@1"
STAGE = "extraction"
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")
LINE_END = re.compile(r"\r\n?|\u2028|\u2029|\x85")


def extract(draft: ArticleDraft) -> ArticleDraft:
    """Add `extracted`: NFC text, and what the markup says of title, date and author."""
    extracted = from_html(draft.content, draft.url) if draft.content_type is ContentType.HTML else None
    if extracted is None:
        text = clean_characters(draft.content)
        if not text:
            raise RejectedMessage(STAGE, ErrorClass.NO_TEXT, f"no readable text in {draft.content_type.value} content")
        extracted = Extracted(text=text)
    return draft.model_copy(update={"extracted": extracted})


def clean_characters(text: str) -> str:
    """NFC, one kind of line end, no control characters, no blank edges."""
    return unicodedata.normalize("NFC", CONTROL.sub("", LINE_END.sub("\n", text))).strip()


def from_html(html: str, url: str | None) -> Extracted:
    """The article in a page (trafilatura), or all its text where none stands out; RejectedMessage without text."""
    document = trafilatura.bare_extraction(html, url=url, with_metadata=True, include_comments=False)
    found = document.as_dict() if isinstance(document, Document) else {}
    text = clean_characters(found.get("text") or trafilatura.html2txt(html) or "")
    title = clean_characters(found.get("title") or "") or None
    if not text and not title:
        raise RejectedMessage(STAGE, ErrorClass.NO_TEXT, "no readable text in the HTML")
    author = clean_characters(found.get("author") or "")[:1024] or None
    return Extracted(text=text or title or "", title=title, dates=stated_dates(html), byline=author)


def stated_dates(html: str) -> tuple[StatedDate, ...]:
    """The publication date that the page's markup states; dates in running text are not looked for (htmldate)."""
    try:
        found = htmldate.find_date(html, extensive_search=False, original_date=True, outputformat="%Y-%m-%d")
    except (ValueError, TypeError, LookupError):
        return ()
    if not found:
        return ()
    at = datetime.fromisoformat(found).replace(tzinfo=UTC)
    return (StatedDate(at=at, source=DateSource.HTML, precision=DatePrecision.DAY, matched=found),)
