"""The collector on a local server: due feeds are polled, edits count at once, failures stay where they are."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from schemas.feed import Feed
from services.producer.feeds.collect import Collector, feed_condition
from services.producer.feeds.discovery import discover
from services.producer.feeds.lists import children_of
from services.producer.feeds.poll import Poller
from services.producer.feeds.state import ChildFeed, FeedState
from services.producer.fetch.client import Client, Failure
from services.producer.fetch.robots import Robots
from services.producer.ledger.store import Store
from services.producer.ledger.writer import OutboxWriter
from services.producer.settings import ProducerSettings
from tests.fakes import FakeProducer
from tests.web import Answer, rss, serve_answers, story


class Site:
    """Answers by path; counts requests."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []

    def __call__(self, path: str, _: dict[str, str]) -> Answer:
        self.asked.append(path)
        return self.answers.get(path, Answer(404))


class Running:
    """A collector at work, and the store that it writes."""

    def __init__(self, collector: Collector, store: Store, base: str, file: Path) -> None:
        self.collector, self.store, self.base, self.file = collector, store, base, file

    def write(self, *lines: str) -> None:
        self.file.write_text("feeds:\n" + "".join(f"  - {line.format(base=self.base)}\n" for line in lines))
        os.utime(self.file, (time.time(), time.time()))

    async def until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.collector.states
            await asyncio.sleep(0.02)

    def articles(self) -> int:
        return self.store.totals().articles


def run(tmp_path: Path, site: Site, work: Callable[[Running], Awaitable[None]], *lines: str) -> None:
    """Work with a running collector; everything ends with it."""
    file = tmp_path / "feeds.yaml"

    async def inside(base: str) -> None:
        settings = ProducerSettings(
            home=tmp_path / "home",
            feeds=file,
            allow_networks="127.0.0.0/8",
            host_spacing_seconds=0,
            host_connections=10,
            retry_seconds=0.05,
            fetch_seconds=5,
        )
        store = Store(settings.store_file)
        make: Any = lambda _: FakeProducer()  # noqa: E731 - a factory
        with OutboxWriter(settings, make) as writer:
            async with Client(settings) as client:
                poller = Poller(settings, client, Robots(client, "x"), writer, store.seen, tmp_path)
                collector = Collector(settings, poller, writer, {})
                running = Running(collector, store, base, file)
                running.write(*lines)
                stopping = asyncio.Event()
                task = asyncio.create_task(collector.run(stopping))
                try:
                    await work(running)
                finally:
                    stopping.set()
                    await task
        store.close()

    with serve_answers(site) as base:
        asyncio.run(inside(base))


def feed(name: str, *numbers: int) -> Answer:
    return Answer(body=rss([story(name, number) for number in numbers]))


def test_edits_of_the_file_count_without_a_restart_and_mistakes_change_nothing(tmp_path: Path) -> None:
    site = Site()
    site.answers = {"/a": feed("a", 1), "/b": feed("b", 1, 2)}

    async def work(running: Running) -> None:
        await running.until(lambda: running.articles() == 1)
        running.write("{{id: a, url: '{base}/a', interval: 1h}}", "{{id: b, url: '{base}/b', interval: 1h}}")
        await running.until(lambda: running.articles() == 3)
        running.write("{{id: a, url: nonsense}}")
        await running.until(lambda: running.collector.file_error is not None)
        assert set(running.collector.feeds) == {"a", "b"}
        assert REGISTRY.get_sample_value("dragoman_feeds_file_valid") == 0
        running.write("{{id: a, url: '{base}/a', interval: 1h, paused: true}}")
        await running.until(lambda: running.collector.file_error is None)
        assert set(running.collector.feeds) == {"a"}

    run(tmp_path, site, work, "{{id: a, url: '{base}/a', interval: 1h}}")


def test_a_feed_that_fails_waits_and_the_others_go_on(tmp_path: Path) -> None:
    site = Site()
    site.answers = {"/good": feed("good", 1), "/page": Answer(body=b"<html><body><p>No feed here</p></body></html>")}

    async def work(running: Running) -> None:
        states = running.collector.states
        await running.until(lambda: states.get("good", FeedState()).polls > 3)
        await running.until(lambda: states.get("bad", FeedState()).error_streak > 1)
        assert states["bad"].failure is Failure.NOT_FOUND
        assert states["secret"].failure is Failure.CONFIGURATION
        assert "NO_SUCH_VARIABLE" in (states["secret"].error or "")
        running.collector.publish(time.time())
        assert REGISTRY.get_sample_value("dragoman_feeds", {"state": "failing"}) == 2
        labels = {"feed": "bad", "failure": "not_found"}
        assert (REGISTRY.get_sample_value("dragoman_feed_error_streak", labels) or 0) > 1

    run(
        tmp_path,
        site,
        work,
        "{{id: good, url: '{base}/good', interval: 1s}}",
        "{{id: bad, url: '{base}/bad', interval: 1s}}",
        "{{id: secret, url: '{base}/x', headers: {{{{X: '${{{{NO_SUCH_VARIABLE}}}}'}}}}}}".replace(
            "{{{{", "{{"
        ).replace("}}}}", "}}"),
    )


def test_asking_for_a_poll_again_and_again_is_one_more_poll(tmp_path: Path) -> None:
    site = Site()
    site.answers = {"/a": feed("a", 1)}

    async def work(running: Running) -> None:
        await running.until(lambda: running.articles() == 1)
        before = site.asked.count("/a")
        for _ in range(50):
            running.collector.poll_now("a")
        await asyncio.sleep(1.0)
        assert site.asked.count("/a") - before <= 2

    run(tmp_path, site, work, "{{id: a, url: '{base}/a', interval: 1h}}")


def test_a_store_that_takes_nothing_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.answers = {"/a": feed("a", 1)}
    monkeypatch.setattr("services.producer.feeds.collect.UNWRITTEN_SECONDS", 0.1)
    refuse = [True]
    save = Store.save_feed_state

    def save_or_refuse(self: Store, feed_id: str, state: str) -> None:
        if refuse[0]:
            raise sqlite3.OperationalError("disk is full")
        save(self, feed_id, state)

    monkeypatch.setattr(Store, "save_feed_state", save_or_refuse)

    async def work(running: Running) -> None:
        await running.until(lambda: site.asked.count("/a") > 2)
        assert running.articles() == 0
        refuse[0] = False
        await running.until(lambda: running.articles() == 1)

    run(tmp_path, site, work, "{{id: a, url: '{base}/a', interval: 1s}}")


def test_a_folder_is_read_when_something_is_put_into_it(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a.txt").write_text("First text.")

    async def work(running: Running) -> None:
        await running.until(lambda: running.articles() == 1)
        await asyncio.sleep(1.5)
        (inbox / "b.txt").write_text("Second text.")
        await running.until(lambda: running.articles() == 2)

    run(tmp_path, Site(), work, "{{id: inbox, path: inbox, interval: 1h}}")


def test_feeds_of_a_list_are_collected_with_the_lists_settings(tmp_path: Path) -> None:
    site = Site()
    site.answers = {"/b": feed("b", 1)}

    async def work(running: Running) -> None:
        outline = f'<outline text="B" xmlUrl="{running.base}/b"/>'
        site.answers["/list"] = Answer(body=f'<opml version="2.0"><body>{outline}</body></opml>'.encode())
        await running.until(lambda: running.articles() == 1)
        (child,) = [feed_id for feed_id in running.collector.feeds if feed_id.startswith("list/")]
        assert running.collector.feeds[child].tags == ("mine",)

    run(tmp_path, site, work, "{{id: list, url: '{base}/list', interval: 1s, tags: [mine]}}")


def test_a_file_that_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("guid,content\n1,Words.\n")

    async def work(running: Running) -> None:
        states = running.collector.states
        await running.until(lambda: running.articles() == 1 and "a" in states)
        first = states["a"]
        await running.until(lambda: states["a"].polls > first.polls + 1)
        assert (states["a"].last_new_at, states["a"].read_at) == (first.last_new_at, first.read_at)
        (tmp_path / "a.csv").write_text("guid,content\n1,Words.\n2,More.\n")
        await running.until(lambda: running.articles() == 2)

    run(tmp_path, Site(), work, "{{id: a, path: a.csv, interval: 1s}}")


def test_children_of_a_list_have_stable_ids_and_odd_ones_are_left_out() -> None:
    feed_list = Feed(id="list", url="https://e.org/opml", interval="30m", tags=("t",))
    state = FeedState(children=(ChildFeed(url="https://a.org/rss", title="A", tags=("w",)), ChildFeed(url="ftp://x")))
    (child,) = children_of(feed_list, state)
    assert child.id.startswith("list/a-org-")
    assert (child.interval, child.tags, child.source) == (1800, ("t", "w"), "A")


def test_one_word_for_each_feed() -> None:
    feed = Feed(id="a", url="https://e.org/")
    assert feed_condition(feed, FeedState(), 0) == "new"
    assert feed_condition(feed, FeedState(last_success_at=1.0), 2) == "ok"
    assert feed_condition(feed, FeedState(error_streak=1), 2) == "failing"
    silent = FeedState(last_success_at=1.0, last_new_at=1.0, gaps=(60.0,) * 5)
    assert feed_condition(feed, silent, 10 * 86400) == "silent"
    assert feed_condition(Feed(id="a", url="https://e.org/", paused=True), silent, 0) == "paused"


def test_discovery_looks_at_links_robots_and_common_places(tmp_path: Path) -> None:
    site = Site()
    link = '<link rel="alternate" type="application/rss+xml" href="/linked" title="News">'
    site.answers = {
        "/": Answer(body=f"<html><head>{link}</head><body>x</body></html>".encode()),
        "/bare": Answer(body=b"<html><body>x</body></html>"),
        "/linked": feed("a", 1),
        "/rss.xml": feed("b", 1),
    }
    settings = ProducerSettings(home=tmp_path, allow_networks="127.0.0.0/8", host_spacing_seconds=0)

    async def find(url: str) -> list[tuple[str, str]]:
        async with Client(settings) as client:
            return [(feed.url, feed.why) for feed in await discover(client, Robots(client, "x"), url)]

    with serve_answers(site) as base:
        names = b"Sitemap: %b/news" % base.encode()
        site.answers["/robots.txt"] = Answer(body=names)
        loc = f"<url><loc>{base}/1</loc><news><title>T</title></news></url>"
        site.answers["/news"] = Answer(body=f"<urlset>{loc}</urlset>".encode())
        found = asyncio.run(find(f"{base}/"))
        assert [url for url, _ in found] == [f"{base}/linked", f"{base}/news"]
        assert "News" in found[0][1]
        assert [url for url, _ in asyncio.run(find(f"{base}/bare"))] == [f"{base}/rss.xml", f"{base}/news"]
        assert asyncio.run(find(f"{base}/linked")) == [(f"{base}/linked", "this is a feed itself")]
