"""A ledger line stands for an ack, and only for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.article import ContentType, RawArticle
from schemas.dead_letter import DeadLetter
from services.common.messages import decode
from services.common.producer import Delivered, DeliveryError
from services.producer.replay import Pace, Replayer
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.store import Store


class FakeProducer:
    """Confirms what it was told to, in order, and fails from then on."""

    def __init__(self, confirms: int = 10**9) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None]] = []
        self._open: list[tuple[str, Callable[[Delivered], None] | None]] = []
        self._confirms = confirms

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes]] | None = None,  # noqa: ARG002 - the real one's signature
        on_delivered: Callable[[Delivered], None] | None = None,
    ) -> None:
        self.sent.append((topic, key, value))
        self._open.append((topic, on_delivered))

    def settle(self, leave_open: int = 0) -> None:
        if leave_open:
            return
        while self._open:
            topic, on_delivered = self._open.pop(0)
            if self._confirms == 0:
                raise DeliveryError("gone")
            self._confirms -= 1
            if on_delivered:
                on_delivered(Delivered(topic, 0, 0))

    def flush(self) -> None:
        self.settle()


class ListSource:
    """A source from a list."""

    def __init__(self, *items: Entry | Problem) -> None:
        self._items = items

    @property
    def total(self) -> int:
        return len(self._items)

    def entries(self) -> Iterator[Entry | Problem]:
        yield from self._items


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
