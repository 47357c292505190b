"""Messages on their way: what waits for Kafka's confirmation, and what is kept until the index has it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

NEWER_IS_KEPT = (
    "ON CONFLICT (article_id) DO UPDATE SET guid = excluded.guid, source_id = excluded.source_id, "
    "revision = excluded.revision, content_hash = excluded.content_hash, message = excluded.message, "
    "kept_at = excluded.kept_at WHERE excluded.revision >= kept.revision"
)


@dataclass(frozen=True, slots=True)
class OutboxLine:
    """One message that waits for confirmation by Kafka. `line` grows in the order of writing."""

    line: int
    article_id: str
    guid: str | None
    source_id: str
    revision: int
    content_hash: str
    message: bytes

    @property
    def is_letter(self) -> bool:
        """Whether the line is a dead letter and not an article. Dead letters have no source."""
        return not self.source_id


class Kept:
    """The messages that were given to Kafka and the index may not have yet: the newest one of each article.

    Kafka removes messages after their retention, read or not. Call what writes in a transaction of the store.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def take_from_outbox(self, lines: Iterable[int], now: int) -> None:
        """Keep the articles of these lines of the outbox. `now` is in Unix seconds.

        An id that was replaced is not kept: the index loses it when its successor comes.
        """
        query = "SELECT article_id, guid, source_id, revision, content_hash, ?, message FROM outbox WHERE line = ?"
        is_article = "source_id != '' AND article_id NOT IN (SELECT article_id FROM replaced)"
        for line in lines:
            self._db.execute(f"INSERT INTO kept {query} AND {is_article} {NEWER_IS_KEPT}", (now, line))

    def add(self, lines: Iterable[OutboxLine], now: int) -> None:
        """Keep messages that come from where they cannot be read again. `now` is in Unix seconds."""
        self._db.executemany(
            f"INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?, ?) {NEWER_IS_KEPT}",  # noqa: S608 - a constant
            [
                (line.article_id, line.guid, line.source_id, line.revision, line.content_hash, now, line.message)
                for line in lines
            ],
        )

    def page(self, before: int, after: str, limit: int) -> list[tuple[str, int]]:
        """Article id and revision of messages that were kept before a Unix second, in the order of their ids."""
        rows = self._db.execute(
            "SELECT article_id, revision FROM kept WHERE kept_at < ? AND article_id > ? ORDER BY article_id LIMIT ?",
            (before, after, limit),
        )
        return [(row[0], row[1]) for row in rows]

    def line(self, article_id: str) -> OutboxLine | None:
        """The message that is kept for an article, ready to be sent again."""
        row = self._db.execute(
            "SELECT 0, article_id, guid, source_id, revision, content_hash, message FROM kept WHERE article_id = ?",
            (article_id,),
        ).fetchone()
        return OutboxLine(*row) if row else None

    def drop(self, indexed: Iterable[tuple[str, int]]) -> None:
        """Remove what the index has: article ids and revisions."""
        self._db.executemany("DELETE FROM kept WHERE article_id = ? AND revision <= ?", indexed)

    def count(self) -> int:
        """The number of messages that are kept until they are indexed."""
        return int(self._db.execute("SELECT count(*) FROM kept").fetchone()[0])
