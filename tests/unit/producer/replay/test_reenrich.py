"""Raw articles that Kafka keeps are sent once more, each once, and an interrupted run goes on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition

from schemas.article import RawArticle
from services.common import records
from services.common.messages import decode, encode
from services.common.producer import DeliveryError
from services.producer.ledger.store import LedgerLine, Store
from services.producer.replay import reenrich
from services.producer.replay.reenrich import STATE_FILE, Reenriched, Reenricher, read_run
from services.producer.settings import ProducerSettings
from tests.examples import EXAMPLES
from tests.fakes import FakeConsumer, FakeKafka, FakeProducer

EXAMPLE = decode(RawArticle, (EXAMPLES / "articles.raw" / "valid" / "v2-full.json").read_bytes())
IDS = [f"{number:08x}-0000-5000-8000-000000000000" for number in range(6)]


@pytest.fixture
def settings(tmp_path: Path) -> ProducerSettings:
    return ProducerSettings(home=tmp_path)


@pytest.fixture
def store(settings: ProducerSettings) -> Store:
    return Store(settings.store_file)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """Two partitions of raw articles."""
    made = FakeKafka()
    made.make_topic("articles.raw", 2)
    monkeypatch.setattr(records, "KafkaConsumer", partial(FakeConsumer, made))
    monkeypatch.setattr(reenrich, "BATCH", 2)
    return made


def put(kafka: FakeKafka, store: Store, number: int, revision: int = 1, *, is_known: bool = True) -> None:
    article = EXAMPLE.model_copy(update={"article_id": IDS[number], "revision": revision})
    kafka.append("articles.raw", IDS[number].encode(), encode(article), partition=number % 2)
    if is_known:
        with store.transaction():
            store.append([LedgerLine(IDS[number], "g", "s", revision, "h", "articles.raw", number % 2, 0)])


def run(settings: ProducerSettings, store: Store, producer: Any, *, restart: bool = False) -> Reenriched:
    return Reenricher(settings, store, producer).run(restart=restart)


def sent(producer: Any) -> list[RawArticle]:
    return [decode(RawArticle, value) for _, _, value in producer.sent]


def test_each_current_article_is_sent_once_with_the_number_of_the_run(
    settings: ProducerSettings, store: Store, kafka: FakeKafka
) -> None:
    for number in range(4):
        put(kafka, store, number)
    put(kafka, store, 0, revision=2)
    put(kafka, store, 0, revision=2)  # a send that was repeated
    put(kafka, store, 5, is_known=False)  # it has another id now
    kafka.append("articles.raw", b"x", b"no JSON")
    producer: Any = FakeProducer()
    result = run(settings, store, producer)
    assert result.revisions == {IDS[0]: 2, IDS[1]: 1, IDS[2]: 1, IDS[3]: 1}
    assert result.passed_over == 4
    articles = sent(producer)
    assert sorted(article.article_id for article in articles) == IDS[:4]
    (number,) = {article.enrichment for article in articles}
    assert number > 0
    assert {article.content for article in articles} == {EXAMPLE.content}
    assert not (settings.home / STATE_FILE).exists()
    assert {article_id: revision for article_id, revision, _ in store.latest()} == result.revisions


def test_what_is_interrupted_goes_on_with_the_same_number(
    settings: ProducerSettings, store: Store, kafka: FakeKafka
) -> None:
    for number in range(6):
        put(kafka, store, number)
    first: Any = FakeProducer()
    flush, flushed = first.flush, []

    def fail_at_the_second_flush(*arguments: Any) -> None:
        flushed.append(1)
        if len(flushed) == 2:
            raise DeliveryError("Kafka is gone")
        flush(*arguments)

    first.flush = fail_at_the_second_flush
    with pytest.raises(DeliveryError):
        run(settings, store, first)
    state = read_run(settings.home / STATE_FILE)
    assert state is not None
    assert 0 < state.left < 6
    put(kafka, store, 5, revision=7)  # what comes later belongs to no run
    second: Any = FakeProducer()
    run(settings, store, second)
    articles = sent(first)[: 6 - state.left] + sent(second)
    assert {article.enrichment for article in articles} == {state.number}
    assert {article.article_id for article in articles} == set(IDS[:5]), "the last one has a newer revision"


@pytest.mark.parametrize("content", [None, b"no JSON", b"{}"])
def test_without_a_readable_state_it_begins_again(
    settings: ProducerSettings, store: Store, kafka: FakeKafka, content: bytes | None
) -> None:
    put(kafka, store, 0)
    if content is not None:
        (settings.home / STATE_FILE).write_bytes(content)
    assert run(settings, store, FakeProducer()).revisions == {IDS[0]: 1}


def test_restart_forgets_the_interrupted_run(settings: ProducerSettings, store: Store, kafka: FakeKafka) -> None:
    put(kafka, store, 0)
    (settings.home / STATE_FILE).write_text('{"number": 5, "ends": {"0": 1, "1": 0}, "done": {"0": 1, "1": 0}}')
    assert run(settings, store, FakeProducer()).revisions == {}
    (settings.home / STATE_FILE).write_text('{"number": 5, "ends": {"0": 1, "1": 0}, "done": {"0": 1, "1": 0}}')
    assert run(settings, store, FakeProducer(), restart=True).revisions == {IDS[0]: 1}


def test_an_empty_topic_is_done_at_once(settings: ProducerSettings, store: Store, kafka: FakeKafka) -> None:
    assert run(settings, store, FakeProducer()) == Reenriched()
    assert kafka.logs[TopicPartition("articles.raw", 0)] == []


def test_a_run_of_a_topic_that_was_made_again_begins_anew(
    settings: ProducerSettings, store: Store, kafka: FakeKafka
) -> None:
    put(kafka, store, 0)
    (settings.home / STATE_FILE).write_text('{"number": 5, "ends": {"0": 90, "1": 0}, "done": {"0": 50, "1": 0}}')
    producer: Any = FakeProducer()
    assert run(settings, store, producer).revisions == {IDS[0]: 1}
    assert {article.enrichment for article in sent(producer)} != {5}
