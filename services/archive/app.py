"""The archive: a consumer of `articles.raw` that writes each article to a WARC file and commits it then."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.article import RawArticle
from schemas.topics import RAW
from services.archive.settings import ArchiveSettings
from services.archive.shelf import Kept, Shelf
from services.common.consumer import commit, make_consumer, run_service, stay_in_group
from services.common.derived import content_sha256
from services.common.exits import EXIT_CONFIGURATION
from services.common.logging import get_logger
from services.common.messages import RejectedMessage, decode
from services.common.metrics import OUTCOMES, RETRIES, begin_at_zero
from services.common.retries import Backoff
from services.common.stream import prepare

SERVICE, DISK = "archive", "disk"
POLL_MS = 500
BATCH = 100
ARCHIVED, KNOWN, UNREADABLE = "archived", "unchanged", "unreadable"
"""Outcomes: written, kept before, and no raw article (the worker makes its dead letter)."""
log = get_logger(__name__)


@dataclass(slots=True)
class Archive:
    """One process of the consumer group. While the disk refuses, it waits inside the group and commits nothing."""

    consumer: Any
    shelf: Shelf
    stopping: threading.Event = field(default_factory=threading.Event)
    problem: str | None = None

    def run(self) -> None:
        """Run until `stopping` is set. What was polled is written and committed first."""
        while not self.stopping.is_set():
            polled = self.consumer.poll(timeout_ms=POLL_MS, max_records=BATCH)
            records = [record for partition in polled.values() for record in partition]
            if records:
                self._keep(records)
                if not commit(self.consumer, polled):
                    log.warning("partitions were reassigned before the commit; their articles come again and are known")

    def _keep(self, records: Sequence[Any]) -> None:
        kept = [article for record in records if (article := to_kept(record.value)) is not None]
        backoff = Backoff(cap_seconds=30)
        while True:
            try:
                written = self.shelf.keep(kept)
            except (OSError, sqlite3.Error) as error:
                RETRIES.labels(SERVICE, DISK).inc()
                self.problem = f"{type(error).__name__}: {error}"
                log.error("the archive cannot be written; waiting", folder=str(self.shelf.folder), error=self.problem)  # noqa: TRY400 - a traceback would not help
                stay_in_group(self.consumer, backoff.next_seconds(), self.stopping)
            else:
                break
        self.problem = None
        OUTCOMES.labels(SERVICE, ARCHIVED).inc(written)
        OUTCOMES.labels(SERVICE, KNOWN).inc(len(kept) - written)
        OUTCOMES.labels(SERVICE, UNREADABLE).inc(len(records) - len(kept))

    def health(self) -> tuple[bool, dict[str, object]]:
        """Healthy while the archive can be written."""
        details: dict[str, object] = {"service": SERVICE, "folder": str(self.shelf.folder)}
        if self.problem:
            details["problem"] = self.problem
        return self.problem is None, details


def to_kept(value: bytes | None) -> Kept | None:
    """The article of a message with the hash of its content. None if the message is no raw article."""
    try:
        article = decode(RawArticle, value)
    except RejectedMessage:
        return None
    return Kept(article, content_sha256(article.content))


def main() -> None:
    """Run until SIGTERM."""
    settings = ArchiveSettings()
    prepare(settings, SERVICE, RAW)
    if settings.archive is None:
        log.error("there is no archive: DRAGOMAN_ARCHIVE names no folder")
        sys.exit(EXIT_CONFIGURATION)
    try:
        shelf = Shelf(settings.archive, settings.instance or SERVICE, settings.archive_file_bytes)
    except (OSError, sqlite3.Error) as error:
        log.error("the archive cannot be opened", folder=str(settings.archive), error=str(error))  # noqa: TRY400 - a traceback would not help
        sys.exit(1)
    topics = (settings.topic(RAW),)
    archive = Archive(make_consumer(settings, settings.group(SERVICE), *topics), shelf)
    begin_at_zero(OUTCOMES, ((SERVICE, outcome) for outcome in (ARCHIVED, KNOWN, UNREADABLE)))
    begin_at_zero(RETRIES, ((SERVICE, DISK),))
    try:
        run_service(settings, SERVICE, topics, archive, lambda: archive.problem is not None)
    finally:
        shelf.close()
