"""The tables of the producer's store, and the columns that earlier versions did not have."""

from __future__ import annotations

import sqlite3
from typing import Final

SCHEMA: Final = """
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
    acked_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
    replay TEXT,
    position INTEGER
);
CREATE INDEX IF NOT EXISTS ledger_article ON ledger (article_id);
CREATE TABLE IF NOT EXISTS aliases (
    address_id TEXT PRIMARY KEY,
    article_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shared (
    name_id TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replaced (
    article_id TEXT PRIMARY KEY,
    replaced_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS replaced_by ON replaced (replaced_by);
CREATE TABLE IF NOT EXISTS outbox (
    line INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id TEXT NOT NULL,
    guid TEXT,
    source_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    message BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_article ON outbox (article_id);
CREATE TABLE IF NOT EXISTS kept (
    article_id TEXT PRIMARY KEY,
    guid TEXT,
    source_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    kept_at INTEGER NOT NULL,
    message BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS replays (
    replay TEXT PRIMARY KEY,
    origin TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feeds (
    feed_id TEXT PRIMARY KEY,
    state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    feed_id TEXT NOT NULL,
    guid TEXT NOT NULL,
    entry_hash TEXT NOT NULL,
    article_id TEXT NOT NULL,
    published_at TEXT,
    tries INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    last_seen_day INTEGER NOT NULL,
    title_hash TEXT,
    address_hash TEXT,
    PRIMARY KEY (feed_id, guid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_first_seen ON entries (feed_id, first_seen_at);
CREATE INDEX IF NOT EXISTS entries_article ON entries (feed_id, article_id);
CREATE TABLE IF NOT EXISTS checkpoints (
    replay TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    saved_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ'))
) WITHOUT ROWID;
"""
LATER_COLUMNS: Final = {
    "entries": {"title_hash": "TEXT", "address_hash": "TEXT"},
    "ledger": {"replay": "TEXT", "position": "INTEGER"},
}
"""Columns that were added after version 0.1."""


def add_columns(db: sqlite3.Connection) -> None:
    """Add the columns that are missing. Call it in a transaction, because two processes may do this at once."""
    for table, columns in LATER_COLUMNS.items():
        names = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for name, kind in columns.items():
            if name not in names:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
