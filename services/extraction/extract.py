"""Makes readable text from plain text or HTML. The title is the text where there is no other."""

from __future__ import annotations

import html
import re
import unicodedata
from datetime import UTC, datetime

import ftfy
import htmldate
import trafilatura
from trafilatura.settings import Document

from schemas.article import ArticleDraft, ContentType, DatePrecision, DateSource, Extracted, StatedDate
from schemas.dead_letter import ErrorClass
from services.common.html import to_text
from services.common.messages import RejectedMessage

VERSION = "extraction@2"
STAGE = "extraction"
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")
SUSPECT = re.compile(
    r"[ÃÂâÐÑØÙÎÏðï][\u0080-\u00bf\u2010-\u203a\u20ac\u0152-\u0192\u02c6\u02dc\u2122]|&#?\w{2,8};|\ufffd"
)
"""Signs of double-encoded UTF-8 and of raw entities. ftfy decides what is wrong."""
MENDING = ftfy.TextFixerConfig(
    unescape_html=True,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    remove_terminal_escapes=False,
    remove_control_chars=False,
    normalization="NFC",
)
MAX_CHARACTERS = 1_000_000
"""Of text. Elasticsearch highlights at most as many, and each stage has been measured with so many (`make bench`)."""
MAX_ROUNDS = 4
"""Maximum number of repairs of text that was encoded wrongly several times."""
PAGE = re.compile(r"<(?:!doctype|html|head|body)\b", re.IGNORECASE)
PAGE_HEAD = 4000
"""Number of characters that are searched for signs of a whole page."""
INVISIBLE = (
    ("soft hyphens", re.compile("\u00ad")),
    (
        "zero-width characters",
        re.compile(
            r"[\u200b\u2060\ufeff]|(?<=[a-zA-Zа-яА-Яα-ωΑ-Ω0-9\s])[\u200c\u200d]|[\u200c\u200d](?=[a-zA-Zа-яА-Я0-9\s])"
        ),
    ),
)
LINE_END = re.compile(r"\r\n?|\u2028|\u2029|\x85")


def extract(draft: ArticleDraft) -> ArticleDraft:
    """Add `extracted`: NFC text, and title, date and author from the markup."""
    if draft.content_type is ContentType.HTML:
        extracted = from_html(draft.content, draft.url)
    else:
        extracted = from_text(draft.content)
    if extracted is None:
        extracted = from_text(to_text(draft.title or ""))
    if extracted is None:
        reason = f"neither readable text nor a title in {draft.content_type.value} content"
        raise RejectedMessage(STAGE, ErrorClass.NO_TEXT, reason)
    return draft.model_copy(update={"extracted": within_limit(extracted)})


def within_limit(extracted: Extracted, limit: int = MAX_CHARACTERS) -> Extracted:
    """Text of at most `limit` characters, cut after a line or a word. The raw article has all of it."""
    if len(extracted.text) <= limit:
        return extracted
    head = extracted.text[:limit]
    end = max(head.rfind("\n"), head.rfind(" "))
    return extracted.model_copy(update={"text": head[: end if end > 0 else None].rstrip(), "is_cut": True})


def from_text(text: str) -> Extracted | None:
    """A plain text as it is, with damaged characters repaired. None when nothing is left of it."""
    mended, repairs = mend(clean_characters(text))
    return Extracted(text=mended, repairs=repairs) if mended else None


def clean_characters(text: str) -> str:
    """Text in NFC with one kind of line end, without control characters and blank edges."""
    return unicodedata.normalize("NFC", CONTROL.sub("", LINE_END.sub("\n", text))).strip()


def mend(text: str) -> tuple[str, tuple[str, ...]]:
    """Repair double-encoded characters, HTML entities, soft hyphens and zero-width characters.

    Returns the text and the kinds of repairs. Joiners stay beside letters of scripts that need them (Persian, Indic)
    and inside emoji.
    """
    repairs: list[str] = []
    for _ in range(MAX_ROUNDS):
        mended = ftfy.fix_text(text, MENDING) if SUSPECT.search(text) else text
        if mended != text:
            repairs.append("entities" if html.unescape(text) == mended else "encoding")
        for name, pattern in INVISIBLE:
            mended, count = pattern.subn("", mended)
            if count:
                repairs.append(name)
        if mended == text:
            break
        text = mended
    return text.strip(), tuple(dict.fromkeys(repairs))


def from_html(page: str, url: str | None) -> Extracted | None:
    """The article of a page (trafilatura), or the whole text if no article is found. None without any text.

    HTML without a page around it, as in feeds, is the article. Nothing of it is left out.
    """
    if not PAGE.search(page[:PAGE_HEAD]):
        return from_text(to_text(page))
    document = trafilatura.bare_extraction(page, url=url, with_metadata=True, include_comments=False)
    found = document.as_dict() if isinstance(document, Document) else {}
    text, repairs = mend(clean_characters(found.get("text") or trafilatura.html2txt(page) or ""))
    title = clean_characters(found.get("title") or "") or None
    if not text and not title:
        return None
    author = clean_characters(found.get("author") or "")[:1024] or None
    return Extracted(text=text or title or "", title=title, dates=stated_dates(page), byline=author, repairs=repairs)


def stated_dates(page: str) -> tuple[StatedDate, ...]:
    """The publication date in the markup of a page (htmldate). Dates in running text are not searched."""
    try:
        found = htmldate.find_date(page, extensive_search=False, original_date=True, outputformat="%Y-%m-%d")
    except (ValueError, TypeError, LookupError):
        return ()
    if not found:
        return ()
    at = datetime.fromisoformat(found).replace(tzinfo=UTC)
    return (StatedDate(at=at, source=DateSource.HTML, precision=DatePrecision.DAY, matched=found),)
