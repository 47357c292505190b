"""Sorts items by their original time. Sorting happens on disk, so memory does not grow with the archive."""

from __future__ import annotations

import pickle
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.producer.sources.base import Entry, Problem


@dataclass(frozen=True, slots=True)
class Timed:
    """An item and its time. The time is None when neither the item nor an item before it has a date."""

    item: Entry | Problem
    at: datetime | None


@contextmanager
def by_time(items: Iterable[Entry | Problem], folder: Path) -> Iterator[Iterator[Timed]]:
    """All items, oldest first. The same items always have the same order.

    An item without a date gets the time of the item before it. Every item is read once and written to a temporary file
    in `folder`. The file is as large as the archive and is deleted at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="timeline-", dir=folder) as name:
        db = sqlite3.connect(Path(name) / "timeline.sqlite", isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=OFF")
            db.execute("PRAGMA synchronous=OFF")
            db.execute("CREATE TABLE items (at REAL, number INTEGER, item BLOB)")
            db.execute("BEGIN")
            db.executemany("INSERT INTO items VALUES (?, ?, ?)", _rows(items))
            db.execute("CREATE INDEX items_at ON items (at, number)")
            db.execute("COMMIT")
            yield _read(db)
        finally:
            db.close()


def _rows(items: Iterable[Entry | Problem]) -> Iterator[tuple[float | None, int, bytes]]:
    last: float | None = None
    for number, item in enumerate(items):
        happened = item.happened_at if isinstance(item, Entry) else None
        last = happened.timestamp() if happened is not None else last
        yield last, number, pickle.dumps(item)


def _read(db: sqlite3.Connection) -> Iterator[Timed]:
    for at, data in db.execute("SELECT at, item FROM items ORDER BY at, number"):
        # This process wrote the data a moment ago, in its own folder.
        yield Timed(pickle.loads(data), None if at is None else datetime.fromtimestamp(at, UTC))  # noqa: S301
