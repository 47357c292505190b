"""The folder of the archive: WARC files that are rotated by size, and a SQLite index of where each article is.

A record is a WARC `resource`, compressed by itself, so that one can be read without what stands before it, and every
WARC tool can read the file. What a kill leaves half-written at the end of the last file is cut off at the next start.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warcio.archiveiterator import ArchiveIterator
from warcio.timeutils import datetime_to_iso_date
from warcio.warcwriter import WARCWriter

from schemas.article import ContentType, RawArticle

INDEX_FILE = "index.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    article_id TEXT NOT NULL, revision INTEGER NOT NULL, sha256 TEXT NOT NULL,
    file TEXT NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (article_id, sha256)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (file TEXT PRIMARY KEY, bytes INTEGER NOT NULL);
"""
READ_BYTES = 1 << 20
GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Kept:
    """A raw article with the hash of its content (SHA-256 of its UTF-8 bytes)."""

    article: RawArticle
    sha256: str


@dataclass(slots=True)
class Shelf:
    """The archive of one process. `most_bytes` is the size after which a new file begins."""

    folder: Path
    name: str
    most_bytes: int
    _db: sqlite3.Connection = field(init=False)
    _file: Any = field(init=False, default=None)
    _path: Path = field(init=False)
    _is_torn: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._db = open_index(self.folder)
        self._open_last()

    def keep(self, articles: Iterable[Kept]) -> int:
        """Write articles that are not kept yet, and make them durable. Returns how many were written.

        OSError or sqlite3.Error: nothing of this call may be counted as kept. The same call can be made again.
        """
        try:
            return self._keep(articles)
        except (OSError, sqlite3.Error):
            self._is_torn = True
            raise

    def _keep(self, articles: Iterable[Kept]) -> int:
        if self._is_torn:  # the last call may have left half a record
            self._open_last()
            self._is_torn = False
        if self._file.tell() >= self.most_bytes:
            self._begin()
        rows: list[tuple[str, int, str, str, int]] = []
        known: set[tuple[str, str]] = set()
        for kept in articles:
            key = (kept.article.article_id, kept.sha256)
            if key in known or self._has(*key):
                continue
            known.add(key)
            offset = self._file.tell()
            self._file.write(to_warc(kept))
            rows.append((*key[:1], kept.article.revision, kept.sha256, self._path.name, offset))
        if not rows:
            return 0
        self._commit(rows)
        return len(rows)

    def _commit(self, rows: Sequence[tuple[str, int, str, str, int]]) -> None:
        """Make the file durable, and then say in the index what it holds."""
        self._file.flush()
        os.fsync(self._file.fileno())
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)", rows)
            self._db.execute("INSERT OR REPLACE INTO files VALUES (?, ?)", (self._path.name, self._file.tell()))

    def close(self) -> None:
        """Close the file and the index."""
        self._close_file()
        self._db.close()

    def _close_file(self) -> None:
        """Close the file, also where a full disk refuses what is still in memory."""
        with suppress(OSError):
            self._file.close()

    def _has(self, article_id: str, sha256: str) -> bool:
        asked = "SELECT 1 FROM records WHERE article_id = ? AND sha256 = ?"
        return self._db.execute(asked, (article_id, sha256)).fetchone() is not None

    def _open_last(self) -> None:
        """Go on in the last file of this process, behind what the index knows of it."""
        asked = "SELECT file, bytes FROM files WHERE file LIKE ? ORDER BY file DESC LIMIT 1"
        row = self._db.execute(asked, (f"dragoman-{self.name}-%",)).fetchone()
        if row is None or row[1] >= self.most_bytes or not (self.folder / row[0]).is_file():
            self._begin()
            return
        if self._file is not None:
            self._close_file()
        self._path = self.folder / row[0]
        self._file = self._path.open("r+b")
        self._file.truncate(row[1])
        self._file.seek(row[1])

    def _begin(self) -> None:
        if self._file is not None:
            self._close_file()
        stamp = f"{datetime.now(UTC):%Y%m%d%H%M%S%f}"  # microseconds: two files can begin in one millisecond
        self._path = self.folder / f"dragoman-{self.name}-{stamp}.warc.gz"
        self._file = self._path.open("xb")
        try:
            self._file.write(warc_info(self._path.name))
            self._commit([])
        except (OSError, sqlite3.Error):
            self._path.unlink()  # each try would leave a file
            raise


def open_index(folder: Path) -> sqlite3.Connection:
    """The index of the archive. It is made when it is not there."""
    db = sqlite3.connect(folder / INDEX_FILE, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(SCHEMA)
    return db


def to_warc(kept: Kept) -> bytes:
    """One compressed record with the content of an article, and what the producer knew of it in its headers."""
    article = kept.article
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True)
    headers = {
        "WARC-Date": datetime_to_iso_date(article.fetched_at.replace(tzinfo=None), use_micros=True),
        "WARC-Identified-Payload-Type": article.content_type.value,
        "Dragoman-Article": article.article_id,
        "Dragoman-Revision": str(article.revision),
        "Dragoman-Sha256": kept.sha256,
        "Dragoman-Message": json.dumps(article.model_copy(update={"content": "-"}).model_dump(mode="json")),
    }
    kind = "text/html" if article.content_type is ContentType.HTML else "text/plain"
    record = writer.create_warc_record(
        article.url or f"urn:uuid:{article.article_id}",
        "resource",
        payload=io.BytesIO(article.content.encode("utf8", "surrogatepass")),
        warc_content_type=f"{kind}; charset=utf-8",
        warc_headers_dict=headers,
    )
    writer.write_record(record)
    return out.getvalue()


def warc_info(name: str) -> bytes:
    """The first record of a file."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True)
    writer.write_record(writer.create_warcinfo_record(name, {"software": "dragoman", "format": "WARC File Format 1.1"}))
    return out.getvalue()


def find(folder: Path, article_id: str, sha256: str) -> RawArticle | None:
    """An article that the archive keeps, or None."""
    if not (folder / INDEX_FILE).is_file():
        return None
    db = open_index(folder)
    try:
        asked = "SELECT file, offset FROM records WHERE article_id = ? AND sha256 = ?"
        row = db.execute(asked, (article_id, sha256)).fetchone()
    finally:
        db.close()
    if row is None or not (folder / row[0]).is_file():  # somebody has made room
        return None
    with (folder / row[0]).open("rb") as file:
        file.seek(row[1])
        for record in ArchiveIterator(file):
            content: bytes = record.content_stream().read()
            fields = json.loads(record.rec_headers.get_header("Dragoman-Message"))
            fields["content"] = content.decode("utf8", "surrogatepass")
            return RawArticle.model_validate_json(json.dumps(fields))
    return None
