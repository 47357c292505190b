"""The list of document formats, and the parser that chooses the right one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.producer.sources.documents import Document, Format, NotThisFormatError, Parsed, scrub
from services.producer.sources.feed import XmlFeed
from services.producer.sources.json_feed import JsonFeed
from services.producer.sources.opml import Opml
from services.producer.sources.page import HtmlPage
from services.producer.sources.sitemap import Sitemap

FORMATS: Final[tuple[Format, ...]] = (Sitemap(), Opml(), JsonFeed(), XmlFeed(), HtmlPage())
"""The first format that accepts a document reads it. HTML is last, because servers call everything HTML."""


def parse_document(document: Document, source_id: str, now: datetime) -> Parsed:
    """Parse a document. NotThisFormatError says why that failed."""
    if not document.data.strip():
        raise NotThisFormatError("the answer is empty")
    found = next((candidate for candidate in FORMATS if candidate.accepts(document)), None)
    if found is None:
        raise NotThisFormatError(
            f"neither a feed nor a sitemap, a list or a page ({scrub(document.media_type) or 'no type'})"
        )
    return found.parse(document, source_id, now)
