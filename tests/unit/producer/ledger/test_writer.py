"""A poll is written in one transaction and sent afterwards. No kill and no outage loses anything."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from schemas.article import ContentType, RawArticle
from schemas.dead_letter import DeadLetter
from services.common.messages import decode
from services.common.producer import DeliveryError
from services.producer.feeds.state import FeedState
from services.producer.ledger.jobs import Counted, Item, ItemOutcome, Job
from services.producer.ledger.store import Store
from services.producer.ledger.writer import MAX_PAGE_TRIES, OutboxWriter, write_entry
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem, ProblemKind
from tests.fakes import FakeProducer

LIMIT = 50_000_000
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
AT = datetime(2026, 11, 23, tzinfo=UTC)


def entry(guid: str, content: str = "text", **fields: Any) -> Entry:
    return Entry("s", guid, content, ContentType.TEXT, **fields)


@pytest.fixture
def settings(tmp_path: Path) -> ProducerSettings:
    return ProducerSettings(home=tmp_path)


@pytest.fixture
def store(settings: ProducerSettings) -> Iterator[Store]:
    made = Store(settings.store_file)
    yield made
    made.close()


def writer(settings: ProducerSettings, *producers: FakeProducer) -> OutboxWriter:
    """A writer that gets these producers one after the other."""
    rest = iter(producers)
    make: Callable[[ProducerSettings], Any] = lambda _: next(rest)  # noqa: E731 - a factory
    return OutboxWriter(settings, make)


class End:
    """The end of a poll with a known next state. Without a state it fails like a full disk."""

    def __init__(self, state: FeedState | None) -> None:
        self._state = state

    def state_after(self, last: Counted, now: datetime) -> FeedState:  # noqa: ARG002 - it is known
        if self._state is None:
            raise sqlite3.OperationalError("disk is full")
        return self._state


def collect(settings: ProducerSettings, producer: FakeProducer, *items: Item, feed: str | None = "f") -> Counted:
    with writer(settings, producer) as running:
        return running.submit(Job(feed, items, End(FeedState(etag="x")), keep_written=True)).result(timeout=20)


def test_entries_become_confirmed_messages_with_ledger_lines(settings: ProducerSettings, store: Store) -> None:
    producer = FakeProducer()
    counted = collect(settings, producer, Item(entry("1")), Item(entry("2")))
    assert counted.counts == {ItemOutcome.NEW: 2}
    assert len(producer.sent) == 2
    assert (store.totals().articles, store.count_promised()) == (2, 0)
    assert FeedState.model_validate_json(store.feed_states()["f"]).etag == "x"
    article = decode(RawArticle, producer.sent[0][2])
    assert article.feeds == ("f",)


def test_what_is_seen_again_is_not_sent_again_and_an_edit_is_a_revision(
    settings: ProducerSettings, store: Store
) -> None:
    first = collect(settings, FakeProducer(), Item(entry("1")))
    producer = FakeProducer()
    again = collect(settings, producer, Item(entry("1")), Item(entry("2", "more")))
    edited = collect(settings, producer, Item(entry("1", "edited")))
    assert again.counts == {ItemOutcome.UNCHANGED: 1, ItemOutcome.NEW: 1}
    assert edited.counts == {ItemOutcome.REVISED: 1}
    assert edited.written[0].article_id == first.written[0].article_id
    assert (edited.written[0].revision or 0) > (first.written[0].revision or 0)
    assert len(producer.sent) == 2
    assert store.totals().articles == 2


def test_a_kill_between_commit_and_send_is_made_up_for_at_the_next_start(
    settings: ProducerSettings, store: Store
) -> None:
    with store.transaction():
        written = write_entry(store, "f", Item(entry("1")), entry("1"), NOW, LIMIT)
    assert (written.outcome, store.count_promised(), store.totals().messages) == (ItemOutcome.NEW, 1, 0)
    producer = FakeProducer()
    collect(settings, producer, Item(entry("2")))
    assert sorted(decode(RawArticle, value).guid or "" for _, _, value in producer.sent) == ["1", "2"]
    assert (store.count_promised(), store.totals().messages) == (0, 2)


def test_an_outage_of_kafka_keeps_everything_and_sends_it_in_order_later(
    settings: ProducerSettings, store: Store
) -> None:
    dead, alive = FakeProducer(confirms=1), FakeProducer()
    with writer(settings, dead, alive) as running:
        items = [Item(entry(str(number))) for number in range(5)]
        running.submit(Job("f", items)).result(timeout=20)
        deadline = time.monotonic() + 30
        while store.count_promised() and time.monotonic() < deadline:
            time.sleep(0.02)
    assert [decode(RawArticle, value).guid for _, _, value in alive.sent] == ["1", "2", "3", "4"]
    assert (store.count_promised(), store.totals().messages) == (0, 5)


def test_a_producer_that_cannot_be_made_loses_nothing(settings: ProducerSettings, store: Store) -> None:
    def refuse(_: ProducerSettings) -> Any:
        raise DeliveryError("no broker")

    with OutboxWriter(settings, refuse) as running:
        running.submit(Job("f", [Item(entry("1"))])).result(timeout=20)
        assert running.failed is None
    assert store.count_promised() == 1


def test_one_article_of_two_feeds_names_both_in_a_newer_revision(settings: ProducerSettings) -> None:
    producer = FakeProducer()
    url = "https://e.org/1"
    first = collect(settings, producer, Item(entry("a", url=url)), feed="one")
    second = collect(settings, producer, Item(entry("b", url=f"{url}?utm_source=x")), feed="two")
    assert first.written[0].article_id == second.written[0].article_id
    assert (second.written[0].revision or 0) > (first.written[0].revision or 0)
    assert decode(RawArticle, producer.sent[-1][2]).feeds == ("one", "two")
    again = collect(settings, producer, Item(entry("a", url=url)), feed="one")
    assert again.counts == {ItemOutcome.UNCHANGED: 1}, "no ping-pong between the two"


def test_an_entry_whose_address_changed_is_the_same_article(settings: ProducerSettings) -> None:
    producer = FakeProducer()
    before = collect(settings, producer, Item(entry("g", url="https://e.org/old-headline", published_at=AT)))
    after = collect(settings, producer, Item(entry("g", "edited", url="https://e.org/new-headline", published_at=AT)))
    assert after.written[0].article_id == before.written[0].article_id
    other = collect(settings, producer, Item(entry("x", url="https://e.org/new-headline")), feed="other")
    assert other.written[0].article_id == before.written[0].article_id, "the new address leads there from anywhere"


def test_a_guid_that_is_used_again_for_another_day_is_another_article(settings: ProducerSettings) -> None:
    producer = FakeProducer()
    first = collect(settings, producer, Item(entry("1", "Monday", url="https://e.org/monday", published_at=AT)))
    later = AT.replace(day=24)
    second = collect(settings, producer, Item(entry("1", "Tuesday", url="https://e.org/tuesday", published_at=later)))
    assert first.written[0].article_id != second.written[0].article_id


def test_a_page_that_is_owed_is_looked_for_a_few_times(settings: ProducerSettings, store: Store) -> None:
    producer = FakeProducer()
    owing = Item(entry("1", "title only"), hash="h", owes_page=True)
    for _ in range(MAX_PAGE_TRIES + 2):
        collect(settings, producer, owing)
    seen = store.seen("f", "1")
    assert seen is not None
    assert seen.tries >= MAX_PAGE_TRIES
    assert len(producer.sent) == 1, "as stated, once"
    had = replace(owing, entry=entry("2", "its page"), owes_page=False)
    collect(settings, producer, replace(had, entry=entry("2", "title only"), owes_page=True))
    counted = collect(settings, producer, had)
    assert counted.counts == {ItemOutcome.REVISED: 1}


def test_problems_are_counted_and_what_must_be_kept_is_kept_once(settings: ProducerSettings, store: Store) -> None:
    producer = FakeProducer()
    large = Problem("s", "big", ProblemKind.TOO_LARGE, "has 5 MB", data=b"data")
    items = [Item(large), Item(entry("1")), Item(entry("2", url="ftp://x"))]
    for _ in range(2):
        counted = collect(settings, producer, *items)
        assert counted.counts[ItemOutcome.PROBLEM] == 2
    letters = [decode(DeadLetter, value) for topic, _, value in producer.sent if topic == "articles.dead"]
    (kept,) = settings.quarantine_folder.iterdir()
    assert [letter.quarantine_path for letter in letters] == [str(kept)]
    assert store.totals().articles == 1, "a letter is no article of the ledger"
    assert store.count_promised() == 0


def test_a_push_twice_is_once(settings: ProducerSettings) -> None:
    producer = FakeProducer()
    first = collect(settings, producer, Item(entry("1")), feed=None)
    second = collect(settings, producer, Item(entry("1")), feed=None)
    assert (first.written[0].outcome, second.written[0].outcome) == (ItemOutcome.NEW, ItemOutcome.UNCHANGED)
    assert first.written[0].revision == second.written[0].revision
    assert len(producer.sent) == 1


def test_a_job_that_cannot_be_written_fails_alone(settings: ProducerSettings, store: Store) -> None:
    with writer(settings, FakeProducer()) as running:
        bad = running.submit(Job("bad", [Item(entry("1"))], End(None)))
        good = running.submit(Job("good", [Item(entry("2"))]))
        assert good.result(timeout=20).counts == {ItemOutcome.NEW: 1}
        with pytest.raises(sqlite3.OperationalError):
            bad.result(timeout=20)
    assert store.totals().articles == 1


def test_a_cancelled_job_does_not_end_the_writer(settings: ProducerSettings) -> None:
    with writer(settings, FakeProducer()) as running:
        for _ in range(20):
            running.submit(Job("f", [Item(entry("1"))])).cancel()
        assert running.submit(Job("f", [Item(entry("2"))])).result(timeout=20).counts
        assert running.failed is None


def test_entries_that_left_their_feed_long_ago_are_forgotten(store: Store) -> None:
    day = 24 * 3600
    with store.transaction():
        write_entry(store, "f", Item(entry("old")), entry("old"), datetime.fromtimestamp(0, UTC), LIMIT)
        write_entry(store, "f", Item(entry("kept")), entry("kept"), datetime.fromtimestamp(0, UTC), LIMIT)
        store.still_there("f", ["kept"], 100 * day)
        store.forget("f", 90, 100 * day)
    assert store.seen("f", "old") is None
    assert store.seen("f", "kept") is not None


def test_an_entry_that_kafka_would_not_take_is_kept_and_does_not_stop_the_others(
    settings: ProducerSettings, store: Store
) -> None:
    producer = FakeProducer()
    large = entry("big", "é" * settings.max_article_bytes)
    counted = collect(settings, producer, Item(large), Item(entry("1")))
    assert counted.counts == {ItemOutcome.PROBLEM: 1, ItemOutcome.NEW: 1}
    (kept,) = settings.quarantine_folder.iterdir()
    assert kept.read_text(encoding="utf8") == large.content
    assert store.count_promised() == 0


def test_a_push_is_answered_at_once_while_the_connection_to_kafka_hangs(settings: ProducerSettings) -> None:
    released = threading.Event()

    def hang(_: ProducerSettings) -> Any:
        released.wait(20)
        raise KafkaConnectionError

    took = []
    with OutboxWriter(settings, hang) as running:
        for number in range(5):
            began = time.monotonic()
            running.submit(Job(None, [Item(entry(str(number)))])).result(timeout=10)
            took.append(time.monotonic() - began)
        assert not released.is_set(), "every answer came while the first connection was still waited for"
        released.set()
    assert len(took) == 5


def test_a_push_does_not_wait_while_kafka_is_asked_why_it_refuses(
    settings: ProducerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes some seconds for each of its addresses."""
    asked, released = threading.Event(), threading.Event()

    def ask(*_: object) -> str:
        asked.set()
        released.wait(20)
        return "Kafka refuses the login"

    def refuse(_: ProducerSettings) -> Any:
        raise KafkaConnectionError

    monkeypatch.setattr("services.producer.ledger.writer.kafka_refusal", ask)
    with capture_logs() as logs, OutboxWriter(settings, refuse) as running:
        running.submit(Job(None, [Item(entry("first"))])).result(timeout=10)
        assert asked.wait(10)
        for number in range(5):
            running.submit(Job(None, [Item(entry(str(number)))])).result(timeout=10)
        assert not released.is_set(), "every answer came while Kafka was still asked"
        released.set()
    told = [line["error"] for line in logs if line["event"].startswith("Kafka does not confirm")]
    assert any("Kafka refuses the login" in error for error in told)
