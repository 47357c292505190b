"""Faults that are known and not mended yet, each with the smallest input that shows it.

`make fuzz` passes over a fault of this list, and fails when an entry of the list is no fault any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Known:
    """A fault by its name (see `faults.name_of`), the reader that shows it, and the input."""

    fault: str
    reader: str
    data: bytes


KNOWN: Final[dict[str, Known]] = {
    "control character behind a comment of a page": Known(
        "ValueError in services/producer/sources/html.py: clean_page", "page", b"<html>a<!---->\x0c"
    ),
    "undeclared prefix in a sitemap": Known(
        "ValueError in services/producer/sources/sitemap.py: local", "sitemap", b"<urlset><a:b/></urlset>"
    ),
    "half of a surrogate pair in a sitemap": Known(
        "UnicodeDecodeError in services/producer/sources/sitemap.py: fields",
        "sitemap",
        b"<urlset><url><a>&#xD83D;</a></url></urlset>",
    ),
    "half of a surrogate pair in a namespace": Known(
        "UnicodeDecodeError in services/producer/sources/sitemap.py: local", "sitemap", b'<urlset xmlns="&#xD83D;"/>'
    ),
    "half of a surrogate pair in a list of feeds": Known(
        "UnicodeDecodeError in services/producer/sources/opml.py: read_outlines",
        "opml",
        b'<opml><outline text="&#xD83D;"/></opml>',
    ),
    "record of an archive without a length": Known(
        "AttributeError in services/producer/sources/warc.py: entries", "warc", b"WARC/1.0\nWARC-Type:response"
    ),
    "first day of the calendar east of Greenwich": Known(
        "OverflowError in services/normalizer/dates.py: _with_time", "line of text", b"0001-01-01 0:00 +01:00"
    ),
    "large year in a header of HTTP": Known(
        "OverflowError in services/producer/fetch/client.py: _http_date", "date header", b"1 Jan 9999999999 0:0"
    ),
    "long number in a header of a message": Known(
        "ValueError in services/common/messages.py: header_int", "header", b"9" * 4301
    ),
    "CSV header that is not UTF-8": Known("the reason why a file is no source is not valid Unicode", "csv", b"\xff"),
    "media type that is not UTF-8": Known(
        "the reason why a document has no format is not valid Unicode", "claimed", b"\xff\n."
    ),
    "canonical URL of an IPv6 address": Known("a canonical URL is a URL", "canonical url", b"http://[::1]/"),
}
"""Exceptions and broken promises."""

TAGS: Final = "the pattern of a tag searches to the end of the text from every `<`"
REFERENCES: Final = "nh3 takes the square of the number of character references"
DECLARATIONS: Final = "feedparser searches for declarations from every line end in front of the first element"
SLOW: Final[dict[str, str]] = {
    "rss head: '\\n'": DECLARATIONS,
    "rss comment: '\\n'": DECLARATIONS,
    "json html: '<b'": TAGS,
    'json html: "<html lang=\'"': TAGS,
    "json html: '&'": REFERENCES,
    "json html: '\\xa0'": REFERENCES,
}
"""Rows whose time grows with the square of their size, and why."""
