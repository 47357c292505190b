"""Writes entries to the outbox, and delivers the outbox to Kafka.

A kill at any point loses nothing from a poll. The first transaction writes identity, revision, the message (outbox),
the seen entries and the state of the feed. Then the message is sent. The second transaction writes the ledger line and
moves the message from the outbox to what is kept until it is indexed. The next start sends all messages that were not
confirmed.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Self
from urllib.parse import urlsplit

from kafka.errors import KafkaError

from schemas.topics import DEAD, RAW
from services.common.dead_letters import bury
from services.common.logging import get_logger
from services.common.messages import encode
from services.common.metrics import OUTCOMES, RETRIES
from services.common.producer import DeliveryError, SafeProducer
from services.common.refusals import kafka_refusal
from services.common.retries import Backoff
from services.common.topics import make_missing_topics
from services.producer.identity import article_id_of
from services.producer.ledger.articles import to_raw_article
from services.producer.ledger.earlier import earlier_content_hash, earlier_entry_hash
from services.producer.ledger.jobs import Counted, Item, ItemOutcome, Job, Written
from services.producer.ledger.metrics import KEPT, OUTBOX
from services.producer.ledger.quarantine import is_kept, quarantine_letter
from services.producer.ledger.sender import Confirmed, LedgerSender
from services.producer.ledger.store import SeenEntry, Store
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem
from services.producer.sources.documents import entry_hash, likeness, short_hash, with_hash, within_limit

SERVICE: Final = "producer"
SUPERSEDED: Final = "superseded"
REPLAYED: Final = "replayed"
"""The outcomes besides those of `ItemOutcome`: a revision that was replaced while it waited, and a line of a replay."""
REPLAYS_SECONDS: Final = 5.0
BATCH_JOBS: Final = 200
"""Maximum number of jobs in one transaction. Every commit waits for the disk, so larger transactions cost less."""
SEND_AHEAD: Final = 1000
FORGET_DAYS: Final = 90
"""Days after which a missing entry is forgotten. If it comes back unchanged, it gets its old revision."""
MAX_PAGE_TRIES: Final = 5
COMPLETE: Final = -1
GLOBAL_GUID_LENGTH: Final = 12
"""A guid with so many characters is taken for a name that is never used again: a URL, a UUID, a tag URI."""
IDLE_SECONDS: Final = 0.1
DIAL_SECONDS: Final = 0.05
"""How long a job may wait for a connection to Kafka. Usually it is there by then."""
log = get_logger(__name__)


def connect(settings: ProducerSettings) -> SafeProducer:
    """A producer for topics that exist: somebody may have deleted one. KafkaError when Kafka does not answer."""
    make_missing_topics(settings, (RAW, DEAD))
    return SafeProducer(settings)


class OutboxWriter:
    """A thread that owns the Kafka producer and the only connection of this process that writes to the store."""

    def __init__(
        self,
        settings: ProducerSettings,
        make_producer: Callable[[ProducerSettings], SafeProducer] = connect,
    ) -> None:
        self._settings = settings
        self._make_producer = make_producer
        self._sender: LedgerSender | None = None
        self._dialing: Future[SafeProducer] | None = None
        self._background = ThreadPoolExecutor(1, thread_name_prefix="kafka")
        self._jobs: queue.Queue[Job] = queue.Queue(maxsize=BATCH_JOBS * 10)
        self._stopping = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._sent_line = 0
        self._backoff = Backoff()
        self._next_try = 0.0
        self._ledger_line = 0
        self._next_count = 0.0
        self._indexed: queue.SimpleQueue[list[tuple[str, int]]] = queue.SimpleQueue()
        self.outbox = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write all submitted jobs, send as much as possible, and stop. The rest stays in the outbox."""
        self._stopping.set()
        self._thread.join(timeout=30)

    @property
    def failed(self) -> BaseException | None:
        """The error that ended the writer. The process must end too. Nothing is lost."""
        return self._failed

    @property
    def is_full(self) -> bool:
        """Whether the outbox is full because Kafka was not available for a long time."""
        return self.outbox >= self._settings.outbox_messages

    def submit(self, job: Job) -> Future[Counted]:
        """Submit a job. Its future is done when everything in the job is durable."""
        if self._failed is not None:
            job.done.set_exception(RuntimeError("the writer has ended"))
            return job.done
        self._jobs.put(job)
        return job.done

    def drop_kept(self, indexed: list[tuple[str, int]]) -> None:
        """Remove what the index has from what is kept: article ids and revisions. It is done in the writer's thread."""
        self._indexed.put(indexed)

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        store = None
        try:
            store = Store(self._settings.store_file)
            self._recount(store)
            KEPT.set(store.kept.count())
            self._ledger_line = store.last_line()
            while True:
                jobs = self._take()
                if jobs:
                    self._promise(store, jobs)
                self._deliver(store)
                self._drop_kept(store)
                self._count_replayed(store)
                if self._stopping.is_set() and self._jobs.empty():
                    break
            self._finish(store)
        except BaseException as error:
            self._failed = error
            log.exception("the writer ended")
        finally:
            self._close_sender()
            self._background.shutdown(wait=False)
            if store is not None:
                store.close()
            self._refuse_rest()

    def _take(self) -> list[Job]:
        seconds = 0.02 if self._in_flight() or self._stopping.is_set() else IDLE_SECONDS
        jobs: list[Job] = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self._jobs.get(timeout=seconds))
            while len(jobs) < BATCH_JOBS:
                jobs.append(self._jobs.get_nowait())
        # The caller may have cancelled a job. After this call it cannot be cancelled any more.
        return [job for job in jobs if job.done.set_running_or_notify_cancel()]

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
                if job.done.set_running_or_notify_cancel():
                    job.done.set_exception(RuntimeError("the writer has ended"))
            except queue.Empty:
                return

    def _promise(self, store: Store, jobs: list[Job]) -> None:
        """Write all jobs in one transaction. When that fails, write each job in a transaction of its own."""
        try:
            with store.transaction():
                counted = [self._write(store, job) for job in jobs]
        except Exception as error:
            if len(jobs) == 1:
                log.exception("a poll cannot be written", feed=jobs[0].feed_id)
                jobs[0].done.set_exception(error)
                return
            for job in jobs:
                self._promise(store, [job])
            return
        self._recount(store)
        for job, count in zip(jobs, counted, strict=True):
            for outcome, number in count.counts.items():
                OUTCOMES.labels(SERVICE, outcome.value).inc(number)
            job.done.set_result(count)

    def _count_replayed(self, store: Store) -> None:
        """Count what other processes have replayed onto Kafka: `dragoman replay` has no metrics of its own."""
        if time.monotonic() < self._next_count:
            return
        self._next_count = time.monotonic() + REPLAYS_SECONDS
        self._ledger_line, replayed = store.count_replayed(self._ledger_line)
        OUTCOMES.labels(SERVICE, REPLAYED).inc(replayed)

    def _drop_kept(self, store: Store) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                indexed = self._indexed.get_nowait()
                try:
                    with store.transaction():
                        store.kept.drop(indexed)
                except sqlite3.OperationalError as error:
                    log.warning("what is indexed stays kept for now; the next sweep names it again", error=str(error))

    def _recount(self, store: Store) -> None:
        self.outbox = store.count_promised()
        OUTBOX.set(self.outbox)

    def _write(self, store: Store, job: Job) -> Counted:
        counted = Counted()
        now = datetime.now(UTC)
        for item in job.items:
            entry = within_limit(item.entry, self._settings.max_article_bytes)
            if isinstance(entry, Problem):
                written = self._keep(store, job, item, entry, now)
            else:
                written = write_entry(store, job.feed_id, item, entry, now, self._settings.max_raw_bytes)
                if written.problem is not None:
                    written = self._keep(store, job, item, written.problem, now)
            counted.counts[written.outcome] += 1
            counted.owed += item.owes_page
            if written.problem is not None:
                counted.problems.append(written.problem)
            if job.keep_written:
                counted.written.append(written)
        if job.feed_id is not None:
            self._note(store, job, job.feed_id, counted, now)
        return counted

    @staticmethod
    def _note(store: Store, job: Job, feed_id: str, counted: Counted, now: datetime) -> None:
        store.still_there(feed_id, (item.entry.guid for item in job.items), int(now.timestamp()))
        if job.is_whole:
            store.forget(feed_id, FORGET_DAYS, int(now.timestamp()))
        if job.end is not None:
            counted.state = job.end.state_after(counted, now)
            store.save_feed_state(feed_id, counted.state.model_dump_json(exclude_defaults=True))

    def _keep(self, store: Store, job: Job, item: Item, problem: Problem, now: datetime) -> Written:
        """Record a problem once for each feed, entry and reason.

        Bytes that must be kept go to quarantine, with a dead letter.
        """
        if job.feed_id is not None:
            hashed = item.hash or hashlib.sha256(f"{problem.kind} {problem.reason}".encode()).hexdigest()
            seen = store.seen(job.feed_id, problem.guid)
            is_same = seen is not None and seen.entry_hash == hashed
            tries = (seen.tries + 1 if seen is not None and is_same else 1) if item.owes_page else COMPLETE
            known = (seen.article_id, seen.published_at) if seen is not None else ("", None)
            store.remember(job.feed_id, problem.guid, SeenEntry(hashed, *known, tries), int(now.timestamp()))
            if is_same:
                return Written(ItemOutcome.PROBLEM, problem=problem)
        if is_kept(problem):
            letter = quarantine_letter(problem, self._settings)
            bury(self._settings, letter)
            store.promise_letter(letter.letter_id, encode(letter))
        return Written(ItemOutcome.PROBLEM, problem=problem)

    # --- Kafka --------------------------------------------------------------------------------------------------------

    def _deliver(self, store: Store) -> None:
        """Send waiting messages and record confirmed ones.

        When Kafka is not available, wait, and then send all unconfirmed messages again.
        """
        if time.monotonic() < self._next_try or not (self.outbox or self._in_flight()):
            return
        try:
            sender = self._connected()
            if sender is None:
                return
            while sender.in_flight < SEND_AHEAD:
                lines = store.promised(self._sent_line, SEND_AHEAD - sender.in_flight)
                if not lines:
                    break
                for line in lines:
                    self._sent_line = line.line
                    sender.send(line)
            sender.settle()
            self._redeem(store)
            self._backoff.reset()
        except (DeliveryError, KafkaError) as error:
            self._redeem(store)
            self._close_sender()
            self._next_try = time.monotonic() + self._backoff.next_seconds()
            RETRIES.labels(SERVICE, "kafka").inc()
            log.warning(
                "Kafka does not confirm; the outbox keeps everything", error=str(error)[:300], outbox=self.outbox
            )

    def _in_flight(self) -> int:
        return self._sender.in_flight if self._sender is not None else 0

    def _connected(self) -> LedgerSender | None:
        """The sender, or None while another thread connects: that takes long when Kafka is away, and pushes must not.

        Raises KafkaError when Kafka did not answer.
        """
        if self._sender is not None:
            return self._sender
        if self._dialing is None:
            self._dialing = self._background.submit(self._dial)
        if not wait([self._dialing], DIAL_SECONDS).done:
            return None
        dialed, self._dialing = self._dialing, None
        self._sender = LedgerSender(self._settings, dialed.result())
        self._sent_line = 0
        return self._sender

    def _dial(self) -> SafeProducer:
        """A producer that has reached Kafka. KafkaError, with the reason where Kafka refuses us, when it has not."""
        try:
            return self._reach()
        except KafkaError as error:
            refusal = kafka_refusal(self._settings, error)
            if refusal is None:
                raise
            raise KafkaError(refusal) from error

    def _reach(self) -> SafeProducer:
        producer = self._make_producer(self._settings)
        try:
            producer.warm_up([self._settings.topic(RAW), self._settings.topic(DEAD)])
        except KafkaError:
            producer.close()
            raise
        return producer

    def _close_sender(self) -> None:
        """Let another thread close the producer: it waits for a Kafka that is away."""
        if self._sender is not None:
            self._background.submit(self._sender.producer.close)
            self._sender = None
        self._sent_line = 0

    def _redeem(self, store: Store) -> None:
        if self._sender is not None and self._sender.record(store, redeem):
            self._recount(store)

    def _finish(self, store: Store) -> None:
        """Wait up to 10 s for Kafka to confirm open messages."""
        deadline = time.monotonic() + 10
        while self.outbox and time.monotonic() < deadline and (self._sender or self._dialing) is not None:
            self._deliver(store)
            time.sleep(0.02)


def redeem(store: Store, confirmed: Sequence[Confirmed]) -> None:
    """Move confirmed lines from the outbox to what is kept until it is indexed."""
    store.redeem((entry.line.line for entry in confirmed), int(time.time()))


def write_entry(store: Store, feed_id: str | None, item: Item, entry: Entry, now: datetime, max_bytes: int) -> Written:
    """Write the identity, the outbox message and the seen entry of one entry.

    The result is a problem when the entry is not a valid article.
    """
    hashed = item.hash or entry_hash(entry)
    seconds = int(now.timestamp())
    entry = with_own_guid(store, feed_id, entry)
    seen = store.seen(feed_id, entry.guid) if feed_id is not None else None
    earlier = item.earlier_hash or earlier_entry_hash(entry)
    if seen is not None and feed_id is not None and is_unchanged(store, feed_id, seen, hashed, earlier):
        if item.owes_page and seen.tries != COMPLETE:
            store.remember(feed_id, entry.guid, replace(seen, entry_hash=hashed, tries=seen.tries + 1), seconds)
            return Written(ItemOutcome.UNCHANGED)
        if seen.entry_hash != hashed:
            store.remember(feed_id, entry.guid, replace(seen, entry_hash=hashed), seconds)
        if not owes_look(replace(seen, entry_hash=hashed), hashed):
            return Written(ItemOutcome.UNCHANGED)
    words_id = words_id_of(feed_id, entry)
    if seen is None and words_id is not None and store.resolve(words_id) != words_id:
        return Written(ItemOutcome.UNCHANGED)  # only its date is another one
    article = to_raw_article(entry, store, max_bytes, feed_id, now, same_article(store, feed_id, seen, entry))
    if isinstance(article, Problem):
        return Written(ItemOutcome.PROBLEM, problem=article)
    if words_id is not None:
        store.alias(words_id, article.article_id)
    is_known = store.is_promised(article.article_id, article.revision)
    if not is_known:
        OUTCOMES.labels(SERVICE, SUPERSEDED).inc(store.promise(article, encode(article)))
    if feed_id is not None:
        stated = entry.published_at.isoformat() if entry.published_at else None
        tries = 1 if item.owes_page else COMPLETE
        known = SeenEntry(hashed, article.article_id, stated, tries, title_hash(entry), address_hash(entry))
        store.remember(feed_id, entry.guid, known, seconds)
    outcome = ItemOutcome.UNCHANGED if is_known else ItemOutcome.NEW if seen is None else ItemOutcome.REVISED
    return Written(outcome, article.article_id, article.revision)


def with_own_guid(store: Store, feed_id: str | None, entry: Entry) -> Entry:
    """The entry with a guid that only it has in its feed. A guid that several entries had once is never used alone."""
    if feed_id is None:
        return entry
    name_id = article_id_of(feed_id, entry.shared_guid or entry.guid, None)
    if entry.shared_guid is not None:
        store.share(name_id)
    elif store.is_shared(name_id):
        return with_hash(entry, likeness(entry))
    return entry


def words_id_of(feed_id: str | None, entry: Entry) -> str | None:
    """The id that the words of an entry without guid and link give in its feed. None for all others."""
    if feed_id is None or entry.words_name is None:
        return None
    return article_id_of(feed_id, f"words {entry.words_name}", None)


def is_unchanged(store: Store, feed_id: str, seen: SeenEntry, hashed: str, earlier: str) -> bool:
    """Whether an entry is as it was at the last poll.

    An entry that version 0.1 has seen is unchanged by its own rule, unless that version gave one id to several entries.
    """
    if seen.entry_hash == hashed:
        return True
    return seen.entry_hash == earlier and not store.is_collapsed(feed_id, seen.article_id)


def owes_look(seen: SeenEntry | None, *hashes: str) -> bool:
    """Whether an entry must be processed: it is new, it has changed, or its page could not be fetched so far."""
    return seen is None or seen.entry_hash not in hashes or 0 <= seen.tries < MAX_PAGE_TRIES


def same_article(store: Store, feed_id: str | None, seen: SeenEntry | None, entry: Entry) -> str | None:
    """The id of the article that an entry was at the last poll. None when it is another article now.

    Publishers change the address with the headline and keep the guid, so a guid keeps its article. Some feeds number
    their entries anew each day: a short guid needs the same stated date, title or address too.
    """
    if seen is None or feed_id is None or not seen.article_id:
        return None
    if store.is_collapsed(feed_id, seen.article_id) and not store.is_owner(
        seen.article_id, entry.source_id, entry.guid, earlier_content_hash(entry)
    ):
        return None
    stated = entry.published_at.isoformat() if entry.published_at else None
    is_same = (
        len(entry.guid) >= GLOBAL_GUID_LENGTH
        or (stated is not None and stated == seen.published_at)
        or (seen.title_hash is not None and seen.title_hash == title_hash(entry))
        or (seen.address_hash is not None and seen.address_hash == address_hash(entry))
    )
    return seen.article_id if is_same else None


def title_hash(entry: Entry) -> str | None:
    """A hash of the title, to recognize an article. None without a title."""
    return short_hash(entry.title) if entry.title else None


def address_hash(entry: Entry) -> str | None:
    """A hash of the URL without its parameters, to recognize an article. None without a URL or a path in it."""
    parts = urlsplit(entry.url or "")
    if not parts.path.strip("/") or entry.shares_url:
        return None
    return short_hash(f"{parts.hostname}{parts.path}")
