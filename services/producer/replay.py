"""Replays sources onto `articles.raw`: identify, commit, send, and a ledger line only after the broker's ack."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from schemas.article import RawArticle
from schemas.dead_letter import DeadLetter, ErrorClass
from schemas.topics import DEAD, RAW
from services import __version__
from services.common.messages import REVISION_HEADER, encode
from services.common.producer import Delivered, SafeProducer
from services.producer.articles import to_raw_article
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem, ProblemKind, Source
from services.producer.store import LedgerLine, Store

BATCH = 256
"""Articles identified in one transaction before they are sent."""
PACED_BATCH_SECONDS = 0.1


@dataclass(slots=True)
class Replayed:
    """What a replay did: the confirmed revision of each article, and every item that gave none."""

    sent: int = 0
    revisions: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Replayer:
    """Sends entries; `on_progress(done)` is called as items are read."""

    settings: ProducerSettings
    store: Store
    producer: SafeProducer
    on_progress: Callable[[int], None] = lambda _: None
    result: Replayed = field(default_factory=Replayed)
    _confirmed: list[LedgerLine] = field(default_factory=list)

    def replay(self, sources: Iterable[Source], rate: float | None = None, loops: int = 1) -> Replayed:
        """Every entry, `loops` times, at most `rate` articles a second; DeliveryError when Kafka fails."""
        pace = Pace(rate)
        sources = list(sources)
        size = BATCH if rate is None else max(1, min(BATCH, int(rate * PACED_BATCH_SECONDS)))
        try:
            for _ in range(loops):
                for source in sources:
                    items = source.entries()
                    while batch := list(islice(items, size)):
                        self._send(batch)
                        self.on_progress(len(batch))
                        pace.wait(len(batch))
            self.producer.flush()
        finally:
            self._write_ledger()
        return self.result

    def _send(self, batch: list[Entry | Problem]) -> None:
        with self.store.transaction():
            made = [to_raw_article(item, self.store) if isinstance(item, Entry) else item for item in batch]
        self.result.notes.update(item.note for item in batch if isinstance(item, Entry) and item.note)
        topic = self.settings.topic(RAW)
        for article in made:
            if isinstance(article, Problem):
                self._keep(article)
                continue
            headers = [(REVISION_HEADER, str(article.revision).encode())]
            self.producer.send(topic, article.article_id.encode(), encode(article), headers, self._on_ack(article))
        self.producer.settle(leave_open=10**9)
        self._write_ledger()

    def _on_ack(self, article: RawArticle) -> Callable[[Delivered], None]:
        """Only what the ledger needs is kept while the send is open, not the article."""
        identity = (article.article_id, article.guid, article.source_id, article.revision, article.content_hash)

        def confirm(delivered: Delivered) -> None:
            self._confirmed.append(LedgerLine(*identity, delivered.topic, delivered.partition, delivered.offset))
            self.result.sent += 1
            self.result.revisions[identity[0]] = max(identity[3], self.result.revisions.get(identity[0], 0))

        return confirm

    def _write_ledger(self) -> None:
        if self._confirmed:
            with self.store.transaction():
                self.store.append(self._confirmed)
            self._confirmed.clear()

    def _keep(self, problem: Problem) -> None:
        """Remember a problem; what is too large or undecodable goes to quarantine, with a dead letter that names it."""
        self.result.problems.append(problem)
        if problem.kind not in (ProblemKind.TOO_LARGE, ProblemKind.UNDECODABLE):
            return
        kept = quarantine(problem, self.settings.quarantine_folder)
        letter = quarantine_letter(problem, kept, self.settings.topic(RAW))
        self.producer.send(self.settings.topic(DEAD), letter.letter_id.encode(), encode(letter))


@dataclass(slots=True)
class Pace:
    """Keeps an average rate; time lost to a slow broker is made up for by a burst of at most a second."""

    rate: float | None
    _next: float = field(default_factory=time.monotonic)

    def wait(self, count: int) -> None:
        """Sleep until `count` more are due."""
        if self.rate is None:
            return
        now = time.monotonic()
        self._next = max(self._next, now - 1.0) + count / self.rate
        if self._next > now:
            time.sleep(self._next - now)


def quarantine(problem: Problem, folder: Path) -> Path:
    """Keep a problem's bytes under a name made of its source and guid."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in f"{problem.source_id}__{problem.guid}")[-180:]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / safe
    if problem.path is not None:
        shutil.copyfile(problem.path, target)
    else:
        target.write_bytes(problem.data or b"")
    return target


def quarantine_letter(problem: Problem, kept: Path, topic: str, now: datetime | None = None) -> DeadLetter:
    """The dead letter that refers to a quarantined item."""
    failed_at = now or datetime.now(UTC)
    return DeadLetter(
        letter_id=f"quarantine/{kept.name}"[:1024],
        source_topic=topic,
        source_partition=0,
        source_offset=0,
        original_key=None,
        original_value=None,
        quarantine_path=str(kept),
        service="producer",
        stage="source",
        error_class=ErrorClass.TOO_LARGE if problem.kind is ProblemKind.TOO_LARGE else ErrorClass.INVALID_MESSAGE,
        error=f"{problem.guid} {problem.reason}"[:2000],
        code_version=__version__,
        first_failed_at=failed_at,
        last_failed_at=failed_at,
    )


def count_items(sources: Iterable[Source], loops: int) -> int | None:
    """How many items a replay will read, None where a source cannot tell."""
    totals = [source.total for source in sources]
    return None if any(total is None for total in totals) else sum(filter(None, totals)) * loops


def iterate_problems(result: Replayed) -> Iterator[str]:
    """A sentence for each item that gave no article."""
    for problem in result.problems:
        yield f"{problem.source_id}/{problem.guid} {problem.reason}"
