"""Document formats: each gives the same neutral entries, and a bad entry affects no other."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.article import ContentType, DeclaredBy
from schemas.feed import FeedType
from services.common.html import to_text
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.sources.documents import Document, NotThisFormatError, Parsed, add_declared, entry_hash
from services.producer.sources.formats import parse_document
from services.producer.sources.html import clean_fragment, clean_page

SAMPLES = Path(__file__).with_name("samples")


def sample(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf8")


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
URL = "https://news.example.org/feed"
AT = datetime(2025, 6, 3, 9, 39, 21, tzinfo=UTC)
RSS = sample("wire.rss")
ATOM = sample("wire.atom")
RDF = sample("wire.rdf")
JSON_FEED = sample("wire.json")
FEEDS = {"rss": RSS, "atom": ATOM, "rdf": RDF, "json": JSON_FEED}


def parse(text: str | bytes, url: str = URL, **claims: str) -> Parsed:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_document(Document(url, data, **claims), "news", NOW)


def entries(parsed: Parsed) -> list[Entry]:
    return [item for item in parsed.items if isinstance(item, Entry)]


@pytest.mark.parametrize("text", FEEDS.values(), ids=FEEDS)
def test_every_format_gives_the_same_entry(text: str) -> None:
    parsed = parse(text)
    (entry,) = entries(parsed)
    assert (parsed.title, parsed.language) == ("Wire", "en-GB")
    assert (entry.guid, entry.title, entry.url) == ("urn:g1", "A & B", "https://news.example.org/a?x=1")
    assert (to_text(entry.content), entry.content_type) == ("Long text.", ContentType.HTML)
    assert (entry.published_at, entry.declared_language) == (AT, "en-GB")
    assert [author.value for author in entry.declared.authors] == ["Ana Silva"]
    assert [tag.value for tag in entry.declared.tags] == ["World"]
    assert {date.kind for date in entry.declared.dates} >= {"published"} or text is RDF


def test_what_is_declared_says_by_whom() -> None:
    (entry,) = entries(parse(RSS))
    assert [(language.value, language.source) for language in entry.declared.languages] == [("en-GB", DeclaredBy.FEED)]
    own = add_declared(entry, ["mine"], "nl")
    assert own.declared_language == "en-GB", "the user's hint is for feeds that state none"
    assert (own.declared.tags[-1].value, own.declared.tags[-1].source) == ("mine", DeclaredBy.CONFIGURATION)
    silent = add_declared(entries(parse(RSS.replace("<language>en-GB</language>", "")))[0], [], "nl")
    assert (silent.declared_language, silent.declared.languages[0].source) == ("nl", DeclaredBy.CONFIGURATION)


def test_a_feed_says_how_long_it_stays_as_it_is() -> None:
    assert parse(RSS).ttl_seconds == 1800
    assert parse(RSS.replace("<ttl>30</ttl>", "")).ttl_seconds is None


BROKEN = {
    "cut off in an entry": RSS[: RSS.index("<description>")],
    "undefined entity": RSS.replace("Short.", "Short &nbsp; &undefined; &"),
    "unclosed tags": RSS.replace("</description>", ""),
    "an empty item before it": RSS.replace("<item>", "<item></item><item>", 1),
    "control characters": RSS.replace("Short.", "Sho\x01rt."),
    "white space in front": "\n\n  " + RSS,
    "a date that is none": RSS.replace("Tue, 03 Jun 2025 09:39:21 GMT", "soon"),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_broken_feeds_give_what_they_have(text: str) -> None:
    found = [entry for entry in entries(parse(text)) if entry.guid == "urn:g1"]
    assert [entry.title for entry in found] == ["A & B"]


def test_a_json_feed_that_breaks_off_gives_what_came_before() -> None:
    second = ', {"id": "g2", "content_text": "cut'
    parsed = parse(JSON_FEED[: JSON_FEED.rindex("]}")] + second)
    assert [entry.guid for entry in entries(parsed)] == ["urn:g1"]
    assert "broken JSON" in parsed.notes[0]


PLAIN = RSS[: RSS.index("<content:encoded>")].replace("Short.", "Été « à »") + "</item></channel></rss>"
ENCODED = {
    "called utf-8, is windows-1252": (PLAIN.replace('"1.0"', '"1.0" encoding="utf-8"').encode("cp1252"), None),
    "declared in the document": (PLAIN.replace('"1.0"', '"1.0" encoding="iso-8859-1"').encode("latin-1"), None),
    "declared by the server": (PLAIN.encode("cp1252"), "windows-1252"),
    "utf-16": (PLAIN.encode("utf-16"), None),
}


@pytest.mark.parametrize(("data", "charset"), ENCODED.values(), ids=ENCODED)
def test_letters_survive_their_declarations(data: bytes, charset: str | None) -> None:
    document = Document(URL, data, "application/rss+xml", charset)
    (entry,) = entries(parse_document(document, "news", NOW))
    assert entry.content == "Été « à »"


def test_no_entity_of_a_document_is_expanded() -> None:
    laughs = '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    text = RSS.replace("<rss", f"{laughs}<rss", 1).replace("Short.", "&b;&f;").replace("content:encoded", "x")
    found = entries(parse(text))[0].content
    assert "haha" not in found
    assert "root:" not in found
    sitemap = f'<?xml version="1.0"?>{laughs}<urlset><url><loc>https://e.org/&b;</loc></url></urlset>'
    assert "haha" not in str(parse(sitemap))


HANGS = {
    "angles": b"<" * 300_000,
    "comments": b"<?xml?>" + b"<!-- -->" * 50_000 + b"<rss/>",
    "open comments": b"<rss>" + b"<!--" * 200_000,
    "nesting": b"<rss>" + b"<a>" * 10_000,
    "ampersands": b"<rss><channel><item><title>" + b"&" * 300_000,
    "json": b'{"items": ' + b"[" * 200_000,
    "bytes that name a file": b"/etc/passwd",
}


@pytest.mark.parametrize("data", HANGS.values(), ids=HANGS)
def test_nothing_hangs_or_crashes(data: bytes) -> None:
    started = time.monotonic()
    with contextlib.suppress(NotThisFormatError):
        parse(data)
    assert time.monotonic() - started < 60, "linear: thousands of times under any hang"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([RSS, ATOM, JSON_FEED, RDF]), st.integers(0, 900))
def test_any_bytes_inside_a_feed_are_survived(noise: bytes, text: str, at: int) -> None:
    data = text.encode()
    with contextlib.suppress(NotThisFormatError):
        assert parse(data[:at] + noise + data[at:]).format


def test_one_guid_for_all_entries_still_gives_them_all() -> None:
    item = "<item><guid>same</guid><link>https://e.org/{0}</link><title>T{0}</title></item>"
    text = f"<rss version='2.0'><channel>{item.format(1)}{item.format(2)}{item.format(2)}</channel></rss>"
    items = parse(text).items
    assert items[0].guid == "https://e.org/1"
    assert items[1].guid == items[2].guid != "same"
    assert [isinstance(item, Entry) for item in items] == [True, True, False]
    repeated = items[2]
    assert isinstance(repeated, Problem)
    assert repeated.kind is ProblemKind.REPEATED


def test_a_date_of_the_last_change_alone_changes_nothing() -> None:
    atom = ATOM.replace("<published>2025-06-03T09:39:21Z</published>", "<updated>{}</updated>")
    first, second = (entries(parse(atom.format(f"2025-06-0{day}T00:00:00Z")))[0] for day in (1, 2))
    assert first.published_at != second.published_at
    assert entry_hash(first) == entry_hash(second)


NEWS = sample("news-sitemap.xml")


def test_a_sitemap_gives_news_and_what_changed_lately() -> None:
    parsed = parse(NEWS.replace("{recent}", (NOW - timedelta(days=1)).isoformat()))
    first, second = entries(parsed)
    assert (first.url, first.title, first.declared_language) == ("https://e.org/1", "Eins", "de")
    assert first.published_at == datetime(2025, 6, 3, tzinfo=UTC)
    assert [tag.value for tag in first.declared.tags] == ["a", "b"]
    assert second.url == "https://e.org/recent"
    assert len(parsed.notes) == 2, "what was left out, and what could not be read"


def test_a_sitemap_index_names_its_parts_latest_first() -> None:
    part = "<sitemap><loc>https://e.org/{0}.xml</loc><lastmod>2025-06-0{0}</lastmod></sitemap>"
    parsed = parse(f"<sitemapindex>{part.format(1)}{part.format(2)}</sitemapindex>")
    assert [child.url for child in parsed.children] == ["https://e.org/2.xml", "https://e.org/1.xml"]
    assert parsed.type is FeedType.SITEMAP


def test_opml_folders_become_tags() -> None:
    feed = '<outline text="BBC" type="rss" xmlUrl="https://e.org/rss" language="en"/>'
    parsed = parse(f'<opml version="2.0"><body><outline text="World">{feed}</outline></body></opml>')
    (child,) = parsed.children
    assert (child.url, child.title, child.tags, child.language) == ("https://e.org/rss", "BBC", ("World",), "en")


PAGE = sample("page.html")


def test_a_page_loses_what_runs_and_keeps_what_it_says() -> None:
    (entry,) = entries(parse(PAGE, url="https://e.org/p"))
    assert (entry.guid, entry.url, entry.declared_language) == ("https://e.org/p", "https://e.org/p", "nl")
    for word in ("steal", "onload", "javascript:", "iframe", "object"):
        assert word not in entry.content
    assert "datePublished" in entry.content
    assert "Woorden." in entry.content


@given(st.text(max_size=300))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean_fragment(f"<p>{text}</p><script>{text}</script>")
    assert clean_fragment(once) == once
    assert "<script" not in clean_page(f"<p>{text}</p><script>{text}")


def test_text_of_html_has_a_line_for_each_block() -> None:
    assert to_text("<p>A <b>b</b></p><p>C<br>D</p>x &amp; y<ul><li>1</li></ul>") == "A b\nC\nD\nx & y\n1"


@pytest.mark.parametrize("data", [b" \n", b"\x89PNG\r\n\x1a\n", b"plain words"], ids=["blank", "a picture", "words"])
def test_what_is_no_document_says_so(data: bytes) -> None:
    with pytest.raises(NotThisFormatError, match=r"\w+ \w+"):
        parse(data)
