"""A feed in a file is read like a fetched feed. A page is made harmless and read with its language."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from schemas.article import ContentType
from schemas.feed import Feed, FeedType
from services.producer.sources.base import Entry, Problem, ProblemKind, SourceError, SourceOptions
from services.producer.sources.document_file import DocumentFileSource, with_text
from services.producer.sources.documents import Document, NotThisFormatError
from services.producer.sources.formats import parse_document
from services.producer.sources.opml import write_opml
from services.producer.sources.page import article_text, page_language, read_page
from tests.web import rss, story

OPTIONS = SourceOptions(source_id=None, max_article_bytes=1000)
URL = "https://e.org/a"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def source(path: Path, data: bytes | str, options: SourceOptions = OPTIONS) -> DocumentFileSource:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    assert DocumentFileSource.accepts(path)
    return DocumentFileSource(path, options)


def test_a_feed_in_a_file_has_the_files_name_as_its_source(tmp_path: Path) -> None:
    read = source(tmp_path / "wire.RSS", rss([story("a", 1), story("a", 2)]))
    items = list(read.entries())
    assert [(item.guid, item.source_id) for item in items] == [("a-1", "wire"), ("a-2", "wire")]
    assert read.total is None
    stated = source(tmp_path / "wire.rss", rss([story("a", 1)]), SourceOptions("agency", 1000))
    assert [item.source_id for item in stated.entries()] == ["agency"]


def test_a_folder_and_another_name_are_no_document(tmp_path: Path) -> None:
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "a.txt").write_bytes(rss([story("a", 1)]))
    assert not DocumentFileSource.accepts(tmp_path / "folder.xml")
    assert not DocumentFileSource.accepts(tmp_path / "a.txt")


def test_a_file_over_the_limit_is_a_problem_that_says_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "wire.xml"
    (item,) = source(file, rss([story("a", 1)]), SourceOptions(None, 1000, max_document_bytes=100)).entries()
    assert isinstance(item, Problem)
    assert (item.kind, item.kept_at) == (ProblemKind.TOO_LARGE, str(file))
    assert "a document may have 100" in item.reason


def test_an_entry_over_the_limit_is_a_problem_and_its_neighbour_is_not(tmp_path: Path) -> None:
    data = rss([story("a", 1)]).replace(b"</channel>", b"<item><guid>big</guid><title>%b</title></item></channel>")
    items = list(source(tmp_path / "wire.xml", data % (b"x" * 2000)).entries())
    assert [(item.guid, isinstance(item, Entry)) for item in items] == [("a-1", True), ("big", False)]


@pytest.mark.parametrize("data", ["", "no document at all"])
def test_what_is_no_document_is_named(tmp_path: Path, data: str) -> None:
    with pytest.raises(SourceError, match=r"wire\.xml: "):
        list(source(tmp_path / "wire.xml", data).entries())


def test_a_list_of_feeds_says_how_it_is_taken_in(tmp_path: Path) -> None:
    opml = '<opml version="2.0"><body><outline text="A" xmlUrl="https://a.org/rss"/></body></opml>'
    with pytest.raises(SourceError, match="dragoman feeds import"):
        list(source(tmp_path / "feeds.opml", opml).entries())


def test_a_title_alone_is_a_text_and_neither_is_a_problem() -> None:
    full = Entry("s", "1", "Words.", ContentType.TEXT, title="Title")
    assert with_text(full) is full
    titled = with_text(Entry("s", "1", " \n", ContentType.TEXT, title="Title"))
    assert isinstance(titled, Entry)
    assert titled.content == "Title"
    empty = with_text(Entry("s", "1", "", ContentType.TEXT))
    assert isinstance(empty, Problem)
    assert (empty.kind, empty.guid) == (ProblemKind.EMPTY, "1")
    assert with_text(empty) is empty


# --- pages ------------------------------------------------------------------------------------------------------------


def problem_of(data: bytes, charset: str | None = None) -> Problem:
    read = read_page(Document(URL, data, "text/html", charset), "s")
    assert isinstance(read, Problem)
    return read


def test_a_page_is_an_entry_named_by_its_address_without_what_runs() -> None:
    page = b'<html lang="nl-BE"><body onload="x()"><script>steal()</script><p>Woorden.</p></body></html>'
    read = read_page(Document(URL, page), "s")
    assert isinstance(read, Entry)
    assert (read.guid, read.url, read.content_type, read.declared_language) == (URL, URL, ContentType.HTML, "nl-BE")
    assert "Woorden." in read.content
    assert "steal" not in read.content
    assert "onload" not in read.content
    assert read.note is None


def test_bytes_that_are_no_page_are_told_apart() -> None:
    assert problem_of(b"\x00\x01\x02" * 100).kind is ProblemKind.BINARY
    broken = b"\xff\xfe\x00\xd8\x41\x00\x61"
    undecodable = problem_of(broken)
    assert (undecodable.kind, undecodable.data) == (ProblemKind.UNDECODABLE, broken)
    assert problem_of(b"<html><body><script>words()</script></body></html>").kind is ProblemKind.EMPTY


def test_an_encoding_that_was_guessed_is_noted_and_a_stated_one_is_not() -> None:
    page = "<html><body><p>Le café « Été » a fermé à Liège.</p></body></html>".encode("windows-1252")
    stated = read_page(Document(URL, page, charset="windows-1252"), "s")
    assert isinstance(stated, Entry)
    assert (stated.note, "café « Été »" in stated.content) == (None, True)
    declared = page.replace(b"<html>", b'<html><head><meta charset="iso-8859-1"></head>')
    guessed = read_page(Document(URL, declared), "s")
    assert isinstance(guessed, Entry)
    assert guessed.note == "decoded as iso-8859-1"


@pytest.mark.parametrize(
    ("start", "language"),
    [
        ('<html lang="de_AT">', "de-AT"),
        ('<html class="x" xml:lang="fr">', "fr"),
        ('<html lang="??">', None),
        ('<html><p lang="de">', None),
        ("<p>", None),
    ],
)
def test_the_language_of_a_page_is_what_its_first_element_states(start: str, language: str | None) -> None:
    assert page_language(start) == language


def test_what_a_server_calls_html_is_a_page() -> None:
    parsed = parse_document(Document(URL, b"Only words.", "text/html"), "s", NOW)
    assert (parsed.type, len(parsed.items)) == (FeedType.PAGE, 1)
    with pytest.raises(NotThisFormatError, match=r"neither a feed .* \(text/plain\)"):
        parse_document(Document(URL, b"Only words.", "text/plain"), "s", NOW)


def test_the_words_of_a_page_are_there_also_where_no_article_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.producer.sources.page.trafilatura.extract", lambda *_, **__: None)
    assert article_text("<html><body><p>A few words.</p></body></html>").strip() == "A few words."


@pytest.mark.parametrize("error", [ValueError("odd"), etree.ParserError("empty")])
def test_a_page_that_cannot_be_read_is_no_document(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr("services.producer.sources.page.trafilatura.extract", refuse)
    with pytest.raises(NotThisFormatError, match="no page: "):
        article_text("<html></html>")


# --- lists of feeds ---------------------------------------------------------------------------------------------------


def test_a_list_that_is_written_is_read_with_its_folders_as_tags() -> None:
    feeds = [
        Feed(id="a", url="https://a.org/rss", source="A & B", tags=("World", "x"), language="nl"),
        Feed(id="b", url="https://b.org/rss", tags=("World",)),
        Feed(id="c", url="https://c.org/rss"),
        Feed(id="file", path="wire.csv"),
        Feed(id="topic", url="kafka://one:9092/wire", type="topic"),
    ]
    children = parse_document(Document(URL, write_opml(feeds)), "s", NOW).children
    assert [(child.url, child.title, child.tags, child.language) for child in children] == [
        ("https://a.org/rss", "A & B", ("World",), "nl"),
        ("https://b.org/rss", "b", ("World",), None),
        ("https://c.org/rss", "c", (), None),
    ]


def test_a_list_without_an_outline_is_none_and_an_empty_folder_is_a_list() -> None:
    with pytest.raises(NotThisFormatError, match="it has no outline"):
        parse_document(Document(URL, b"<opml><body></body></opml>"), "s", NOW)
    folder = b'<opml><body><outline text="Empty"/></body></opml>'
    assert parse_document(Document(URL, folder), "s", NOW).children == []
