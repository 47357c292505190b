"""The durable store of the producer, in SQLite: identity, revision, ledger, outbox and the state of each feed.

Identity and revision are written before the send. For feeds and pushes the message itself is written too, to the
outbox. After the acknowledgement the ledger line is written and the message leaves the outbox. A kill at any point can
repeat work, but nothing is lost.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from schemas.article import RawArticle
from services.common.exits import EXIT_CONFIGURATION, UnusableProcessError
from services.producer.ledger.kept import Kept, OutboxLine
from services.producer.ledger.tables import SCHEMA, add_columns

DAY = 24 * 60 * 60
DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One message that Kafka has confirmed. A replay notes its name, and the position of the item in its files."""

    article_id: str
    guid: str | None
    source_id: str
    revision: int
    content_hash: str
    topic: str
    partition: int
    offset: int
    replay: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The replay and the position in it that a revision of an article came from."""

    replay: str
    position: int
    revision: int


@dataclass(frozen=True, slots=True)
class SeenEntry:
    """The stored facts about an entry of a feed.

    `tries` counts failed fetches of its page. It is -1 when no page is missing. `title_hash` and `address_hash` help to
    recognize the article when its words have changed. Version 0.1 did not store them.
    """

    entry_hash: str
    article_id: str
    published_at: str | None
    tries: int
    title_hash: str | None = None
    address_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """The revision and content hash of an article, and every feed that contained it."""

    revision: int
    content_hash: str
    feeds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """The number of confirmed messages, and the number of articles in them."""

    messages: int
    articles: int


class DamagedStoreError(UnusableProcessError):
    """The file of the store is damaged. Going on would promise what cannot be kept."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            EXIT_CONFIGURATION,
            f"The store {path} is damaged ({reason}). Put a copy of it back, or move it away: the producer then begins "
            "with an empty ledger, and sends the articles of its feeds and files again under the same ids.",
        )


class Store:
    """One connection to the store. Other processes may have their own connections.

    DamagedStoreError when the file is no whole SQLite file. sqlite3.OperationalError when it is locked for too long.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self.kept = Kept(self._db)
        with self._damage_told():
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
            with self.transaction():
                add_columns(self._db)

    @classmethod
    def whole(cls, path: Path) -> Self:
        """The store, when every page of its file can be read. Use it before what writes much or promises something."""
        store = cls(path)
        try:
            store.check()
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in DAMAGE:
                raise DamagedStoreError(self.path, str(error)) from error
            raise

    def check(self) -> None:
        """Look at every page of the file, about one second for 80 MB. DamagedStoreError when one is damaged."""
        with self._damage_told():
            (answer,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise DamagedStoreError(self.path, str(answer).strip().splitlines()[-1])

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction. Its changes are durable when the block ends. An exception rolls them back."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def identify(self, article_id: str, hashes: Sequence[str], feed: str | None, now: int) -> Identified:
        """The revision of this content, its hash, and all feeds that contained the article.

        `hashes` are the hash of the content, and the hashes that earlier versions gave the same content: whichever was
        sent stays. The same content and feeds give the same revision. A new revision is `now` (Unix seconds), and
        always larger than the last one. A further feed also makes a new revision. Otherwise the index, which keeps the
        newest version, would never show that feed.
        """
        found = self._db.execute(
            "SELECT content_hash, revision, feeds FROM articles WHERE article_id = ?", (article_id,)
        ).fetchone()
        known_hash, revision, feeds = found or ("", 0, "[]")
        names: list[str] = json.loads(feeds)
        is_new_feed = feed is not None and feed not in names
        if known_hash in hashes and not is_new_feed:
            return Identified(revision, known_hash, tuple(names))
        if feed is not None and is_new_feed:
            names.append(feed)
        revision = max(now, revision + 1)
        self._db.execute(
            "INSERT INTO articles VALUES (?, ?, ?, ?) ON CONFLICT (article_id) DO UPDATE SET "
            "content_hash = excluded.content_hash, revision = excluded.revision, feeds = excluded.feeds",
            (article_id, hashes[0], revision, json.dumps(names)),
        )
        return Identified(revision, hashes[0], tuple(names))

    def append(self, lines: Iterable[LedgerLine]) -> None:
        """Write ledger lines. Only messages that the broker has confirmed may be written."""
        self._db.executemany(
            "INSERT INTO ledger (article_id, guid, source_id, revision, content_hash, topic, partition, "
            '"offset", replay, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
            [
                (
                    line.article_id,
                    line.guid,
                    line.source_id,
                    line.revision,
                    line.content_hash,
                    line.topic,
                    line.partition,
                    line.offset,
                    line.replay,
                    line.position,
                )
                for line in lines
            ],
        )

    def totals(self) -> LedgerTotals:
        """The totals of the ledger. Articles that have another id now count once."""
        messages, articles = self._db.execute("SELECT count(*), count(DISTINCT article_id) FROM ledger").fetchone()
        replaced = self._db.execute("SELECT count(*) FROM replaced").fetchone()[0]
        return LedgerTotals(messages, articles - replaced)

    def latest(self) -> Iterator[tuple[str, int, str]]:
        """Article id, revision and content hash of the last confirmed message of each article."""
        yield from self._db.execute(
            "SELECT article_id, max(revision), content_hash FROM ledger "
            "WHERE article_id NOT IN (SELECT article_id FROM replaced) GROUP BY article_id"
        )

    def last_line(self) -> int:
        """The number of the last line of the ledger."""
        return int(self._db.execute("SELECT coalesce(max(line), 0) FROM ledger").fetchone()[0])

    def count_replayed(self, after: int) -> tuple[int, int]:
        """The last line of the ledger, and how many lines of replays come after the line `after`."""
        last = self.last_line()
        query = "SELECT count(replay) FROM ledger WHERE line > ? AND line <= ?"
        return last, int(self._db.execute(query, (after, last)).fetchone()[0])

    def resolve(self, article_id: str) -> str:
        """The id of the article that owns an address. It differs from `article_id` when the address is an alias."""
        row = self._db.execute("SELECT article_id FROM aliases WHERE address_id = ?", (article_id,)).fetchone()
        return row[0] if row else article_id

    def alias(self, address_id: str, article_id: str) -> None:
        """Make an address an alias of an article. `address_id` is the id that the address alone would give.

        An address that is already in use does not change.
        """
        known = self._db.execute("SELECT 1 FROM articles WHERE article_id = ?", (address_id,)).fetchone()
        if address_id != article_id and not known:
            self._db.execute("INSERT OR IGNORE INTO aliases VALUES (?, ?)", (address_id, article_id))

    def is_known(self, article_id: str) -> bool:
        """Whether an article has this id now. A replaced article has lost its id."""
        query = "SELECT 1 FROM articles WHERE article_id = ? AND article_id NOT IN (SELECT article_id FROM replaced)"
        return self._db.execute(query, (article_id,)).fetchone() is not None

    def is_owner(self, article_id: str, source_id: str, guid: str | None, content_hash: str) -> bool:
        """Whether an entry is the one that was sent last under this id. Lines without a guid compare the content."""
        row = self._db.execute(
            "SELECT source_id, guid, content_hash FROM outbox WHERE article_id = :id UNION ALL "
            "SELECT * FROM (SELECT source_id, guid, content_hash FROM ledger WHERE article_id = :id ORDER BY line DESC "
            "LIMIT 1) LIMIT 1",
            {"id": article_id},
        ).fetchone()
        if row is None:
            return True
        return row[2] == content_hash if row[1] is None else (row[0], row[1]) == (source_id, guid)

    def share(self, name_id: str) -> None:
        """Note that a URL or a guid (the id that it gives) belongs to several articles."""
        self._db.execute("INSERT OR IGNORE INTO shared VALUES (?)", (name_id,))

    def is_shared(self, name_id: str) -> bool:
        """Whether a URL or a guid belongs to several articles."""
        return self._db.execute("SELECT 1 FROM shared WHERE name_id = ?", (name_id,)).fetchone() is not None

    def replace(self, article_id: str, by: str) -> None:
        """Note that two ids are one article. Its next message takes the first id out of the index."""
        self._db.execute("INSERT OR REPLACE INTO replaced VALUES (?, ?)", (article_id, by))
        self._db.execute("DELETE FROM kept WHERE article_id = ?", (article_id,))
        self._db.execute("UPDATE aliases SET article_id = ? WHERE article_id = ?", (by, article_id))
        self._db.execute("UPDATE entries SET article_id = ? WHERE article_id = ?", (by, article_id))
        # An unknown hash makes the next message a new revision, which is always sent.
        self._db.execute(
            "UPDATE articles SET content_hash = '', revision = max(revision, "
            "(SELECT max(revision) FROM articles WHERE article_id = ?)) WHERE article_id = ?",
            (article_id, by),
        )

    def replaced_by(self, article_id: str) -> tuple[str, ...]:
        """The earlier ids of an article."""
        rows = self._db.execute("SELECT article_id FROM replaced WHERE replaced_by = ?", (article_id,))
        return tuple(row[0] for row in rows)

    # --- outbox -------------------------------------------------------------------------------------------------------

    def promise(self, article: RawArticle, message: bytes) -> int:
        """Put a message into the outbox. Call it in the transaction that identified the article.

        Older revisions of the article that still wait are removed, because the index would show the last one only.
        Returns their number.
        """
        superseded = self._db.execute(
            "DELETE FROM outbox WHERE article_id = ? AND revision < ?", (article.article_id, article.revision)
        ).rowcount
        self._db.execute(
            "INSERT INTO outbox (article_id, guid, source_id, revision, content_hash, message) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (article.article_id, article.guid, article.source_id, article.revision, article.content_hash, message),
        )
        return int(superseded)

    def promise_letter(self, letter_id: str, message: bytes) -> None:
        """Put a dead letter into the outbox."""
        self._db.execute(
            "INSERT INTO outbox (article_id, guid, source_id, revision, content_hash, message) "
            "VALUES (?, '', '', 0, '', ?)",
            (letter_id, message),
        )

    def is_promised(self, article_id: str, revision: int) -> bool:
        """Whether this revision waits in the outbox or is confirmed."""
        values = (article_id, revision)
        return any(
            self._db.execute(f"SELECT 1 FROM {table} WHERE article_id = ? AND revision = ?", values).fetchone()  # noqa: S608
            for table in ("outbox", "ledger")
        )

    def promised(self, after: int, limit: int) -> list[OutboxLine]:
        """The next lines of the outbox."""
        rows = self._db.execute("SELECT * FROM outbox WHERE line > ? ORDER BY line LIMIT ?", (after, limit))
        return [OutboxLine(*row) for row in rows]

    def count_promised(self) -> int:
        """The number of messages that wait in the outbox."""
        return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def redeem(self, lines: Iterable[int], now: int) -> None:
        """Move confirmed messages from the outbox to what is kept until it is indexed. Dead letters are removed.

        Call it in the transaction that writes their ledger lines. `now` is in Unix seconds.
        """
        confirmed = list(lines)
        self.kept.take_from_outbox(confirmed, now)
        self._db.executemany("DELETE FROM outbox WHERE line = ?", [(line,) for line in confirmed])

    # --- feeds --------------------------------------------------------------------------------------------------------

    def feed_states(self) -> dict[str, str]:
        """The state of every feed, as JSON, by id."""
        return dict(self._db.execute("SELECT feed_id, state FROM feeds"))

    def save_feed_state(self, feed_id: str, state: str) -> None:
        """Write a feed's state."""
        self._db.execute("INSERT OR REPLACE INTO feeds VALUES (?, ?)", (feed_id, state))

    def seen(self, feed_id: str, guid: str) -> SeenEntry | None:
        """The stored facts about one entry, or None for an unknown entry."""
        row = self._db.execute(
            "SELECT entry_hash, article_id, published_at, tries, title_hash, address_hash FROM entries "
            "WHERE feed_id = ? AND guid = ?",
            (feed_id, guid),
        ).fetchone()
        return SeenEntry(*row) if row else None

    def remember(self, feed_id: str, guid: str, seen: SeenEntry, now: int) -> None:
        """Write the facts about an entry. `now` is in Unix seconds."""
        self._db.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (feed_id, guid) DO UPDATE SET "
            "entry_hash = excluded.entry_hash, article_id = excluded.article_id, tries = excluded.tries, "
            "published_at = excluded.published_at, last_seen_day = excluded.last_seen_day, "
            "title_hash = excluded.title_hash, address_hash = excluded.address_hash",
            (
                *(feed_id, guid, seen.entry_hash, seen.article_id, seen.published_at, seen.tries, now, now // DAY),
                *(seen.title_hash, seen.address_hash),
            ),
        )

    def is_collapsed(self, feed_id: str, article_id: str) -> bool:
        """Whether several entries of a feed have the same article."""
        query = "SELECT count(*) FROM (SELECT 1 FROM entries WHERE feed_id = ? AND article_id = ? LIMIT 2)"
        return int(self._db.execute(query, (feed_id, article_id)).fetchone()[0]) > 1

    def still_there(self, feed_id: str, guids: Iterable[str], now: int) -> None:
        """Note that entries are still in their feed. Each entry is written at most once a day."""
        self._db.executemany(
            "UPDATE entries SET last_seen_day = ? WHERE feed_id = ? AND guid = ? AND last_seen_day < ?",
            [(now // DAY, feed_id, guid, now // DAY) for guid in guids],
        )

    def forget(self, feed_id: str, days: int, now: int) -> None:
        """Delete entries that have not been in their feed for `days` days."""
        self._db.execute("DELETE FROM entries WHERE feed_id = ? AND last_seen_day < ?", (feed_id, now // DAY - days))

    def count_first_seen(self, feed_id: str, since: int) -> int:
        """The number of entries of a feed that were first seen since a Unix second."""
        query = "SELECT count(*) FROM entries WHERE feed_id = ? AND first_seen_at >= ?"
        return int(self._db.execute(query, (feed_id, since)).fetchone()[0])

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def checkpoint(self, replay: str) -> int:
        """The number of items that were confirmed before the replay was interrupted. 0 when it was not interrupted."""
        row = self._db.execute("SELECT position FROM checkpoints WHERE replay = ?", (replay,)).fetchone()
        return int(row[0]) if row else 0

    def save_checkpoint(self, replay: str, position: int) -> None:
        """Save the number of confirmed items of a replay."""
        self._db.execute("INSERT OR REPLACE INTO checkpoints (replay, position) VALUES (?, ?)", (replay, position))

    def drop_checkpoint(self, replay: str) -> None:
        """Delete the checkpoint of a complete replay."""
        self._db.execute("DELETE FROM checkpoints WHERE replay = ?", (replay,))

    # --- where replays came from --------------------------------------------------------------------------------------

    def note_replay(self, replay: str, origin: str) -> None:
        """Note where the items of a replay came from, as JSON."""
        self._db.execute("INSERT OR REPLACE INTO replays VALUES (?, ?)", (replay, origin))

    def origin(self, replay: str) -> str | None:
        """Where the items of a replay came from, as JSON."""
        row = self._db.execute("SELECT origin FROM replays WHERE replay = ?", (replay,)).fetchone()
        return row[0] if row else None

    def place(self, article_id: str) -> Place | None:
        """Where the last confirmed message of an article came from. None when it came from no replay."""
        row = self._db.execute(
            "SELECT replay, position, revision FROM ledger WHERE article_id = ? "
            "ORDER BY revision DESC, position IS NULL, line DESC LIMIT 1",
            (article_id,),
        ).fetchone()
        return Place(*row) if row and row[1] is not None else None
