"""What feeds and pushes sent is kept until the index has it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from schemas.article import ContentType, RawArticle
from services.producer.ledger.store import Store
from services.producer.ledger.sweep import SETTLE_SECONDS, KeptSweeper
from services.producer.settings import ProducerSettings
from tests.conftest import NOW
from tests.fakes import FakeElasticsearch

LONG_AGO = 1000
Swept = tuple[KeptSweeper, list[tuple[str, int]]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "producer.sqlite")
    yield made
    made.close()


def send(store: Store, article_id: str, revision: int, now: int = LONG_AGO) -> None:
    """Put an article into the outbox, and take it out as confirmed."""
    article = RawArticle(
        article_id=article_id,
        source_id="s",
        guid="g",
        content_type=ContentType.TEXT,
        content="text",
        fetched_at=NOW,
        content_hash="0" * 64,
        revision=revision,
    )
    with store.transaction():
        store.promise(article, f"message {revision}".encode())
        store.redeem([store.promised(0, 10)[-1].line], now)


def article_id(number: int) -> str:
    return f"00000000-0000-5000-8000-{number:012}"


ONE, TWO = article_id(1), article_id(2)


def test_a_confirmed_message_is_kept_and_a_letter_is_not(store: Store) -> None:
    send(store, ONE, revision=1)
    with store.transaction():
        store.promise_letter("letter", b"letter")
        store.redeem([store.promised(0, 10)[-1].line], LONG_AGO)
    assert (store.count_promised(), store.kept.count()) == (0, 1)
    line = store.kept.line(ONE)
    assert line is not None
    assert (line.revision, line.message, line.source_id, line.is_letter) == (1, b"message 1", "s", False)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_newest_revision_is_kept(store: Store, order: tuple[int, int]) -> None:
    for revision in order:
        send(store, ONE, revision)
    line = store.kept.line(ONE)
    assert line is not None
    assert (line.revision, line.message) == (2, b"message 2")


def test_an_older_revision_in_the_index_lets_nothing_go(store: Store) -> None:
    send(store, ONE, revision=2)
    with store.transaction():
        store.kept.drop([(ONE, 1)])
    assert store.kept.count() == 1
    with store.transaction():
        store.kept.drop([(ONE, 2)])
    assert store.kept.count() == 0


def test_an_article_that_has_another_id_now_is_not_kept_under_the_first(store: Store) -> None:
    send(store, ONE, revision=1)
    with store.transaction():
        store.replace(ONE, TWO)
    assert store.kept.count() == 0


def test_an_id_that_is_replaced_while_its_message_is_on_its_way_is_not_kept(store: Store) -> None:
    """The sweep would never find it: the index loses it when its successor comes."""
    with store.transaction():
        store.replace(ONE, TWO)
    send(store, ONE, revision=1)
    assert (store.count_promised(), store.kept.count()) == (0, 0)


def test_a_round_that_fails_is_followed_by_the_next(
    swept: Swept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rounds: list[int] = []

    def sweep(*_: object) -> None:
        rounds.append(len(rounds))
        if len(rounds) == 3:
            swept[0].stop()
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("services.producer.ledger.sweep.SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(KeptSweeper, "sweep", sweep)
    Store(tmp_path / "producer.sqlite").close()
    swept[0].start()
    swept[0]._thread.join(20)
    assert rounds == [0, 1, 2]


@pytest.fixture
def swept(tmp_path: Path) -> Swept:
    """A sweeper, and the list of what it lets go."""
    gone: list[tuple[str, int]] = []
    return KeptSweeper(ProducerSettings(home=tmp_path), gone.extend), gone


@pytest.fixture
def server() -> FakeElasticsearch:
    made = FakeElasticsearch()
    made.answer("PUT", "/articles", None)
    return made


def client_of(server: FakeElasticsearch) -> Elasticsearch:
    return server.client()


def test_only_what_the_index_has_goes(store: Store, swept: Swept, server: FakeElasticsearch) -> None:
    for number in range(1, 5):
        send(store, article_id(number), revision=5)
    for number, revision in ((1, 5), (2, 6), (3, 4)):
        server.put("articles", article_id(number), {"revision": revision})
    swept[0].sweep(store, client_of(server))
    assert swept[1] == [(article_id(1), 5), (article_id(2), 5)]


def test_every_kept_message_is_looked_at(
    store: Store, swept: Swept, server: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.producer.ledger.sweep.CHUNK", 2)
    for number in range(1, 6):
        send(store, article_id(number), revision=1)
        server.put("articles", article_id(number), {"revision": 1})
    swept[0].sweep(store, client_of(server))
    assert len(swept[1]) == 5


def test_what_was_just_sent_is_not_asked_for(
    store: Store, swept: Swept, server: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: LONG_AGO + SETTLE_SECONDS - 1)
    send(store, ONE, revision=1)
    server.put("articles", ONE, {"revision": 1})
    swept[0].sweep(store, client_of(server))
    assert swept[1] == []


def test_without_an_answer_everything_stays(store: Store, swept: Swept) -> None:
    send(store, ONE, revision=1)
    swept[0].sweep(store, client_of(FakeElasticsearch()))  # it has no index
    assert swept[1] == []
