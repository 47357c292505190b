"""There is a ledger line for each acknowledgement, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.article import ContentType, RawArticle
from schemas.dead_letter import DeadLetter
from services.common.messages import decode
from services.common.producer import DeliveryError
from services.producer.ledger.store import Store
from services.producer.replay.origin import ReplayOrigin
from services.producer.replay.pace import Clock, Pace
from services.producer.replay.replayer import Replayer
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem, ProblemKind
from tests.fakes import FakeProducer


class ListSource:
    """A source from a list."""

    def __init__(self, *items: Entry | Problem) -> None:
        self._items = items

    @property
    def total(self) -> int:
        return len(self._items)

    def entries(self) -> Iterator[Entry | Problem]:
        yield from self._items


START = datetime(2025, 6, 3, tzinfo=UTC)


def entry(guid: str, content: str = "text") -> Entry:
    return Entry("s", guid, content, ContentType.TEXT)


@pytest.fixture
def parts(tmp_path: Path) -> tuple[ProducerSettings, Store]:
    settings = ProducerSettings(home=tmp_path)
    return settings, Store(settings.store_file)


def replayer(parts: tuple[ProducerSettings, Store], producer: FakeProducer) -> Replayer:
    fake: Any = producer
    return Replayer(parts[0], parts[1], fake)


def test_every_confirmed_message_has_a_line(parts: tuple[ProducerSettings, Store]) -> None:
    producer = FakeProducer()
    result = replayer(parts, producer).replay([ListSource(entry("1"), entry("2"))], loops=2)
    assert (result.sent, len(result.revisions)) == (4, 2)
    assert (parts[1].totals().messages, parts[1].totals().articles) == (4, 2)
    assert len({value for _, _, value in producer.sent}) >= 2


def test_what_was_not_confirmed_has_no_line(parts: tuple[ProducerSettings, Store]) -> None:
    with pytest.raises(DeliveryError):
        replayer(parts, FakeProducer(confirms=1)).replay([ListSource(entry("1"), entry("2"), entry("3"))])
    assert parts[1].totals().messages == 1


def test_a_second_try_sends_the_same_revisions(parts: tuple[ProducerSettings, Store]) -> None:
    source = ListSource(entry("1"), entry("2"))
    with pytest.raises(DeliveryError):
        replayer(parts, FakeProducer(confirms=0)).replay([source])
    first = replayer(parts, FakeProducer()).replay([source]).revisions
    second = replayer(parts, FakeProducer()).replay([source]).revisions
    assert first == second


def test_edited_content_is_a_new_revision_of_the_same_article(parts: tuple[ProducerSettings, Store]) -> None:
    before = replayer(parts, FakeProducer()).replay([ListSource(entry("1", "one"))]).revisions
    after = replayer(parts, FakeProducer()).replay([ListSource(entry("1", "two"))]).revisions
    assert before.keys() == after.keys()
    assert next(iter(after.values())) > next(iter(before.values()))


def test_too_large_items_are_kept_in_quarantine_with_a_letter(parts: tuple[ProducerSettings, Store]) -> None:
    producer = FakeProducer()
    problem = Problem("s", "big/one.txt", ProblemKind.TOO_LARGE, "has 5 MB", data=b"data")
    result = replayer(parts, producer).replay([ListSource(problem, entry("1"))])
    (kept,) = parts[0].quarantine_folder.iterdir()
    assert kept.read_bytes() == b"data"
    letters = [decode(DeadLetter, value) for topic, _, value in producer.sent if topic == "articles.dead"]
    assert [letter.quarantine_path for letter in letters] == [str(kept)]
    assert result.sent == 1


def test_a_bad_url_is_a_named_problem(parts: tuple[ProducerSettings, Store]) -> None:
    bad = Entry("s", "1", "text", ContentType.TEXT, url="ftp://x")
    result = replayer(parts, FakeProducer()).replay([ListSource(bad, entry("2"))])
    assert [problem.guid for problem in result.problems] == ["1"]
    assert result.sent == 1


def test_messages_decode_as_what_the_worker_reads(parts: tuple[ProducerSettings, Store]) -> None:
    producer = FakeProducer()
    replayer(parts, producer).replay([ListSource(entry("1", "é"))])
    ((_, key, value),) = producer.sent
    article = decode(RawArticle, value)
    assert (article.content, article.article_id.encode()) == ("é", key)


def test_no_rate_means_no_waiting() -> None:
    pace = Pace(None)
    pace.wait(10**9)
    assert pace.rate is None


class Dated(ListSource):
    """Entries with these minutes as their time. None means no date."""

    def __init__(self, *minutes: int | None) -> None:
        super().__init__(*(self._make(number, minute) for number, minute in enumerate(minutes)))

    @staticmethod
    def _make(number: int, minute: int | None) -> Entry:
        at = None if minute is None else START + timedelta(minutes=minute)
        return Entry("s", str(number), f"text {number}", ContentType.TEXT, published_at=at)


def sent_guids(producer: FakeProducer) -> list[str | None]:
    return [decode(RawArticle, value).guid for _, _, value in producer.sent]


def test_a_replay_by_time_is_oldest_first_and_undated_items_stay_with_their_neighbour(
    parts: tuple[ProducerSettings, Store],
) -> None:
    producer = FakeProducer()
    replayer(parts, producer).replay([Dated(30, 10, None, 20)], speed=1e9)
    assert sent_guids(producer) == ["1", "2", "3", "0"]
    assert not list(parts[0].home.glob("timeline-*"))


def test_a_clock_waits_as_long_as_it_took_divided_by_the_speed() -> None:
    now, slept = 100.0, list[float]()

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    clock = Clock(60, lambda: now, sleep)
    for minute in (0, 1, 1, 5, 3):
        clock.wait(START + timedelta(minutes=minute))
    clock.wait(None)
    assert slept == pytest.approx([1.0, 4.0])


@pytest.mark.parametrize("speed", [None, 1e9])
def test_a_replay_that_is_cut_off_goes_on_where_it_stopped(
    parts: tuple[ProducerSettings, Store], speed: float | None
) -> None:
    source = Dated(*range(600))
    origin = origin_of(Path(__file__), by_time=speed is not None)

    def run(producer: FakeProducer) -> Replayer:
        made: Any = producer
        return Replayer(parts[0], parts[1], made, origin=origin)

    with pytest.raises(DeliveryError):
        run(FakeProducer(confirms=300)).replay([source], speed=speed)
    assert parts[1].checkpoint(origin.name()) == 300
    rest = FakeProducer()
    result = run(rest).replay([source], speed=speed)
    assert (result.skipped, result.sent, len(rest.sent)) == (300, 300, 300)
    assert (parts[1].totals().articles, parts[1].checkpoint(origin.name())) == (600, 0), "complete: its checkpoint goes"
    assert run(FakeProducer()).replay([source], speed=speed).sent == 600


def origin_of(path: Path, **options: Any) -> ReplayOrigin:
    return ReplayOrigin(paths=(str(path),), kafka_bootstrap="kafka:9092", **options)


def test_a_changed_file_is_another_replay(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    before = origin_of(path).name()
    assert origin_of(path).name() == before
    assert origin_of(path, loops=2).name() != before
    path.write_text("{ }")
    assert origin_of(path).name() != before
