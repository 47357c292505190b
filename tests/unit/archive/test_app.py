"""The archive writes, commits then, and waits while the disk refuses. Kafka is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from prometheus_client import REGISTRY

from schemas.article import RawArticle
from services.archive import app as module
from services.archive.app import Archive, to_kept
from services.archive.shelf import Shelf, find
from services.common.messages import decode, encode
from tests.examples import EXAMPLES
from tests.fakes import FakeConsumer, FakeKafka

EXAMPLE = decode(RawArticle, (EXAMPLES / "articles.raw" / "valid" / "v2-full.json").read_bytes())
PLACE = TopicPartition("articles.raw", 0)


@pytest.fixture
def kafka() -> FakeKafka:
    made = FakeKafka()
    made.make_topic("articles.raw")
    return made


@pytest.fixture
def archive(kafka: FakeKafka, tmp_path: Path) -> Iterator[Archive]:
    shelf = Shelf(tmp_path, "archive", 10**6)
    yield Archive(FakeConsumer(kafka, "articles.raw", group_id="archive"), shelf)
    shelf.close()


def run_until_read(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until a poll finds nothing."""
    poll = archive.consumer.poll

    def stop_when_empty(**options: Any) -> Any:
        polled = poll(**options)
        if not polled:
            archive.stopping.set()
        return polled

    monkeypatch.setattr(archive.consumer, "poll", stop_when_empty)
    archive.run()


def outcome(name: str) -> float:
    return REGISTRY.get_sample_value("dragoman_outcomes_total", {"service": "archive", "outcome": name}) or 0


def test_every_message_has_one_outcome_and_is_committed(
    archive: Archive, kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = [outcome(name) for name in ("archived", "unchanged", "unreadable")]
    for value in (encode(EXAMPLE), encode(EXAMPLE), b"no JSON", None):
        kafka.append("articles.raw", b"k", value)
    run_until_read(archive, monkeypatch)
    assert [outcome(name) - old for name, old in zip(("archived", "unchanged", "unreadable"), before, strict=True)] == [
        1,
        1,
        2,
    ]
    assert kafka.committed["archive", PLACE] == 4
    kept = to_kept(encode(EXAMPLE))
    assert kept is not None
    assert find(tmp_path, EXAMPLE.article_id, kept.sha256) == EXAMPLE


def test_a_disk_that_refuses_is_waited_for_and_nothing_is_committed_before(
    archive: Archive, kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.append("articles.raw", b"k", encode(EXAMPLE))
    keep, tries = Shelf.keep, []

    def refuse_twice(shelf: Shelf, articles: Any) -> int:
        tries.append(dict(kafka.committed))
        if len(tries) < 3:
            raise OSError(28, "No space left on device")
        return keep(shelf, articles)

    healths = []
    monkeypatch.setattr(Shelf, "keep", refuse_twice)
    monkeypatch.setattr(module, "stay_in_group", lambda *_: healths.append(archive.health()))
    run_until_read(archive, monkeypatch)
    assert len(tries) == 3
    assert not any(tries), "nothing was committed before it was kept"
    assert [is_well for is_well, _ in healths] == [False, False]
    assert "No space left" in str(healths[0][1]["problem"])
    assert archive.health()[0]
    assert kafka.committed["archive", PLACE] == 1
