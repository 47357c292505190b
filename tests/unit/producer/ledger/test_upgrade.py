"""A store of version 0.1 goes on: no article is sent twice, and articles that it took for one come apart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.article import ContentType, RawArticle
from services.common.messages import decode
from services.producer.identity import article_id_of
from services.producer.ledger.articles import to_raw_article
from services.producer.ledger.earlier import earlier_article_id, earlier_content_hash, earlier_entry_hash
from services.producer.ledger.jobs import Item, ItemOutcome
from services.producer.ledger.store import LedgerLine, Store
from services.producer.ledger.writer import write_entry
from services.producer.sources.base import Entry, Problem, ProblemKind
from services.producer.sources.documents import tell_apart

LIMIT = 50_000_000
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SENT_AT = 1_700_000_000
EARLIER_ENTRIES = """
CREATE TABLE entries (
    feed_id TEXT NOT NULL, guid TEXT NOT NULL, entry_hash TEXT NOT NULL, article_id TEXT NOT NULL, published_at TEXT,
    tries INTEGER NOT NULL, first_seen_at INTEGER NOT NULL, last_seen_day INTEGER NOT NULL, PRIMARY KEY (feed_id, guid)
) WITHOUT ROWID;
"""
"""The table of entries as version 0.1 made it. Its other tables have not changed."""


def entry(guid: str, url: str, content: str | None = None) -> Entry:
    return Entry("s", guid, content or f"The words of {guid}.", ContentType.TEXT, url=url, title=f"Title of {guid}")


def earlier_store(path: Path, entries: Iterable[Entry], feed: str | None = None) -> None:
    """A store in which version 0.1 has sent these entries, in their order."""
    db = sqlite3.connect(path)
    db.executescript(EARLIER_ENTRIES)
    for sent in entries:
        if feed is not None:
            row = (feed, sent.guid, earlier_entry_hash(sent), earlier_article_id(sent.url), None, -1, SENT_AT, 20_000)
            db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.commit()
    db.close()
    store = Store(path)
    for number, sent in enumerate(entries):
        article_id = earlier_article_id(sent.url) or ""
        hashed = earlier_content_hash(sent)
        known = store.identify(article_id, [hashed], feed, SENT_AT)
        store.append([LedgerLine(article_id, sent.guid, "s", known.revision, hashed, "articles.raw", 0, number)])
    store.close()


def replay(store: Store, entries: Iterable[Entry]) -> dict[str, RawArticle]:
    """The message of each entry, by guid, as a replay would send them."""
    made = {}
    for found in entries:
        with store.transaction():
            article = to_raw_article(found, store, LIMIT, now=NOW)
        assert isinstance(article, RawArticle)
        made[found.guid] = article
    return made


PLAIN = [entry("a", "https://e.org/a?utm_source=x"), entry("b", "https://e.org/b/")]
FRAGMENTS = [
    entry("v1", "https://e.org/news#v1"),
    entry("v2", "https://e.org/news#v2"),
    entry("v3", "https://e.org/news#v3"),
]
SPELLINGS = [entry("one", "https://e.org/caf%c3%a9", "Words."), entry("two", "https://e.org/caf%C3%A9", "Words.")]


def test_a_replay_of_known_articles_keeps_ids_revisions_and_hashes(tmp_path: Path) -> None:
    earlier_store(tmp_path / "store", PLAIN)
    sent = replay(Store(tmp_path / "store"), PLAIN)
    for known in PLAIN:
        assert sent[known.guid].article_id == earlier_article_id(known.url)
        assert sent[known.guid].revision == SENT_AT
        assert sent[known.guid].content_hash == earlier_content_hash(known)
        assert sent[known.guid].replaces == ()


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_articles_that_were_one_come_apart_and_the_last_one_keeps_the_id(tmp_path: Path, order: list[int]) -> None:
    earlier_store(tmp_path / "store", FRAGMENTS)
    store = Store(tmp_path / "store")
    entries = [FRAGMENTS[number] for number in order]
    first = replay(store, entries)
    assert len({article.article_id for article in first.values()}) == 3
    assert first["v3"].article_id == earlier_article_id("https://e.org/news#v3"), "its words are in the index"
    assert first["v3"].revision == SENT_AT + 2
    assert all(article.replaces == () for article in first.values())
    again = replay(store, entries)
    assert {guid: article.article_id for guid, article in again.items()} == {
        guid: article.article_id for guid, article in first.items()
    }


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_two_ids_of_one_article_become_one_and_the_other_is_replaced(tmp_path: Path, order: list[int]) -> None:
    earlier_store(tmp_path / "store", SPELLINGS)
    store = Store(tmp_path / "store")
    old = {earlier_article_id(known.url) for known in SPELLINGS}
    assert len(old) == 2
    sent = replay(store, [SPELLINGS[number] for number in order])
    ids = {article.article_id for article in sent.values()}
    assert len(ids) == 1
    last = [sent[SPELLINGS[number].guid] for number in order][-1]
    assert set(last.replaces) == old - ids
    assert last.revision > max(SENT_AT, *(SENT_AT + number for number in order))
    assert {article_id for article_id, _, _ in store.latest()} == ids
    assert store.totals().articles == 1
    again = replay(store, SPELLINGS)
    assert all(set(article.replaces) == old - ids for article in again.values()), "a lost message is made good"


def test_a_feed_is_not_sent_again_after_the_upgrade(tmp_path: Path) -> None:
    earlier_store(tmp_path / "store", PLAIN, feed="f")
    store = Store(tmp_path / "store")
    outcomes = [write_entry(store, "f", Item(known), known, NOW, LIMIT).outcome for known in PLAIN * 2]
    assert outcomes == [ItemOutcome.UNCHANGED] * 4
    assert store.count_promised() == 0


def test_entries_of_a_feed_that_were_one_article_come_apart(tmp_path: Path) -> None:
    notices = [entry(f"n-{number}", "https://e.org/status") for number in range(3)]
    earlier_store(tmp_path / "store", notices, feed="f")
    store = Store(tmp_path / "store")
    for _ in range(2):
        for known in tell_apart(notices):
            assert isinstance(known, Entry)
            write_entry(store, "f", Item(known), known, NOW, LIMIT)
    sent = [decode(RawArticle, line.message) for line in store.promised(0, 100)]
    assert [article.guid for article in sent] == ["n-0", "n-1"], "n-2 is in the index under the common id"
    ids = {article.article_id for article in sent}
    assert len(ids) == 2
    assert earlier_article_id("https://e.org/status") not in ids


def test_a_page_that_several_entries_linked_to_once_never_names_one_article(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    both = [entry("n-1", "https://e.org/status"), entry("n-2", "https://e.org/status")]
    for known in tell_apart(both):
        assert isinstance(known, Entry)
        write_entry(store, "f", Item(known), known, NOW, LIMIT)
    alone = entry("n-3", "https://e.org/status")
    third = write_entry(store, "f", Item(alone), alone, NOW, LIMIT)
    known = {seen.article_id for guid in ("n-1", "n-2") if (seen := store.seen("f", guid))}
    assert len(known) == 2
    assert third.article_id not in known
    assert third.outcome is ItemOutcome.NEW


def test_a_guid_that_several_entries_had_once_is_never_used_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    one, two = entry("x", "https://e.org/s", "One."), entry("x", "https://e.org/s", "Two.")
    pair = [replace(one, title="First"), replace(two, title="Second")]
    for known in tell_apart(pair):
        assert isinstance(known, Entry)
        write_entry(store, "f", Item(known), known, NOW, LIMIT)
    assert store.count_promised() == 2
    alone = write_entry(store, "f", Item(pair[1]), pair[1], NOW, LIMIT)
    assert alone.outcome is ItemOutcome.UNCHANGED
    assert store.count_promised() == 2


def test_the_same_url_in_two_feeds_is_one_article(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = write_entry(store, "f", Item(PLAIN[0]), PLAIN[0], NOW, LIMIT)
    other = replace(PLAIN[0], guid="z", url="https://www.e.org/a?fbclid=1")
    second = write_entry(store, "g", Item(other), other, NOW, LIMIT)
    assert first.article_id == second.article_id == article_id_of("s", None, "https://e.org/a")
    (line,) = store.promised(0, 10)
    assert json.loads(line.message)["feeds"] == ["f", "g"]


def test_content_that_takes_too_many_bytes_as_a_message_is_a_problem_and_changes_nothing(tmp_path: Path) -> None:
    """A control character takes six bytes in JSON. A message that Kafka never takes would block all behind it."""
    store = Store(tmp_path / "producer.sqlite")
    bad = replace(PLAIN[0], content="\x01" * 10_000)
    with store.transaction():
        found = to_raw_article(bad, store, 100_000, now=NOW)
        assert isinstance(found, Problem)
        assert found.kind is ProblemKind.TOO_LARGE
        assert found.data == b"\x01" * 10_000
        assert "as a message; the limit is 100,000" in found.reason
        assert isinstance(to_raw_article(replace(bad, content="x" * 20_000), store, 100_000, now=NOW), RawArticle)
    assert list(store.latest()) == []
