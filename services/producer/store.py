"""The producer's durable store: identity, revision and the ledger, in SQLite.

Written before the send (identity, revision) and after the ack (ledger), so that a kill at any point repeats work and
loses nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS articles (
    article_id TEXT PRIMARY KEY,
    content_hash TEXT NOT NULL,
    revision INTEGER NOT NULL,
    feeds TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (
    line INTEGER PRIMARY KEY,
    article_id TEXT NOT NULL,
    guid TEXT,
    source_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    acked_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ'))
);
CREATE INDEX IF NOT EXISTS ledger_article ON ledger (article_id);
"""
STORE_FILE = "producer.sqlite"


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One message that Kafka has confirmed."""

    article_id: str
    guid: str | None
    source_id: str
    revision: int
    content_hash: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """How many messages were confirmed, and of how many articles."""

    messages: int
    articles: int


class Store:
    """One connection to the store; other processes may have theirs."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and durable when it returns."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def identify(self, article_id: str, content_hash: str, feed: str | None, now: int) -> tuple[int, tuple[str, ...]]:
        """The revision of this content and every feed that carried the article; same content, same revision.

        A new content's revision is `now` (Unix seconds), and always larger than the last one.
        """
        found = self._db.execute(
            "SELECT content_hash, revision, feeds FROM articles WHERE article_id = ?", (article_id,)
        ).fetchone()
        known_hash, revision, feeds = found or ("", 0, "[]")
        names: list[str] = json.loads(feeds)
        if feed is not None and feed not in names:
            names.append(feed)
        elif known_hash == content_hash:
            return revision, tuple(names)
        if known_hash != content_hash:
            revision = max(now, revision + 1)
        self._db.execute(
            "INSERT INTO articles VALUES (?, ?, ?, ?) ON CONFLICT (article_id) DO UPDATE SET "
            "content_hash = excluded.content_hash, revision = excluded.revision, feeds = excluded.feeds",
            (article_id, content_hash, revision, json.dumps(names)),
        )
        return revision, tuple(names)

    def append(self, lines: Iterable[LedgerLine]) -> None:
        """Write ledger lines; only for messages that the broker has confirmed."""
        self._db.executemany(
            'INSERT INTO ledger (article_id, guid, source_id, revision, content_hash, topic, partition, "offset") '
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (x.article_id, x.guid, x.source_id, x.revision, x.content_hash, x.topic, x.partition, x.offset)
                for x in lines
            ],
        )

    def totals(self) -> LedgerTotals:
        """The ledger, counted."""
        row = self._db.execute("SELECT count(*), count(DISTINCT article_id) FROM ledger").fetchone()
        return LedgerTotals(*row)

    def latest(self) -> Iterator[tuple[str, int, str]]:
        """Article id, revision and content hash of each article's last confirmed message."""
        yield from self._db.execute("SELECT article_id, max(revision), content_hash FROM ledger GROUP BY article_id")
