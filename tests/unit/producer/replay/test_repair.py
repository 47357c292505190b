"""What Kafka removed before it was indexed is sent again: from the store, or from the files of a replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.article import RawArticle
from services.common.messages import decode
from services.producer.ledger.kept import OutboxLine
from services.producer.ledger.store import LedgerLine, Store
from services.producer.replay.origin import ReplayOrigin
from services.producer.replay.repair import UNKNOWN_PLACE, Repaired, Repairer
from services.producer.replay.replayer import Replayed, Replayer
from services.producer.settings import ProducerSettings
from tests.fakes import FakeProducer

LINES = [f'{{"guid": "g{number}", "content": "Text number {number}."}}' for number in range(6)]


@pytest.fixture
def settings(tmp_path: Path) -> ProducerSettings:
    return ProducerSettings(home=tmp_path / "home")


@pytest.fixture
def store(settings: ProducerSettings) -> Store:
    return Store(settings.store_file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "articles.jsonl"
    path.write_text("\n".join([*LINES[:3], "no JSON", *LINES[3:]]))
    return path


def replay(
    settings: ProducerSettings, store: Store, path: Path, speed: float | None = None, loops: int = 1
) -> Replayed:
    origin = ReplayOrigin(paths=(str(path),), loops=loops, by_time=speed is not None, kafka_bootstrap="kafka:9092")
    fake: Any = FakeProducer()
    return Replayer(settings, store, fake, origin=origin).replay(origin.open(settings), loops=loops, speed=speed)


def repair(settings: ProducerSettings, store: Store, article_ids: list[str]) -> tuple[Repaired, list[RawArticle]]:
    producer: Any = FakeProducer()
    repaired = Repairer(settings, store, producer).repair(article_ids)
    return repaired, [decode(RawArticle, value) for _, _, value in producer.sent]


@pytest.mark.parametrize(("speed", "loops"), [(None, 1), (None, 3), (1e9, 1)])
def test_an_item_of_a_file_is_read_at_its_place(
    settings: ProducerSettings, store: Store, file: Path, speed: float | None, loops: int
) -> None:
    sent = replay(settings, store, file, speed, loops)
    wanted = [list(sent.revisions)[1], list(sent.revisions)[4]]
    repaired, articles = repair(settings, store, wanted)
    assert repaired == Repaired({article_id: sent.revisions[article_id] for article_id in wanted})
    assert [article.article_id for article in articles] == wanted
    assert [article.guid for article in articles] == ["g1", "g4"]
    assert repair(settings, store, wanted)[0] == repaired, "its new ledger line has the place too"


def test_a_file_that_has_changed_is_named(settings: ProducerSettings, store: Store, file: Path) -> None:
    sent = replay(settings, store, file)
    file.write_text("\n".join(reversed(LINES)))
    (first, *_) = sent.revisions
    repaired, articles = repair(settings, store, [first])
    assert (repaired.revisions, articles) == ({}, [])
    assert repaired.reasons == {first: f"it came from {file}: the content has changed since. Replay it again"}


def test_a_file_that_is_gone_is_named(settings: ProducerSettings, store: Store, file: Path) -> None:
    sent = replay(settings, store, file)
    file.unlink()
    repaired, _ = repair(settings, store, [*sent.revisions])
    assert len(repaired.reasons) == len(LINES)
    assert all("No such file" in reason and str(file) in reason for reason in repaired.reasons.values())


def test_what_is_kept_is_sent_as_it_was(settings: ProducerSettings, store: Store) -> None:
    with store.transaction():
        store.kept.add([line_of(revision=7)], now=0)
        store.append([ledger_line(revision=7)])
    producer: Any = FakeProducer()
    assert Repairer(settings, store, producer).repair(["a"]).revisions == {"a": 7}
    assert producer.sent == [("articles.raw", b"a", b"message 7")]
    assert store.kept.line("a") is not None, "until it is indexed"


def test_the_newer_of_a_kept_message_and_an_item_of_a_file_is_sent(
    settings: ProducerSettings, store: Store, file: Path
) -> None:
    sent = replay(settings, store, file)
    (article_id, revision), *_ = sent.revisions.items()
    for kept, expected in ((revision - 1, revision), (revision + 1, revision + 1)):
        with store.transaction():
            store.kept.add([line_of(article_id, revision=kept)], now=0)
        producer: Any = FakeProducer()
        assert Repairer(settings, store, producer).repair([article_id]).revisions == {article_id: expected}


def test_an_article_of_an_earlier_version_has_no_place(settings: ProducerSettings, store: Store) -> None:
    with store.transaction():
        store.append([ledger_line(revision=7)])
    assert repair(settings, store, ["a"])[0].reasons == {"a": UNKNOWN_PLACE}


def test_what_comes_from_a_topic_is_kept(settings: ProducerSettings, store: Store, file: Path) -> None:
    """Its messages come in a different order each time, so that it has no place."""
    origin = ReplayOrigin(paths=(str(file),), kafka_bootstrap="kafka:9092")
    fake: Any = FakeProducer()
    sent = Replayer(settings, store, fake).replay(origin.open(settings))
    repaired, articles = repair(settings, store, [*sent.revisions])
    assert repaired.revisions == sent.revisions
    assert len(articles) == len(LINES)


def line_of(article_id: str = "a", revision: int = 1) -> OutboxLine:
    return OutboxLine(0, article_id, "g", "s", revision, "hash", f"message {revision}".encode())


def ledger_line(revision: int) -> LedgerLine:
    return LedgerLine("a", "g", "s", revision, "hash", "articles.raw", 0, 0)
