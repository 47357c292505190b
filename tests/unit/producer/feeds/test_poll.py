"""One poll: new entries are durable, unchanged entries are not written again, failures are retried later."""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from schemas.article import ContentType, RawArticle
from schemas.feed import Feed, FeedType
from services.common.messages import decode
from services.producer.feeds.pages import chunks, wants_pages
from services.producer.feeds.poll import (
    MAX_PARTS,
    UNCONDITIONAL_EVERY,
    Poller,
    addresses,
    file_signature,
)
from services.producer.feeds.state import ChildFeed, FeedState
from services.producer.fetch.client import NO_VALIDATORS, Failure, Fetched, FetchError, Validators
from services.producer.fetch.robots import Robots
from services.producer.identity import host_name
from services.producer.ledger.jobs import Item
from services.producer.ledger.store import SeenEntry, Store
from services.producer.ledger.writer import COMPLETE, MAX_PAGE_TRIES, OutboxWriter, owes_look
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry
from tests.fakes.topic import FakeTopics
from tests.fakes.web import FakeWeb, answer
from tests.web import rss, story

URL = "https://e.org/feed"
HOUR = 3600
SITEMAP = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"'


class Room:
    """A poller with a real writer and store, and a table as the web. Kafka is away, so all stays in the outbox."""

    def __init__(self, home: Path) -> None:
        self.folder = home
        self.settings = ProducerSettings(home=home / "home", max_article_bytes=5000)
        self.store = Store(self.settings.store_file)
        self.web = FakeWeb()
        self.writer = OutboxWriter(self.settings)
        self.writer._next_try = math.inf
        web: Any = self.web
        self.poller = Poller(
            self.settings, web, Robots(web, "x"), self.writer, self.store.seen, home, jitter=lambda: 0.5
        )
        self.state = FeedState()

    def poll(self, feed: Feed, state: FeedState | None = None) -> FeedState:
        """Poll the feed again from its last state."""
        self.state = asyncio.run(self.poller.poll(feed, self.state if state is None else state))
        return self.state

    def articles(self) -> list[RawArticle]:
        """All messages in the outbox, in order."""
        lines = self.store.promised(0, 10_000)
        return [decode(RawArticle, line.message) for line in lines if not line.is_letter]

    def guids(self) -> list[str]:
        return [article.guid or "" for article in self.articles()]

    def kept_state(self, feed: str = "f") -> FeedState:
        return FeedState.model_validate_json(self.store.feed_states()[feed])


@pytest.fixture
def room(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr("services.producer.ledger.writer.IDLE_SECONDS", 0.01)
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(empty_store, home)
    made = Room(tmp_path)
    with made.writer:
        yield made
    made.poller.parsing.shutdown()
    made.poller.reading.shutdown()
    made.store.close()


def feed(**values: Any) -> Feed:
    return Feed(**{"id": "f", "url": URL, "interval": "1h", **values})


def wait_of(state: FeedState) -> float:
    """Seconds from a poll to the next one."""
    return state.next_poll_at - (state.last_poll_at or 0)


def polls(outcome: str) -> float:
    return REGISTRY.get_sample_value("dragoman_feed_polls_total", {"outcome": outcome}) or 0


# --- changed, unchanged -----------------------------------------------------------------------------------------------


def test_a_first_poll_brings_every_entry_and_what_the_feed_says_of_itself(room: Room) -> None:
    room.web.pages[URL] = answer(URL, rss([story("a", 1), story("a", 2)]), etag='"1"')
    before = polls("changed")
    state = room.poll(feed(tags=["mine"], language="de", source="Publisher"))
    assert room.guids() == ["a-1", "a-2"]
    first = room.articles()[0]
    assert (first.source_id, first.feeds) == ("Publisher", ("f",))
    assert [tag.value for tag in first.declared.tags] == ["mine"]
    assert (state.place, state.title, state.etag, state.entries, state.polls) == (URL, "Feed", '"1"', 2, 1)
    assert state.last_new_at == state.last_success_at == state.last_poll_at
    assert wait_of(state) == pytest.approx(HOUR)
    assert room.kept_state() == state, "the state is written with the entries"
    assert polls("changed") == before + 1


def nameless(*entries: tuple[str, str, int]) -> bytes:
    """A feed whose entries (title, words, hour of the day) have neither guid nor link."""
    items = "".join(
        f"<item><title>{title}</title><description>{words}</description>"
        f"<pubDate>Mon, 23 Nov 2026 {hour:02}:00:00 GMT</pubDate></item>"
        for title, words, hour in entries
    )
    return f'<rss version="2.0"><channel><title>Feed</title>{items}</channel></rss>'.encode()


def test_a_nameless_entry_whose_date_is_that_of_each_visit_is_one_article(room: Room) -> None:
    for hour in range(5):
        room.web.pages[URL] = nameless(("Storm", "Trees fell.", hour), ("Storm", "Roofs flew.", hour))
        room.poll(feed())
    assert [article.content for article in room.articles()] == ["Trees fell.", "Roofs flew."]


def test_nameless_entries_with_the_same_words_and_other_dates_in_one_feed_stay_apart(room: Room) -> None:
    for shift in range(3):
        room.web.pages[URL] = nameless(("Warning", "Wind.", 1 + shift), ("Warning", "Wind.", 9 + shift))
        room.poll(feed())
    assert len({article.article_id for article in room.articles()}) == 2


def test_other_words_of_a_nameless_entry_are_another_article(room: Room) -> None:
    for hour, words in enumerate(("Trees fell.", "Roofs flew.")):
        room.web.pages[URL] = nameless(("Storm", words, hour))
        room.poll(feed())
    assert [article.content for article in room.articles()] == ["Trees fell.", "Roofs flew."]


def test_an_edit_of_a_nameless_entry_is_a_revision_and_not_a_second_article(room: Room) -> None:
    for words in ("Trees fell.", "Trees fell on roofs."):
        room.web.pages[URL] = nameless(("Storm", words, 1))
        room.poll(feed())
    assert len({article.article_id for article in room.articles()}) == 1


def test_without_a_stated_source_the_host_is_the_publisher(room: Room) -> None:
    room.web.pages["https://www.e.org/feed"] = rss([story("a", 1)])
    room.poll(feed(url="https://www.e.org/feed"))
    assert room.articles()[0].source_id == "e.org"


def test_a_304_is_an_unchanged_feed_whose_entries_are_still_counted(room: Room) -> None:
    room.web.pages[URL] = answer(URL, rss([story("a", 1)]), etag='"1"')
    first = room.poll(feed())
    before = polls("unchanged")
    second = room.poll(feed())
    assert [request.validators.etag for request in room.web.asked if request.url == URL] == [None, '"1"']
    assert (second.entries, second.polls, second.last_new_at) == (1, 2, first.last_new_at)
    assert second.etag == '"1"'
    assert polls("unchanged") == before + 1
    assert len(room.articles()) == 1


def test_the_same_bytes_under_another_etag_are_an_unchanged_feed(room: Room) -> None:
    room.web.pages[URL] = answer(URL, rss([story("a", 1)]), etag='"1"')
    room.poll(feed())
    room.web.pages[URL] = answer(URL, rss([story("a", 1)]), etag='"2"')
    before = polls("unchanged")
    state = room.poll(feed())
    assert (state.entries, state.error_streak) == (1, 0)
    assert polls("unchanged") == before + 1


def test_a_changed_feed_brings_what_is_new_and_what_was_edited(room: Room) -> None:
    room.web.pages[URL] = rss([story("a", 1), story("a", 2)])
    first = room.poll(feed())
    room.web.pages[URL] = rss([story("a", 1, edition=2), story("a", 2), story("a", 3)])
    second = room.poll(feed())
    assert room.guids() == ["a-2", "a-1", "a-3"], "the first edition of a-1 was not sent yet: the second replaces it"
    assert second.body_hash != first.body_hash
    assert len(second.gaps) == 1


def test_now_and_then_the_whole_document_is_asked_for(room: Room) -> None:
    room.web.pages[URL] = answer(URL, rss([story("a", 1)]), etag='"1"')
    state = room.poll(feed())
    for number in (UNCONDITIONAL_EVERY - 1, UNCONDITIONAL_EVERY):
        room.poll(feed(), state.model_copy(update={"polls": number}))
    asked = [request.validators for request in room.web.asked if request.url == URL]
    assert asked[1:] == [Validators('"1"'), NO_VALIDATORS]


def test_a_server_that_asks_to_wait_longer_is_heard(room: Room) -> None:
    page = answer(URL, rss([story("a", 1)]))
    room.web.pages[URL] = replace(page, fresh_seconds=2 * HOUR)
    assert wait_of(room.poll(feed())) == pytest.approx(2 * HOUR)


def test_a_feed_that_was_moved_by_its_user_begins_anew_but_keeps_its_rhythm(room: Room) -> None:
    room.web.pages[URL] = answer(URL, rss([story("a", 1)]), etag='"1"')
    old = FeedState(place="https://old.org/", etag='"1"', gaps=(60.0,), error_streak=2, moved_to="https://x.org/")
    state = room.poll(feed(), old)
    assert room.web.paths() == [URL]
    assert (state.place, state.gaps, state.moved_to, state.polls) == (URL, (60.0,), None, 1)


def test_problems_of_entries_become_notes_of_the_feed(room: Room) -> None:
    room.web.pages[URL] = (
        b"<rss version='2.0'><channel><item><guid>1</guid></item><item><guid>2</guid></item></channel></rss>"
    )
    state = room.poll(feed())
    assert any(note.startswith("2 × has neither title nor text") for note in state.notes)
    assert room.articles() == []


def test_a_feed_that_is_nearly_all_new_may_have_lost_entries_and_is_counted(room: Room) -> None:
    room.web.pages[URL] = rss([story("a", number) for number in range(5)])
    before = REGISTRY.get_sample_value("dragoman_feed_overruns_total") or 0
    room.poll(feed())
    assert REGISTRY.get_sample_value("dragoman_feed_overruns_total") == before, "a first poll has nothing to miss"
    room.web.pages[URL] = rss([story("a", number) for number in range(5, 10)])
    room.poll(feed())
    assert REGISTRY.get_sample_value("dragoman_feed_overruns_total") == before + 1


# --- cut off ----------------------------------------------------------------------------------------------------------


def cut(body: bytes) -> Fetched:
    return replace(answer(URL, body, etag='"1"'), cut_off="the connection broke after 100 bytes")


def test_of_a_document_that_was_cut_off_all_but_the_last_entry_is_taken_and_it_is_asked_for_anew(room: Room) -> None:
    body = rss([story("a", number) for number in range(3)])
    room.web.pages[URL] = cut(body[: body.index(b"</description></item></channel>") - 20])
    before = polls("cut_off")
    state = room.poll(feed())
    assert room.guids() == ["a-0", "a-1"]
    assert (state.failure, state.error_streak) == (Failure.CUT_OFF, 1)
    assert state.error == "the connection broke after 100 bytes"
    assert (state.etag, state.last_modified, state.body_hash) == (None, None, None)
    assert wait_of(state) == pytest.approx(60)
    assert polls("cut_off") == before + 1
    room.web.pages[URL] = answer(URL, body, etag='"1"')
    state = room.poll(feed())
    assert room.guids() == ["a-0", "a-1", "a-2"]
    assert (state.failure, state.error, state.error_streak, state.etag) == (None, None, 0, '"1"')


def test_what_cannot_be_read_because_it_was_cut_off_is_no_fault_of_the_feed(room: Room) -> None:
    room.web.pages[URL] = cut(b"nothing that can be read")
    assert room.poll(feed()).failure is Failure.CUT_OFF
    room.web.pages[URL] = b"nothing that can be read"
    assert room.poll(feed()).failure is Failure.UNREADABLE


def opml(*urls: str) -> bytes:
    outlines = "".join(f'<outline text="T" xmlUrl="{url}" language="nl"/>' for url in urls)
    return f'<opml version="2.0"><body><outline text="News">{outlines}</outline></body></opml>'.encode()


def test_a_list_names_feeds_and_half_a_list_takes_none_of_them_away(room: Room) -> None:
    urls = ("https://a.org/rss", "https://b.org/rss")
    room.web.pages[URL] = opml(*urls)
    state = room.poll(feed())
    assert [child.url for child in state.children] == list(urls)
    assert state.children[0].title == "T"
    assert state.children[0].tags == ("News",)
    assert (state.entries, state.format) == (2, "opml")
    room.web.pages[URL] = cut(opml(urls[0])[:-20])
    state = room.poll(feed())
    assert state.failure is Failure.CUT_OFF
    assert [child.url for child in state.children] == list(urls)
    room.web.pages[URL] = opml(urls[1])
    assert [child.url for child in room.poll(feed()).children] == [urls[1]]


# --- failures ---------------------------------------------------------------------------------------------------------

FAILURES = {
    Failure.SERVER: (60, 120),
    Failure.TIMEOUT: (60, 120),
    Failure.NAME: (60, 120),
    Failure.NOT_FOUND: (15 * 60, 30 * 60),
    Failure.REFUSED: (15 * 60, 30 * 60),
    Failure.TOO_LARGE: (15 * 60, 30 * 60),
    Failure.GONE: (24 * HOUR, 24 * HOUR),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_remembered_and_the_next_try_is_later_each_time(room: Room, failure: Failure) -> None:
    room.web.pages[URL] = FetchError(failure, "why")
    before = polls(failure.value)
    first = room.poll(feed())
    second = room.poll(feed())
    assert (first.failure, first.error, first.error_streak, second.error_streak) == (failure, "why", 1, 2)
    assert (wait_of(first), wait_of(second)) == (
        pytest.approx(FAILURES[failure][0]),
        pytest.approx(FAILURES[failure][1]),
    )
    assert room.kept_state() == second
    assert polls(failure.value) == before + 2
    room.web.pages[URL] = rss([story("a", 1)])
    healed = room.poll(feed())
    assert (healed.failure, healed.error, healed.error_streak) == (None, None, 0)


def test_a_server_that_says_when_to_come_back_is_obeyed(room: Room) -> None:
    room.web.pages[URL] = FetchError(Failure.RATE_LIMITED, "the server answers 429", 5000)
    assert wait_of(room.poll(feed())) == pytest.approx(5000)


def test_robots_are_obeyed_unless_the_publisher_has_agreed(room: Room) -> None:
    room.web.pages |= {"https://e.org/robots.txt": "User-agent: *\nDisallow: /", URL: rss([story("a", 1)])}
    assert room.poll(feed()).failure is Failure.ROBOTS
    assert [request.url for request in room.web.asked] == ["https://e.org/robots.txt"]
    assert room.poll(feed(respect_robots=False)).failure is None
    assert len(room.articles()) == 1


def test_a_variable_that_is_not_set_is_named_and_nothing_is_asked(room: Room) -> None:
    state = room.poll(feed(headers={"X-Key": "${DRAGOMAN_NO_SUCH_KEY}"}))
    assert state.failure is Failure.CONFIGURATION
    assert "DRAGOMAN_NO_SUCH_KEY" in (state.error or "")
    assert room.web.asked == []


def test_a_bug_is_a_failure_of_its_feed(room: Room) -> None:
    room.web.pages[URL] = ZeroDivisionError("oops")
    with capture_logs() as logs:
        state = room.poll(feed())
    assert [(line["event"], line["log_level"]) for line in logs] == [("a poll failed", "error")]
    assert (state.failure, state.error) == (Failure.BUG, "ZeroDivisionError: oops")


def test_a_writer_that_has_ended_ends_the_poll(room: Room) -> None:
    room.web.pages[URL] = rss([story("a", 1)])
    room.writer._failed = OSError("disk")
    with pytest.raises(RuntimeError, match="the writer has ended"):
        room.poll(feed())
    room.writer._failed = None
    assert room.articles() == []


PAGE = (
    "<html lang=nl><body><nav>{frame}</nav><article><h1>Kop</h1><p>De burgemeester opende maandag de nieuwe brug over "
    "de rivier, en {words} mensen keken toe vanaf de kade. Het was de derde brug in tien jaar tijd.</p></article>"
    "</body></html>"
)


def test_a_web_page_where_a_feed_is_expected_is_no_article(room: Room) -> None:
    room.web.pages[URL] = PAGE.format(frame="", words="twee")
    assert room.poll(feed(type="feed")).failure is Failure.UNREADABLE
    assert room.poll(feed(), FeedState(place=URL, format="rss20")).failure is Failure.UNREADABLE
    assert room.articles() == []
    assert room.poll(feed(type="page"), FeedState(place=URL)).failure is None
    assert len(room.articles()) == 1


def test_a_page_has_changed_when_its_words_have_and_not_when_its_frame_has(room: Room) -> None:
    for frame, words in (("10:00", "twee"), ("11:00", "twee"), ("12:00", "drie")):
        room.web.pages[URL] = PAGE.format(frame=frame, words=words)
        room.poll(feed(type="page"))
        assert len(room.articles()) == 1
        assert words in room.articles()[0].content
    assert "11:00" not in room.articles()[0].content
    assert {article.declared_language for article in room.articles()} == {"nl"}


# --- moves and secrets ------------------------------------------------------------------------------------------------


def test_a_feed_that_has_moved_is_asked_at_its_new_address_until_that_fails_three_times(room: Room) -> None:
    new = "https://new.org/feed"
    body = rss([story("a", 1)])
    room.web.pages = {URL: replace(answer(new, body), moved_to=new), new: body}
    assert room.poll(feed()).moved_to == new
    room.web.paths()
    room.poll(feed())
    assert room.web.paths() == [new]
    del room.web.pages[new]
    assert [room.poll(feed()).moved_to for _ in range(3)] == [new, new, None]
    room.web.paths()
    room.poll(feed())
    assert room.web.paths() == [URL]


def test_headers_go_to_the_feeds_own_host_and_not_to_where_it_has_moved(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_TEST_KEY", "hush")
    secret = feed(headers={"X-Key": "${DRAGOMAN_TEST_KEY}"})
    new = "https://new.org/feed"
    room.web.pages = {URL: replace(answer(new, rss([story("a", 1)])), moved_to=new), new: rss([story("a", 2)])}
    room.poll(secret)
    room.poll(secret)
    told = {request.url: request.headers for request in room.web.asked if not request.url.endswith("robots.txt")}
    assert told == {URL: {"X-Key": "hush"}, new: {}}


NAMELESS = "<rss version='2.0'><channel><item><title>Neither a guid nor a link</title></item></channel></rss>"


@pytest.mark.parametrize(("kind", "body"), [(None, NAMELESS), ("page", PAGE.format(frame="", words="twee"))])
def test_a_secret_in_the_url_is_written_down_nowhere(
    room: Room, monkeypatch: pytest.MonkeyPatch, kind: str | None, body: str
) -> None:
    monkeypatch.setenv("DRAGOMAN_TEST_KEY", "hush")
    asked = f"{URL}?key=hush"
    room.web.pages[asked] = replace(answer(asked, body), moved_to="https://e.org/new?key=hush")
    state = room.poll(feed(url=f"{URL}?key=${{DRAGOMAN_TEST_KEY}}", type=kind))
    assert room.web.paths() == [asked]
    assert len(room.articles()) == 1
    assert state.moved_to is None
    assert "hush" not in state.model_dump_json()
    assert "hush" not in room.articles()[0].model_dump_json()


# --- sitemap indexes --------------------------------------------------------------------------------------------------


def index(*parts: tuple[str, str | None]) -> str:
    inner = "".join(
        f"<sitemap><loc>{loc}</loc>{f'<lastmod>{changed}</lastmod>' if changed else ''}</sitemap>"
        for loc, changed in parts
    )
    return f"<sitemapindex {SITEMAP}>{inner}</sitemapindex>"


def part(*numbers: int) -> str:
    urls = "".join(
        f"<url><loc>https://e.org/p{number}</loc><n:news><n:title>Page {number}</n:title></n:news></url>"
        for number in numbers
    )
    return f"<urlset {SITEMAP}>{urls}</urlset>"


A, B = "https://e.org/a.xml", "https://cdn.org/b.xml"
BY_TITLE: dict[str, Any] = {"full_text": False}


def test_of_an_index_only_parts_that_changed_are_fetched_again(room: Room) -> None:
    room.web.pages = {URL: index((A, "2026-01-02"), (B, "2026-01-01")), A: part(1), B: part(2, 3)}
    state = room.poll(feed(**BY_TITLE))
    assert room.web.paths() == [B, A, URL]
    assert sorted(room.guids()) == ["https://e.org/p1", "https://e.org/p2", "https://e.org/p3"]
    assert (state.entries, state.format) == (3, "sitemap-index")
    assert state.parts == {A: "2026-01-02T00:00:00+00:00", B: "2026-01-01T00:00:00+00:00"}

    room.web.pages |= {URL: index((A, "2026-01-02"), (B, "2026-01-03")), B: part(2, 3, 4)}
    state = room.poll(feed(**BY_TITLE))
    assert room.web.paths() == [B, URL]
    assert room.guids()[3:] == ["https://e.org/p4"]
    assert state.parts[B] == "2026-01-03T00:00:00+00:00"


def test_an_index_without_dates_is_read_every_time_and_its_parts_go_by_their_bytes(room: Room) -> None:
    room.web.pages = {URL: answer(URL, index((A, None)), etag='"1"'), A: part(1)}
    state = room.poll(feed(**BY_TITLE))
    assert (state.etag, state.body_hash) == (None, None)
    room.web.paths()
    room.poll(feed(**BY_TITLE))
    assert room.web.paths() == [A, URL]
    assert len(room.articles()) == 1
    room.web.pages[A] = part(1, 2)
    assert room.poll(feed(**BY_TITLE)).entries == 2
    assert len(room.articles()) == 2


def test_a_part_that_fails_is_a_note_and_is_tried_again_while_the_others_come_in(room: Room) -> None:
    whole = answer(URL, index((A, "2026-01-02"), (B, "2026-01-01")), etag='"1"')
    room.web.pages = {URL: whole, B: part(2)}
    state = room.poll(feed(**BY_TITLE))
    assert room.guids() == ["https://e.org/p2"]
    assert state.notes == (f"part {A}: the server answers 404 Not Found",)
    assert (state.error_streak, state.etag, state.body_hash) == (0, None, None)
    room.web.paths()
    room.web.pages[A] = part(1)
    state = room.poll(feed(**BY_TITLE))
    assert room.web.paths() == [A, URL]
    assert (state.etag, state.notes) == ('"1"', ())


def test_a_part_that_is_cut_off_or_a_web_page_is_not_taken(room: Room) -> None:
    page = PAGE.format(frame="", words="twee")
    room.web.pages = {URL: index((A, "2026-01-02"), (B, "2026-01-01")), A: page}
    room.web.pages[B] = replace(answer(B, part(1)), cut_off="the connection broke")
    state = room.poll(feed(type="sitemap", **BY_TITLE))
    assert room.articles() == []
    assert sorted(note.partition(": ")[2][:10] for note in state.notes) == ["a web page", "the connec"]


def test_the_headers_of_a_feed_go_to_parts_on_its_own_host_only(room: Room) -> None:
    room.web.pages = {URL: index((A, None), (B, None)), A: part(1), B: part(2)}
    room.poll(feed(headers={"X-Key": "hush"}, **BY_TITLE))
    told = {request.url: request.headers for request in room.web.asked if not request.url.endswith("robots.txt")}
    assert told == {URL: {"X-Key": "hush"}, A: {"X-Key": "hush"}, B: {}}


def test_only_the_latest_parts_of_a_long_index_are_fetched(room: Room) -> None:
    parts = [(f"https://e.org/{number}.xml", f"20{number:02}-01-01") for number in range(MAX_PARTS + 2)]
    room.web.pages = {URL: index(*parts)} | {loc: part(number) for number, (loc, _) in enumerate(parts)}
    state = room.poll(feed(**BY_TITLE))
    assert len(room.articles()) == MAX_PARTS
    assert "https://e.org/p1" not in room.guids()
    assert state.notes == ("2 older parts of the index were left out",)


# --- full text --------------------------------------------------------------------------------------------------------

P1 = "https://e.org/p1"


def test_the_pages_of_a_sitemap_are_its_articles(room: Room) -> None:
    room.web.pages = {URL: part(1), P1: PAGE.format(frame="", words="twee")}
    state = room.poll(feed(headers={"X-Key": "hush"}, tags=["mine"]))
    (article,) = room.articles()
    assert "De burgemeester" in article.content
    assert (article.content_type, article.title, article.declared_language) == (ContentType.HTML, "Page 1", "nl")
    assert [tag.value for tag in article.declared.tags] == ["mine"]
    assert [request.headers for request in room.web.asked if request.url == P1] == [{}], (
        "secrets are for the feed, not for pages"
    )
    assert state.body_hash is not None
    room.web.pages[URL] = part(1, 2)
    room.web.paths()
    room.poll(feed())
    assert P1 not in room.web.paths(), "a page that was had is not fetched again"


def test_a_page_that_cannot_be_had_now_is_owed_and_the_document_comes_again_for_it(room: Room) -> None:
    room.web.pages = {URL: answer(URL, part(1), etag='"1"'), P1: FetchError(Failure.SERVER, "the server answers 503")}
    state = room.poll(feed())
    assert [article.content for article in room.articles()] == ["Page 1"]
    assert (state.etag, state.body_hash, state.error_streak) == (None, None, 0)
    assert tries(room, P1) == 1
    room.web.pages[P1] = PAGE.format(frame="", words="twee")
    state = room.poll(feed())
    assert state.etag == '"1"'
    assert "De burgemeester" in room.articles()[-1].content
    assert room.articles()[-1].article_id == room.articles()[0].article_id
    assert tries(room, P1) == COMPLETE


def tries(room: Room, guid: str) -> int:
    seen = room.store.seen("f", guid)
    assert seen is not None
    return seen.tries


def test_a_page_that_was_cut_off_is_owed(room: Room) -> None:
    page = answer(P1, PAGE.format(frame="", words="twee"))
    room.web.pages = {URL: part(1), P1: replace(page, cut_off="the connection broke")}
    room.poll(feed())
    assert [article.content for article in room.articles()] == ["Page 1"]
    assert tries(room, P1) == 1


@pytest.mark.parametrize("failure", [Failure.NOT_FOUND, Failure.REFUSED, Failure.ROBOTS, Failure.TOO_LARGE])
def test_a_page_that_will_not_come_is_not_owed(room: Room, failure: Failure) -> None:
    room.web.pages = {URL: part(1), P1: FetchError(failure, "no")}
    state = room.poll(feed())
    assert [article.content for article in room.articles()] == ["Page 1"]
    assert state.body_hash is not None
    assert tries(room, P1) == COMPLETE


@pytest.mark.parametrize("page", ["<html><body></body></html>", f"<html><body><p>{'x' * 6000}</p></body></html>"])
def test_a_page_without_words_or_over_the_limit_leaves_the_entry_as_it_is_stated(room: Room, page: str) -> None:
    room.web.pages = {URL: part(1), P1: page}
    room.poll(feed())
    assert [article.content for article in room.articles()] == ["Page 1"]
    assert tries(room, P1) == COMPLETE


def test_a_page_of_a_part_that_is_owed_has_its_part_fetched_again(room: Room) -> None:
    room.web.pages = {URL: index((A, "2026-01-02")), A: part(1), P1: FetchError(Failure.TIMEOUT, "slow")}
    assert room.poll(feed()).parts == {}
    room.web.pages[P1] = PAGE.format(frame="", words="twee")
    room.web.paths()
    assert list(room.poll(feed()).parts) == [A]
    assert room.web.paths() == [A, URL, P1]


def test_a_feed_may_ask_for_pages_too_and_entries_without_an_address_stay_as_they_are(room: Room) -> None:
    linked = replace(story("a", 1), link=P1)
    room.web.pages = {URL: rss([linked, story("a", 2)]), P1: PAGE.format(frame="", words="twee")}
    room.poll(feed(full_text=True))
    contents = {article.guid: article.content for article in room.articles()}
    assert "De burgemeester" in contents["a-1"]
    assert contents["a-2"] == story("a", 2).text
    assert next(article for article in room.articles() if article.guid == "a-1").declared_language == "en"


# --- how often a page is looked for -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "is_due"),
    [(COMPLETE, False), (0, True), (1, True), (MAX_PAGE_TRIES - 1, True), (MAX_PAGE_TRIES, False), (99, False)],
)
def test_an_entry_is_looked_at_while_its_page_was_tried_less_often_than_allowed(known: int, *, is_due: bool) -> None:
    assert owes_look(SeenEntry("hash", "id", None, known), "hash") is is_due


def test_an_entry_that_is_new_or_stated_otherwise_is_looked_at_whatever_was_tried() -> None:
    assert owes_look(None, "hash")
    assert owes_look(SeenEntry("old", "id", None, COMPLETE), "hash")
    assert owes_look(SeenEntry("old", "id", None, MAX_PAGE_TRIES), "hash")


def test_a_page_that_never_comes_is_asked_for_just_so_often(room: Room) -> None:
    room.web.pages = {URL: part(1), P1: FetchError(Failure.SERVER, "the server answers 503")}
    for _ in range(MAX_PAGE_TRIES + 3):
        room.poll(feed())
    assert room.web.paths().count(P1) == MAX_PAGE_TRIES
    assert tries(room, P1) == MAX_PAGE_TRIES
    assert len(room.articles()) == 1
    assert room.state.body_hash is not None, "nothing is owed any more"


# --- files, folders, topics -------------------------------------------------------------------------------------------


def local(path: str, **values: Any) -> Feed:
    return Feed(**{"id": "f", "path": path, "interval": "1h", **values})


def test_a_file_is_read_and_read_again_only_when_it_or_its_meaning_changed(room: Room) -> None:
    file = room.folder / "wire.csv"
    file.write_text("guid,content,body\n1,Words.,Other words.\n2,More.,\n")
    first = room.poll(local("wire.csv"))
    assert room.guids() == ["1", "2"]
    assert (first.entries, first.format) == (2, "CsvSource")
    assert first.read_at is not None
    before = polls("unchanged")
    second = room.poll(local("wire.csv"))
    assert (second.entries, second.body_hash) == (2, first.body_hash)
    assert polls("unchanged") == before + 1
    third = room.poll(local("wire.csv", columns={"content": "body"}))
    assert third.body_hash != first.body_hash
    assert [article.content for article in room.articles()] == ["More.", "Other words."]
    with file.open("a") as out:
        out.write("3,Later.,Later.\n")
    room.poll(local("wire.csv"))
    assert "3" in room.guids()


def test_a_file_that_is_not_there_or_cannot_be_read_is_a_failure(room: Room) -> None:
    state = room.poll(local("missing.csv"))
    assert state.failure is Failure.UNREADABLE
    assert "does not exist" in (state.error or "")
    (room.folder / "wire.csv").mkdir()
    state = room.poll(local("wire.csv", type="csv"))
    assert (state.failure, state.error) == (Failure.UNREADABLE, "cannot be read: Is a directory")


def test_of_a_folder_only_files_that_changed_are_read_and_now_and_then_all_are(room: Room) -> None:
    inbox = room.folder / "inbox"
    inbox.mkdir()
    (inbox / "a.txt").write_text("First.")
    state = room.poll(local("inbox"))
    assert room.guids() == ["a.txt"]
    later = state.model_copy(update={"read_at": time.time() + HOUR})
    assert room.poll(local("inbox"), later).entries == 0
    everything = later.model_copy(update={"polls": UNCONDITIONAL_EVERY})
    assert room.poll(local("inbox"), everything).entries == 1
    assert len(room.articles()) == 1


def test_a_topic_is_read_on_from_its_offsets_and_at_once_while_there_is_more(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = FakeTopics({"wire": {0: [b'{"guid": "%d", "content": "Words."}' % number for number in range(3)]}})
    monkeypatch.setattr("services.producer.sources.topic.KafkaConsumer", topics.consumer)
    monkeypatch.setattr("services.producer.feeds.poll.TOPIC_MESSAGES", 2)
    topic = feed(url="kafka://one:9092/wire")
    first = room.poll(topic)
    assert (room.guids(), first.offsets, first.format) == (["0", "1"], {"0": 2}, "TopicSource")
    assert wait_of(first) == pytest.approx(0, abs=1), "the rest comes at once"
    second = room.poll(topic)
    assert (room.guids(), second.offsets) == (["0", "1", "2"], {"0": 3})
    assert wait_of(second) == pytest.approx(HOUR)


def test_a_topic_that_is_not_there_is_a_failure(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.producer.sources.topic.KafkaConsumer", FakeTopics().consumer)
    state = room.poll(feed(url="kafka://one:9092/wire", type="topic"))
    assert state.failure is Failure.UNREADABLE
    assert "there is no topic wire" in (state.error or "")


# --- small things -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "kind", "wanted"),
    [
        (None, FeedType.SITEMAP, True),
        (None, FeedType.FEED, False),
        (True, FeedType.FEED, True),
        (False, FeedType.SITEMAP, False),
        (True, FeedType.PAGE, False),
    ],
)
def test_pages_are_fetched_for_sitemaps_and_for_who_asks(*, stated: bool | None, kind: FeedType, wanted: bool) -> None:
    assert wants_pages(feed(full_text=stated), kind) is wanted


def test_a_host_is_named_without_www() -> None:
    assert host_name("https://www.E.org:8443/x") == "e.org"
    assert host_name("no address") == "feed"


def test_addresses_take_their_secrets_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_TEST_KEY", "hush")
    secret = feed(url=f"{URL}?k=${{DRAGOMAN_TEST_KEY}}", headers={"X": "Key ${DRAGOMAN_TEST_KEY}"})
    assert addresses(secret) == (f"{URL}?k=hush", {"X": "Key hush"})


def test_chunks_are_whole_but_for_the_last() -> None:
    items = [Item(Entry("s", str(number), "x", ContentType.TEXT)) for number in range(5)]
    assert [len(chunk) for chunk in chunks(items, 2)] == [2, 2, 1]


def test_a_file_that_is_gone_has_no_signature(tmp_path: Path) -> None:
    assert file_signature(tmp_path / "gone", local("gone")) is None


def test_a_state_names_its_children_with_what_the_list_says(room: Room) -> None:
    room.web.pages[URL] = opml("https://a.org/rss")
    assert room.poll(feed()).children == (ChildFeed(url="https://a.org/rss", title="T", tags=("News",), language="nl"),)
