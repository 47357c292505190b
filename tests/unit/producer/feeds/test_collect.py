"""The collector polls each feed when it is due, applies edits of its file at once, and survives errors in it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Gauge
from structlog.testing import capture_logs

from schemas.feed import Feed
from services.producer.feeds.collect import (
    FULL_WAIT_SECONDS,
    GAUGES_SECONDS,
    UNWRITTEN_SECONDS,
    Collector,
    feed_condition,
    replace_series,
)
from services.producer.feeds.lists import children_of
from services.producer.feeds.state import ChildFeed, FeedState
from services.producer.feeds.watch import file_mark
from services.producer.fetch.client import Failure
from services.producer.settings import ProducerSettings

HOUR = 3600.0
DAY = 24 * HOUR


class FakeWriter:
    """A writer that is full or has ended when a test says so."""

    is_full = False
    failed: BaseException | None = None


class FakePoller:
    """Records polled feeds. A poll ends when `open` is set, with the state from `after`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.reading = ThreadPoolExecutor(1)
        self.polled: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.after: Callable[[Feed, FeedState], FeedState] = self.polled_once_more

    @staticmethod
    def polled_once_more(feed: Feed, state: FeedState) -> FeedState:
        return state.model_copy(
            update={"place": feed.place, "polls": state.polls + 1, "next_poll_at": time.time() + HOUR}
        )

    async def poll(self, feed: Feed, state: FeedState) -> FeedState:
        self.polled.append(feed.id)
        await self.open.wait()
        return self.after(feed, state)


class Room:
    """A collector with its feeds file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "feeds.yaml"
        self.poller, self.writer = FakePoller(folder), FakeWriter()
        settings = ProducerSettings(home=folder / "home", feeds=self.file)
        poller: Any = self.poller
        writer: Any = self.writer
        self.collector = Collector(settings, poller, writer, {})

    def write(self, *lines: str) -> None:
        part = self.folder / "part"
        part.write_text("feeds:\n" + "".join(f"  - {line}\n" for line in lines) if lines else "feeds: []\n")
        part.replace(self.file)

    def load(self, *lines: str) -> None:
        self.write(*lines)
        self.collector.reload()

    def due(self, feed_id: str) -> float:
        """Seconds until a feed is due."""
        return self.collector._due_at[feed_id] - time.time()

    def run(self, work: Callable[[asyncio.Task[None]], Awaitable[None]]) -> None:
        """Run `work` while the collector runs."""

        async def inside() -> None:
            stopping = asyncio.Event()
            running = asyncio.create_task(self.collector.run(stopping))
            try:
                await work(running)
            finally:
                stopping.set()
            await running

        asyncio.run(inside())


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr("services.producer.feeds.collect.FILE_CHECK_SECONDS", 0.02)
    monkeypatch.setattr("services.producer.feeds.watch.FILE_CHECK_SECONDS", 0.02)
    monkeypatch.setattr("services.producer.feeds.watch.DEBOUNCE_MS", 50)
    made = Room(tmp_path)
    yield made
    made.poller.reading.shutdown()


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        await asyncio.sleep(0.005)


def line(name: str, **values: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in values.items())
    return f"{{id: {name}, url: 'https://{name}.org/'{more}}}"


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


SOON = pytest.approx(0, abs=5)

# --- the feeds file ---------------------------------------------------------------------------------------------------


def test_without_a_file_there_are_no_feeds_and_that_is_no_mistake(room: Room) -> None:
    room.collector.reload()
    assert room.collector.feeds == {}
    assert room.collector.file_error is None


def test_a_new_feed_is_due_now_and_a_known_one_when_it_was_due_before_the_restart(room: Room) -> None:
    later = time.time() + HOUR
    room.collector.states["known"] = FeedState(place="https://known.org/", next_poll_at=later)
    room.collector.states["moved"] = FeedState(place="https://before.org/", next_poll_at=later)
    room.load(line("new"), line("known"), line("moved"))
    assert set(room.collector.feeds) == {"new", "known", "moved"}
    assert room.due("known") == pytest.approx(HOUR, abs=5)
    assert room.due("moved") == SOON
    assert room.due("new") == SOON


def test_an_edited_feed_is_due_now_and_its_neighbour_is_left_alone(room: Room) -> None:
    room.load(line("a"), line("b"))
    for name in ("a", "b"):
        room.collector._schedule(name, time.time() + HOUR)
    room.load(line("a", interval="5m"), line("b"))
    assert room.due("a") == SOON
    assert room.due("b") == pytest.approx(HOUR, abs=5)


def test_a_feed_that_was_taken_out_is_not_due_any_more(room: Room) -> None:
    room.load(line("a"))
    assert room.collector._next_due() is not None
    room.load()
    assert room.collector.feeds == {}
    assert room.collector._next_due() is None


def test_a_paused_feed_is_kept_and_not_polled_and_is_due_when_it_goes_on(room: Room) -> None:
    room.load(line("a", paused="true"))
    assert "a" in room.collector.feeds
    assert room.collector._next_due() is None
    room.load(line("a"))
    assert room.due("a") == SOON


def test_while_the_file_has_mistakes_the_feeds_before_them_go_on(room: Room) -> None:
    room.load(line("a"), line("b"))
    feeds = dict(room.collector.feeds)
    room.load("{id: a, url: nonsense}")
    assert room.collector.feeds == feeds
    assert "url must begin with" in str(room.collector.file_error)
    assert gauge("dragoman_feeds_file_valid") == 0
    room.file.unlink()
    room.collector.reload()
    assert room.collector.feeds == feeds, "a file that is gone is a mistake too"
    assert room.collector.file_error is not None
    room.load(line("b"))
    assert set(room.collector.feeds) == {"b"}
    assert room.collector.file_error is None
    assert gauge("dragoman_feeds_file_valid") == 1


def test_a_variable_that_is_not_set_is_named_in_the_log(room: Room) -> None:
    with capture_logs() as logs:
        room.load(line("a", headers="{X-Key: '${DRAGOMAN_NO_SUCH_KEY}'}"))
    assert [(line["feed"], line["variable"]) for line in logs] == [("a", "DRAGOMAN_NO_SUCH_KEY")]


def test_the_feeds_of_a_list_are_collected_with_it_and_go_with_it(room: Room) -> None:
    room.collector.states["list"] = FeedState(children=(ChildFeed(url="https://a.org/rss"),))
    room.load(line("list"), line("other"))
    (child,) = set(room.collector.feeds) - {"list", "other"}
    assert room.collector.feeds[child].url == "https://a.org/rss"
    assert room.due(child) == SOON
    room.load(line("other"))
    assert set(room.collector.feeds) == {"other"}


def test_children_have_the_lists_settings_and_stable_ids_and_odd_ones_are_left_out() -> None:
    parent = Feed(
        id="list",
        url="https://e.org/opml",
        interval="30m",
        tags=("t",),
        language="de",
        respect_robots=False,
        paused=True,
    )
    named = ChildFeed(url="https://www.a.org/rss", title="A", tags=("w",), language="nl")
    state = FeedState(children=(named, ChildFeed(url="ftp://x"), ChildFeed(url="https://b.org/"), named))
    with capture_logs() as logs:
        first, second = children_of(parent, state)
    assert [line["event"] for line in logs] == ["a feed of a list is left out"]
    assert first.id.startswith("list/a-org-")
    assert (first.interval, first.tags, first.source, first.language) == (1800, ("t", "w"), "A", "nl")
    assert (first.respect_robots, first.paused) == (False, True)
    assert (second.language, second.source) == ("de", None)
    assert [child.id for child in children_of(parent, state)] == [first.id, second.id]
    assert children_of(parent, None) == []
    automatic = parent.model_copy(update={"interval": "auto"})
    assert children_of(automatic, state)[0].interval == "auto"


def test_a_file_has_another_mark_when_it_is_edited_or_replaced(tmp_path: Path) -> None:
    file = tmp_path / "f"
    assert file_mark(file) is None
    file.write_text("a")
    os.utime(file, ns=(1, 1))
    before = file_mark(file)
    assert file_mark(file) == before
    os.utime(file, ns=(1, 2))
    assert file_mark(file) != before
    other = tmp_path / "g"
    other.write_text("a")
    os.utime(other, ns=(1, 1))
    other.replace(file)
    assert file_mark(file) != before


# --- due times --------------------------------------------------------------------------------------------------------


def test_a_feed_is_due_at_the_last_time_it_was_given_and_no_other(room: Room) -> None:
    room.load(line("a"))
    room.collector._schedule("a", 100.0)
    room.collector._schedule("a", 300.0)
    assert room.collector._next_due() == 300.0
    room.collector._schedule("a", 200.0)
    assert room.collector._next_due() == 200.0


def test_the_pause_is_until_the_next_feed_is_due_or_the_gauges_are(room: Room) -> None:
    assert room.collector._pause() == GAUGES_SECONDS
    room.load(line("a"))
    assert room.collector._pause() == 0
    room.collector._schedule("a", time.time() + HOUR)
    assert room.collector._pause() == GAUGES_SECONDS
    room.collector._schedule("a", time.time() + 3)
    assert 0 < room.collector._pause() <= 3
    room.writer.is_full = True
    assert room.collector._pause() == FULL_WAIT_SECONDS


def started(room: Room) -> list[str]:
    """The feeds that are polled when the due feeds are started once."""

    async def inside() -> None:
        room.collector._start_due()
        await asyncio.gather(*room.collector._running.values())

    asyncio.run(inside())
    return room.poller.polled


def test_those_that_are_due_are_polled_the_most_overdue_first(room: Room) -> None:
    room.load(line("a"), line("b"), line("c"))
    room.collector._schedule("a", time.time() - 1)
    room.collector._schedule("b", time.time() - 2)
    room.collector._schedule("c", time.time() + HOUR)
    assert started(room) == ["b", "a"]
    assert room.due("a") == pytest.approx(HOUR, abs=5)
    assert room.collector.states["a"].polls == 1
    assert room.collector._running == {}


def test_while_the_outbox_is_full_nothing_is_polled(room: Room) -> None:
    room.load(line("a"))
    room.writer.is_full = True
    assert started(room) == []
    room.writer.is_full = False
    assert started(room) == ["a"]


def test_no_more_polls_than_allowed_are_under_way(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.producer.feeds.collect.MAX_TASKS", 1)
    room.load(line("a"), line("b"))
    assert started(room) == ["a"]
    assert started(room) == ["a", "b"]


def test_a_feed_that_was_paused_while_it_was_due_is_not_polled(room: Room) -> None:
    room.load(line("a"))
    room.load(line("a", paused="true"))
    assert started(room) == []


def test_a_poll_that_cannot_be_written_is_made_again_later_and_nothing_of_it_is_remembered(room: Room) -> None:
    def refuse(*_: object) -> FeedState:
        raise OSError("disk is full")

    room.load(line("a"))
    room.poller.after = refuse
    with capture_logs() as logs:
        assert started(room) == ["a"]
    assert [line["event"] for line in logs] == ["a poll could not be written"]
    assert "a" not in room.collector.states
    assert room.due("a") == pytest.approx(UNWRITTEN_SECONDS, abs=5)


def test_a_list_that_names_other_feeds_now_has_them_at_once(room: Room) -> None:
    room.load(line("list"))
    room.poller.after = lambda _, state: state.model_copy(
        update={"children": (ChildFeed(url="https://a.org/rss"),), "next_poll_at": time.time() + HOUR}
    )
    started(room)
    assert len(room.collector.feeds) == 2


# --- a poll under way -------------------------------------------------------------------------------------------------


def during_a_poll(room: Room, work: Callable[[], None]) -> None:
    """Run `work` while the only feed is polled. Then end that poll."""

    async def inside() -> None:
        room.poller.open.clear()
        room.collector._start_due()
        (task,) = room.collector._running.values()
        await asyncio.sleep(0)
        work()
        room.collector._start_due()
        room.poller.open.set()
        await task

    asyncio.run(inside())


def test_a_feed_that_is_asked_for_is_due_now(room: Room) -> None:
    room.load(line("a"))
    room.collector._schedule("a", time.time() + HOUR)
    room.collector.poll_now("a")
    assert room.due("a") == SOON


def test_a_feed_that_is_asked_for_during_its_poll_is_polled_once_more_after_it(room: Room) -> None:
    def ask() -> None:
        for _ in range(5):
            room.collector.poll_now("a")

    room.load(line("a"))
    during_a_poll(room, ask)
    assert room.poller.polled == ["a"], "never twice at once"
    assert room.due("a") == SOON
    assert started(room) == ["a", "a"]
    assert room.due("a") == pytest.approx(HOUR, abs=5), "once more, not five times"


def test_a_feed_that_is_edited_during_its_poll_is_polled_once_more(room: Room) -> None:
    room.load(line("a"))
    during_a_poll(room, lambda: room.load(line("a", interval="5m")))
    assert room.poller.polled == ["a"]
    assert room.due("a") == SOON


def test_a_feed_that_is_taken_out_during_its_poll_is_not_polled_again(room: Room) -> None:
    room.load(line("a"))
    during_a_poll(room, room.load)
    assert room.collector._next_due() is None


# --- running ----------------------------------------------------------------------------------------------------------


def test_it_runs_until_it_is_told_to_stop_and_takes_edits_on_the_way(room: Room) -> None:
    async def work(running: asyncio.Task[None]) -> None:
        await until(lambda: room.poller.polled == ["a"])
        room.write(line("a"), line("b"))
        await until(lambda: room.poller.polled == ["a", "b"])
        room.write("{id: a}")
        await until(lambda: room.collector.file_error is not None)
        room.write(line("c"))
        await until(lambda: room.poller.polled == ["a", "b", "c"])
        assert not running.done()

    room.write(line("a"))
    room.run(work)
    assert room.collector._running == {}


def test_a_poll_under_way_is_ended_with_it(room: Room) -> None:
    async def work(_: asyncio.Task[None]) -> None:
        room.poller.open.clear()
        await until(lambda: room.poller.polled)

    room.write(line("a"))
    room.run(work)
    assert room.collector.states == {}


def test_it_ends_with_an_error_when_the_writer_has_ended(room: Room) -> None:
    async def work(running: asyncio.Task[None]) -> None:
        await until(lambda: room.poller.polled)
        room.writer.failed = OSError("disk")
        room.collector.poll_now("a")
        await asyncio.wait({running})

    room.write(line("a"))
    with pytest.raises(RuntimeError, match="the writer has ended") as caught:
        room.run(work)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_folder_is_polled_when_something_is_put_into_it_also_when_it_was_made_later(room: Room) -> None:
    inbox = room.folder / "inbox"
    count = 0

    def put_and_look() -> bool:
        # Repeat the change, because nothing shows when the watching begins.
        nonlocal count
        count += 1
        (inbox / f"{count}.txt").write_text("Words.")
        return len(room.poller.polled) >= 2

    async def work(_: asyncio.Task[None]) -> None:
        await until(lambda: room.poller.polled)
        inbox.mkdir()
        await until(put_and_look)

    room.write("{id: inbox, path: inbox}", "{id: resting, path: '.', paused: true}")
    room.run(work)
    assert set(room.poller.polled) == {"inbox"}


def test_folders_are_looked_for_again_when_the_feeds_change(room: Room) -> None:
    for name in ("one", "two"):
        (room.folder / name).mkdir()
    room.load("{id: one, path: one}")
    folders = room.collector._folders._folders()
    assert folders == {room.folder / "one": "one"}

    async def differs() -> bool:
        changed = asyncio.Event()
        check = asyncio.create_task(room.collector._folders._until_folders_differ(folders, changed))
        await asyncio.sleep(0.03)
        assert not changed.is_set()
        room.load("{id: one, path: one}", "{id: two, path: two}", "{id: file, path: feeds.yaml}")
        await asyncio.wait_for(check, 10)
        return changed.is_set()

    assert asyncio.run(differs())
    assert set(room.collector._folders._folders().values()) == {"one", "two"}


def test_folders_that_cannot_be_watched_are_still_read_at_their_interval(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> AsyncIterator[Any]:
        raise OSError("no more watches")
        yield

    async def work(running: asyncio.Task[None]) -> None:
        await until(lambda: logs)
        await until(lambda: room.poller.polled)
        assert not running.done()

    monkeypatch.setattr("services.producer.feeds.watch.awatch", refuse)
    (room.folder / "inbox").mkdir()
    room.write("{id: inbox, path: inbox}")
    with capture_logs() as logs:
        room.run(work)
    assert "no more watches" in logs[0]["error"]


# --- gauges -----------------------------------------------------------------------------------------------------------


def test_one_word_for_each_feed() -> None:
    feed = Feed(id="a", url="https://e.org/")
    silent = FeedState(last_success_at=1.0, last_new_at=1.0, gaps=(60.0,) * 5)
    assert feed_condition(feed, FeedState(), 0) == "new"
    assert feed_condition(feed, FeedState(last_success_at=1.0), 2) == "ok"
    assert feed_condition(feed, silent, 2) == "ok"
    assert feed_condition(feed, silent, 10 * DAY) == "silent"
    assert feed_condition(feed, silent.model_copy(update={"error_streak": 1}), 10 * DAY) == "failing"
    assert feed_condition(feed.model_copy(update={"paused": True}), FeedState(error_streak=1), 0) == "paused"


def test_gauges_count_feeds_by_state_and_name_those_that_fail_or_are_silent(room: Room) -> None:
    now = 10 * DAY
    room.collector.states |= {
        "good": FeedState(last_success_at=now),
        "bad": FeedState(error_streak=3, failure=Failure.NOT_FOUND),
        "quiet": FeedState(last_success_at=now, last_new_at=now - 5 * DAY, gaps=(60.0,) * 5),
    }
    room.load(line("good"), line("bad"), line("quiet"), line("fresh"), line("resting", paused="true"))
    for name in ("good", "bad", "quiet", "fresh"):
        room.collector._schedule(name, now + HOUR)
    room.collector._schedule("good", now - 40)
    room.collector.publish(now)
    counts = {name: gauge("dragoman_feeds", state=name) for name in ("ok", "failing", "silent", "new", "paused")}
    assert counts == dict.fromkeys(counts, 1)
    assert gauge("dragoman_feed_error_streak", feed="bad", failure="not_found") == 3
    assert gauge("dragoman_feed_silent_seconds", feed="quiet") == 5 * DAY
    assert gauge("dragoman_feed_late_seconds") == 40

    room.collector.states["bad"] = FeedState(error_streak=1, failure=Failure.SERVER)
    room.load(line("bad"))
    room.collector._schedule("bad", now + HOUR)
    room.collector.publish(now)
    assert gauge("dragoman_feeds", state="ok") == 0
    assert gauge("dragoman_feed_error_streak", feed="bad", failure="not_found") is None
    assert gauge("dragoman_feed_error_streak", feed="bad", failure="server") == 1
    assert gauge("dragoman_feed_silent_seconds", feed="quiet") is None
    assert gauge("dragoman_feed_late_seconds") == 0


def test_a_feed_that_was_never_polled_is_late_from_the_moment_it_was_read(room: Room) -> None:
    room.load(line("a"))
    room.collector.publish(time.time() + 40)
    assert gauge("dragoman_feed_late_seconds") == pytest.approx(40, abs=5)


def test_where_nothing_is_due_nothing_is_late(room: Room) -> None:
    room.load(line("a", paused="true"))
    room.collector.publish(time.time())
    assert gauge("dragoman_feed_late_seconds") == 0


def test_a_gauge_has_just_the_series_that_are_wanted() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("g", "A gauge.", ["feed", "failure"], registry=registry)
    replace_series(gauge, {("a", "x"): 1.0, ("b", "y"): 2.0})
    replace_series(gauge, {("b", "y"): 3.0, ("c", "z"): 4.0})
    samples = {tuple(sample.labels.values()): sample.value for family in gauge.collect() for sample in family.samples}
    assert samples == {("b", "y"): 3.0, ("c", "z"): 4.0}
