"""`dragoman feeds test|add`: what is fetched is shown or written to the file, from pages in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from services.producer.feeds.file import load_feeds
from services.producer.fetch.client import NO_VALIDATORS, Failure, Fetched, FetchError
from services.producer.sources.documents import Document

Run = Callable[..., Any]
SITE = "https://news.example.org"
ITEM = (
    "<item><guid>1</guid><title>Fire [live]</title><link>https://news.example.org/1</link><category>fires</category>"
    "<author>Ann</author><pubDate>Fri, 19 Mar 2021 10:00:00 GMT</pubDate><description>A mill &lt;b&gt;burned&lt;/b&gt; "
    f"{'in Zwolle ' * 30}</description></item>"
)
RSS = (
    '<rss version="2.0"><channel><title>News</title><language>nl</language><ttl>60</ttl>'
    f"{ITEM}<item><guid>2</guid><title>Only a title</title></item><item><guid>3</guid></item></channel></rss>"
)
OTHER = RSS.replace("<title>News", "<title>Other")
PAGE = (
    '<html><head><link rel="alternate" type="application/rss+xml" title="All" href="/rss">'
    '<link rel="alternate" type="application/rss+xml" href="/other"></head><body>Welcome</body></html>'
)
SITEMAP = (
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://news.example.org/a</loc>'
    f"<lastmod>{datetime.now(UTC).isoformat()}</lastmod></url></urlset>"
)
OPML = '<opml version="2.0"><body><outline text="A" xmlUrl="https://a.example.org/rss"/></body></opml>'
INDEX = (
    '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    "<sitemap><loc>https://news.example.org/part.xml</loc></sitemap></sitemapindex>"
)
PAGES = {
    f"{SITE}/": PAGE,
    f"{SITE}/rss": RSS,
    f"{SITE}/other": OTHER,
    f"{SITE}/map.xml": SITEMAP,
    f"{SITE}/index.xml": INDEX,
    f"{SITE}/list.opml": OPML,
    f"{SITE}/empty": "",
    "https://bare.example.org/": "<html><body>Nothing here</body></html>",
}


class FakeClient:
    """The producer's client, with `PAGES` as the whole web."""

    def __init__(self, settings: object) -> None:
        del settings

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def fetch(
        self, url: str, validators: object = NO_VALIDATORS, headers: Mapping[str, str] | None = None, check: Any = None
    ) -> Fetched:
        del validators, headers
        if check is not None:
            await check(url)
        if url not in PAGES:
            raise FetchError(Failure.NOT_FOUND, "the server answers 404")
        return Fetched(Document(url, PAGES[url].encode()), NO_VALIDATORS, PAGES[url])


@pytest.fixture(autouse=True)
def file(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a feeds file that is not there yet."""
    del home
    monkeypatch.setattr("services.producer.fetch.client.Client", FakeClient)
    path = tmp_path / "feeds.yaml"
    monkeypatch.setenv("DRAGOMAN_FEEDS", str(path))
    return path


# --- test -------------------------------------------------------------------------------------------------------------


def test_json_of_a_feed_has_entries_and_problems(dragoman: Run, file: Path) -> None:
    result = dragoman("feeds", "test", f"{SITE}/rss", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report.keys() == {
        *("url", "format", "title", "language", "ttl_seconds", "notes", "entries", "problems", "children"),
    }
    assert (report["url"], report["title"], report["language"]) == (f"{SITE}/rss", "News", "nl")
    assert report["ttl_seconds"] == 3600
    first, second = report["entries"]
    assert first.keys() == {
        *("guid", "url", "title", "published_at", "declared_language", "declared", "content_type", "content"),
    }
    assert (first["guid"], first["title"]) == ("1", "Fire [live]")
    assert first["published_at"].startswith("2021-03-19")
    assert second["content"] == "Only a title"
    (problem,) = report["problems"]
    assert problem["kind"] == "empty"
    assert "has neither title nor text" in problem["reason"]
    assert not file.exists()


def test_a_person_sees_each_entry(dragoman: Run) -> None:
    said = dragoman("feeds", "test", "news.example.org/rss").stdout.splitlines()
    assert said[0] == f"{SITE}/rss"
    assert said[1].endswith("News  nl  fresh for 3600 s")
    assert said[3] == "• Fire [live]"
    assert said[4].startswith("  2021-03-19 10:00 UTC")
    assert said[4].endswith("by Ann  tags fires")
    assert said[5] == "  https://news.example.org/1"
    assert said[6].startswith("  A mill burned in Zwolle")
    assert said[6].endswith("…")
    assert said[8] == "• Only a title"
    assert said[9].startswith("  no date")
    assert [line for line in said if line.startswith("✗")] == ["✗ 3"]
    assert said[said.index("✗ 3") + 1].startswith("  has neither title nor text")
    assert said[-1] == "2 entries, 1 problems."


def test_limit_shows_fewer_and_says_so(dragoman: Run) -> None:
    said = dragoman("feeds", "test", f"{SITE}/rss", "--limit", "1").stdout
    assert "Only a title" not in said
    assert said.splitlines()[-1] == "2 entries (1 shown), 1 problems."


def test_a_sitemap_has_pages_that_would_be_fetched(dragoman: Run) -> None:
    said = dragoman("feeds", "test", f"{SITE}/map.xml").stdout
    assert "  its page would be fetched\n" in said
    assert said.splitlines()[-1] == "1 entries, 0 problems."


def test_a_list_points_to_its_feeds(dragoman: Run) -> None:
    said = dragoman("feeds", "test", f"{SITE}/list.opml").stdout.splitlines()
    assert "  points to https://a.example.org/rss" in said
    assert said[-1] == "1 documents to follow, 0 entries, 0 problems."
    report = json.loads(dragoman("feeds", "test", f"{SITE}/list.opml", "--json").stdout)
    assert report["children"] == ["https://a.example.org/rss"]


def test_a_feed_is_tried_by_its_id_with_its_own_settings(dragoman: Run, file: Path) -> None:
    file.write_text(f"feeds:\n  - id: mine\n    url: {SITE}/rss\n    tags: [own]\n    full_text: true\n")
    report = json.loads(dragoman("feeds", "test", "mine", "--json").stdout)
    assert report["url"] == f"{SITE}/rss"
    assert "own" in [tag["value"] for tag in report["entries"][0]["declared"]["tags"]]
    assert (len(report["entries"]), report["problems"]) == (3, [])


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("https://gone.example.org/rss", 1, "https://gone.example.org/rss: the server answers 404."),
        (f"{SITE}/empty", 1, f"{SITE}/empty was fetched, but "),
        ("inbox", 2, "inbox is a path. `dragoman replay news` reads it."),
        ("secret", 1, "secret: the environment variable TOKEN_X is not set."),
        ("ftp://x", 2, "ftp://x is neither a URL nor a feed of "),
    ],
)
def test_what_cannot_be_tried_is_said(dragoman: Run, file: Path, url: str, code: int, sentence: str) -> None:
    secret = "  - id: secret\n    url: https://x.org/${TOKEN_X}\n"
    file.write_text(f"feeds:\n  - id: inbox\n    path: news\n{secret}")
    result = dragoman("feeds", "test", url)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(sentence)


# --- add --------------------------------------------------------------------------------------------------------------


def ids(file: Path) -> dict[str, str | None]:
    return {feed.id: feed.url for feed in load_feeds(file).feeds}


def test_the_first_feed_of_a_site_is_added(dragoman: Run, file: Path) -> None:
    result = dragoman("feeds", "add", f"{SITE}/")
    assert result.exit_code == 0
    assert ids(file) == {"news-example-org": f"{SITE}/rss"}
    lines = result.stdout.splitlines()
    assert (lines[0], lines[2]) == (f"+ {SITE}/rss", f"· {SITE}/other")
    assert lines[1].endswith("3 entries; the page links to it as 'All'")
    assert lines[4] == f"Added news-example-org to {file}."
    assert result.stderr == "`--all` adds the others too.\n"


def test_all_feeds_of_a_site_are_added_with_the_options(dragoman: Run, file: Path) -> None:
    options = ["--interval", "15m", "--language", "nl", "--source", "News", "--tag", "a", "--tag", "b", "--full-text"]
    result = dragoman("feeds", "add", f"{SITE}/", "--all", "--id", "site", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert ids(file) == {"site": f"{SITE}/rss", "site-2": f"{SITE}/other"}
    for feed in load_feeds(file).feeds:
        assert (feed.interval, feed.language, feed.source, feed.tags) == (900, "nl", "News", ("a", "b"))
        assert feed.full_text is True


def test_a_dry_run_writes_nothing(dragoman: Run, file: Path) -> None:
    result = dragoman("feeds", "add", f"{SITE}/rss", "--dry-run")
    assert result.stdout.splitlines()[-1] == f"Would add news-example-org to {file}."
    assert not file.exists()
    report = json.loads(dragoman("feeds", "add", f"{SITE}/rss", "--dry-run", "--json").stdout)
    assert report == {"dry_run": True, "added": [{"id": "news-example-org", "url": f"{SITE}/rss"}]}
    assert not file.exists()


def test_json_says_what_was_added(dragoman: Run, file: Path) -> None:
    report = json.loads(dragoman("feeds", "add", f"{SITE}/list.opml", "--json").stdout)
    added = {"id": "news-example-org", "url": f"{SITE}/list.opml", "type": "opml"}
    assert report == {"dry_run": False, "added": [added]}
    assert ids(file) == {"news-example-org": f"{SITE}/list.opml"}


def test_what_is_in_the_file_already_stays_as_it_is(dragoman: Run, file: Path) -> None:
    before = f"feeds:\n  # mine\n  - id: mine\n    url: {SITE}/rss\n"
    file.write_text(before)
    result = dragoman("feeds", "add", f"{SITE}/rss")
    assert (result.exit_code, file.read_text()) == (0, before)
    assert result.stdout.splitlines()[-1] == "The file has it already."


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["bare.example.org/"], 1, "No feed was found at bare.example.org/: no link to one, no sitemap, and nothing"),
        (["https://gone.example.org/"], 1, "https://gone.example.org/: the server answers 404."),
        ([f"{SITE}/rss", "--interval", "15"], 2, "This cannot be added: interval: "),
        ([f"{SITE}/rss", "--id", "No Id"], 2, "This cannot be added: id: "),
    ],
)
def test_what_cannot_be_added_is_said_and_nothing_is_written(
    dragoman: Run, file: Path, arguments: list[str], code: int, sentence: str
) -> None:
    result = dragoman("feeds", "add", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(sentence)
    assert not file.exists()


def test_an_id_that_is_taken_is_refused(dragoman: Run, file: Path) -> None:
    before = f"feeds:\n  - id: mine\n    url: {SITE}/other\n"
    file.write_text(before)
    result = dragoman("feeds", "add", f"{SITE}/rss", "--id", "mine")
    assert (result.exit_code, file.read_text()) == (2, before)
    assert "feeds 1 and 2 have the same id 'mine'" in result.stderr
