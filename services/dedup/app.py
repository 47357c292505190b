"""The dedup service: reads articles and edits from Kafka, keeps one state, writes articles and stories to Kafka."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from kafka.errors import GroupIdNotFoundError, KafkaError
from prometheus_client import Counter, Gauge

from schemas.article import DuplicateLevel
from schemas.dead_letter import ErrorClass
from schemas.story import Story, StoryEdit
from schemas.topics import DEAD, EDITS, ENRICHED, GROUPED, STORIES
from services.common.dead_letters import Received
from services.common.exits import EXIT_TEMPORARY, UnusableProcessError
from services.common.faust_app import SESSION_TIMEOUT_SECONDS, make_app, run_app
from services.common.logging import get_logger
from services.common.messages import REVISION_HEADER, Outgoing, RejectedMessage, decode, encode
from services.common.metrics import DEAD_LETTERS, OUTCOMES, STAGE_SECONDS, begin_at_zero
from services.common.settings import Settings
from services.common.stream import Handled, StreamWorker, prepare
from services.common.topics import admin_client
from services.dedup.articles import ArticlePart, GroupedPart, read_article
from services.dedup.checked_store import RESTORED
from services.dedup.grouping import Grouper, GroupingOutcome, GroupingResult
from services.dedup.outbox import Send, StoryOutbox
from services.dedup.rows import ArticleRow
from services.dedup.settings import DedupSettings
from services.dedup.store import RecordTable

SERVICE = "dedup"
EDIT_SERVICE = "dedup_edits"
"""The service label of edits in metrics. It is separate, so that `dedup` counts articles only."""
HOME_FILE = "dedup.home"
TELL_SECONDS = 10.0
STEPS_BETWEEN_LOOKS = 1000
"""A look at the clock after so many steps of a rebuild, which take about a tenth of a second."""
DECISION_BYTES = 64 * 1024
"""Room for a decision and the headers of a message. The decisions of 1,200 articles had at most 2 kB."""
LIVE_ARTICLES = Gauge("dragoman_live_articles", "Articles in the window of dedup.")
LIVE_STORIES = Gauge("dragoman_live_stories", "Stories with an article in the window of dedup.")
REBUILT = Gauge("dragoman_rebuilt_share", "The share of a rebuild of the state that is done; 1 when none goes on.")
DUPLICATES = Counter("dragoman_duplicates_total", "Near-duplicates found, by level.", ["level"])
MERGED_STORIES = Counter("dragoman_merged_stories_total", "Stories that were merged into another.")
KNOWN_LETTERS = ((SERVICE, "decode", ErrorClass.INVALID_MESSAGE), (SERVICE, "size", ErrorClass.TOO_LARGE))
"""Service, stage and error class of the dead letters that dedup can make."""
log = get_logger(__name__)


def known_outcomes() -> Iterator[tuple[str, ...]]:
    """Service and outcome of everything that dedup counts."""
    for outcome in (GroupingOutcome.GROUPED, GroupingOutcome.REPEATED, GroupingOutcome.SUPERSEDED, "dead"):
        yield SERVICE, outcome
    for outcome in (GroupingOutcome.EDITED, GroupingOutcome.PENDING, "dead"):
        yield EDIT_SERVICE, outcome


@dataclass(slots=True)
class Rebuilding:
    """How far a rebuild is: steps that are done, of all. Each row is two steps."""

    steps: int
    done: int = 0
    _told: float = field(default_factory=time.monotonic)

    def count(self) -> None:
        """Count one step, and tell it now and then."""
        self.done += 1
        if self.done % STEPS_BETWEEN_LOOKS:
            return
        REBUILT.set(self.share)
        if time.monotonic() - self._told > TELL_SECONDS:
            self._told = time.monotonic()
            log.info("rebuilding the state", share=self.share)

    @property
    def share(self) -> float:
        """The share that is done."""
        return min(1.0, round(self.done / max(1, self.steps), 3))


@dataclass(slots=True)
class DedupService:
    """Handles articles and edits with one grouper, which each new assignment of partitions rebuilds from the tables."""

    settings: Settings
    rows: RecordTable[ArticleRow]
    edits: RecordTable[StoryEdit]
    window: timedelta
    generation: Callable[[], int]
    outbox: StoryOutbox
    folder: Path | None = None
    """For temporary files."""
    grouper: Grouper = field(init=False)
    rebuilding: Rebuilding | None = None
    _built_for: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.grouper = Grouper(self.window, self.settings.grouping_version)

    def handle(self, received: Received) -> Handled:
        """Decide on one article. Its message is acknowledged after every change is confirmed."""
        article = read_article(received.value)
        require_room(received, article, self.settings.max_message_bytes)
        with self._lock, STAGE_SECONDS.labels(SERVICE, "grouping").time():
            self._rebuild_if_reassigned()
            result = self.grouper.take(article, timestamp_ms=received.timestamp_ms, now=datetime.now(UTC))
        self._count(result)
        return self._handled(result)

    def handle_edit(self, received: Received) -> Handled:
        """Carry out one edit of a person."""
        edit = decode(StoryEdit, received.value)
        with self._lock:
            self._rebuild_if_reassigned()
            result = self.grouper.apply(edit)
        log.info("edit", edit_id=edit.edit_id, action=edit.action, outcome=result.outcome, moved=len(result.moved))
        return self._handled(result)

    def story(self, story_id: str) -> Story | None:
        """The current state of a story, or None if it has no live article."""
        with self._lock:
            return self.grouper.story(story_id)

    def share_done(self) -> float | None:
        """The share of a rebuild that is done, or None if none goes on. Other threads ask."""
        rebuilding = self.rebuilding
        return rebuilding.share if rebuilding else None

    def explain(self, query: dict[str, str]) -> tuple[int, object]:
        """The answer to `dragoman explain ARTICLE ARTICLE`: how dedup compares the two articles now."""
        one, other = query.get("one", ""), query.get("other", "")
        with self._lock:
            if self._built_for != self.generation():
                return 503, {"error": "the state is rebuilt with the next message"}
            absent = [article_id for article_id in (one, other) if article_id not in self.grouper.live]
            if absent:
                return 404, {"error": "not in the window of dedup", "articles": absent}
            try:
                return 200, self.grouper.explain(one, other)
            except UnusableProcessError as error:  # the next message ends this process with the same sentence
                return 503, {"error": str(error)}

    def _rebuild_if_reassigned(self) -> None:
        generation = self.generation()
        if generation != self._built_for:
            self.rows.forget_recent()
            self.edits.forget_recent()
            began = time.monotonic()
            self.rebuilding = Rebuilding(2 * len(self.rows))
            self._built_for = None
            self.grouper = Grouper(self.window, self.settings.grouping_version)  # two states would need twice the room
            self.grouper = Grouper.rebuild(
                self.window,
                self.rows,
                self.edits,
                self.settings.grouping_version,
                digests=self.rows.digests,
                folder=self.folder,
                on_row=self.rebuilding.count,
            )
            self.rows.require_rows(len(self.grouper.live))
            sent_again = self.rows.send_unsent() + self.edits.send_unsent()
            self._built_for, self.rebuilding = generation, None
            gc.freeze()  # a full collection would look through all live articles: 4 seconds for a million
            REBUILT.set(1)
            log.info(
                "state rebuilt",
                seconds=round(time.monotonic() - began, 1),
                derived_again=self.grouper.derived,
                articles=len(self.grouper.live),
                stories=len(self.grouper.stories),
                sent_again=sent_again,
            )

    def _handled(self, result: GroupingResult) -> Handled:
        own = [result.article] if result.article is not None else []
        grouped = [self._outgoing(article) for article in (*own, *result.moved)]
        removed = [
            self._tombstone(article_id, revision_header(article)) for article in own for article_id in result.removed
        ]
        emptied = [
            Outgoing(self.settings.topic(STORIES), story.story_id.encode(), encode(story)) for story in result.emptied
        ]
        confirmations = (
            *self.rows.take_unconfirmed(),
            *self.edits.take_unconfirmed(),
            *self.outbox.add(result.changed),
        )
        return Handled(result.outcome, (*grouped, *removed, *emptied), confirmations)

    def _tombstone(self, article_id: str, headers: tuple[tuple[str, bytes], ...]) -> Outgoing:
        return Outgoing(self.settings.topic(GROUPED), article_id.encode(), None, headers)

    def _outgoing(self, article: GroupedPart) -> Outgoing:
        headers = revision_header(article)
        return Outgoing(self.settings.topic(GROUPED), article.article_id.encode(), encode(article), headers)

    def _count(self, result: GroupingResult) -> None:
        LIVE_ARTICLES.set(len(self.grouper.live))
        LIVE_STORIES.set(len(self.grouper.stories))
        MERGED_STORIES.inc(len(result.emptied))
        if result.outcome == "grouped" and result.article is not None and result.article.duplicate_reason:
            DUPLICATES.labels(result.article.duplicate_reason.level).inc()


def revision_header(article: GroupedPart) -> tuple[tuple[str, bytes], ...]:
    """The header that states the revision of an article, for dead letters and tombstones."""
    return ((REVISION_HEADER, str(article.revision).encode()),)


def make_story_sender(app: Any, settings: Settings, story_of: Callable[[str], Story | None]) -> Send:
    """Make a function that sends the current state of a story, or returns None if it has no articles any more."""
    topic = app.topic(
        settings.topic(STORIES), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
    )

    async def send(story_id: str) -> Awaitable[object] | None:
        story = story_of(story_id)
        if story is None:
            return None
        sent: Awaitable[object] = await topic.send(key=story_id.encode(), value=encode(story))
        return sent

    return send


def require_room(received: Received, article: ArticlePart, limit: int) -> None:
    """Reject an article that is larger than what a service sends, before anything is decided about it.

    Behind the decision it would be too late: rows are written by then, and other articles have moved. A decision adds
    less than `DECISION_BYTES`, and Kafka takes larger messages than `limit` (`max_request_bytes`). A message of schema
    version 1 is smaller after its upgrade.
    """
    if len(received.value or b"") <= limit:
        return
    size = len(encode(article))
    if size > limit:
        reason = f"{size:,} bytes, but an enriched article may have at most {limit:,}"
        raise RejectedMessage("size", ErrorClass.TOO_LARGE, reason)


def require_only_home(settings: DedupSettings, group: str, client_id: str) -> None:
    """End this process when a dedup of another home is in the consumer group: its decisions would be others.

    A member that was killed stays in the group for its session. So this waits for longer than that.
    """
    deadline = time.monotonic() + 2 * SESSION_TIMEOUT_SECONDS
    while (others := foreign_members(settings, group, client_id)) != []:
        if others is None:  # the clock does not run while Kafka cannot say
            deadline = time.monotonic() + 2 * SESSION_TIMEOUT_SECONDS
        elif time.monotonic() > deadline:
            log.error(
                "a dedup of another home works in this namespace; this one ends. Give it its own DRAGOMAN_NAMESPACE",
                group=group,
                others=others,
            )
            sys.exit(EXIT_TEMPORARY)
        time.sleep(1)


def foreign_members(settings: DedupSettings, group: str, client_id: str) -> list[str] | None:
    """The hosts and client ids of the members of a consumer group that belong to another home.

    None while Kafka cannot say: at its first start, and while the coordinator of the group moves.
    """
    try:
        admin = admin_client(settings)
        try:
            described: Any = admin.describe_groups([group])
        finally:
            admin.close()
    except KafkaError as error:
        log.warning("Kafka cannot name the members of the group yet", error=type(error).__name__)
        return None
    refusal = described[group].get("error")
    if refusal and GroupIdNotFoundError.__name__ not in str(refusal):  # kafka-python does not raise it
        log.warning("Kafka cannot name the members of the group yet", error=str(refusal))
        return None
    members = described[group]["members"]
    return [f"{one['client_host']} {one['client_id']}" for one in members if one["client_id"] != client_id]


def home_id(settings: DedupSettings) -> str:
    """A name that only this home has. It is made once and kept in a file."""
    path = settings.home / HOME_FILE
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(uuid.uuid4().hex[:12], encoding="ascii")
        part.replace(path)
    return path.read_text(encoding="ascii").strip()


def require_only_process(folder: Path) -> None:
    """End this process when another one already works in its folder: two deciders would decide twice."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f"{folder.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        log.error("another dedup works in this home; this one ends", folder=str(folder))  # noqa: TRY400 - no bug
        sys.exit(EXIT_TEMPORARY)
    HELD.append(lock)


HELD: list[FileLock] = []
"""Locks of this process. The system releases them when it ends, however it ends."""


def main() -> None:
    """Run until SIGTERM."""
    settings = DedupSettings()
    prepare(settings, SERVICE, ENRICHED, EDITS, GROUPED, STORIES, DEAD)
    folder = settings.home / "faust" / settings.versioned(settings.instance or SERVICE)
    require_only_process(settings.home / "faust" / settings.versioned(SERVICE))  # whatever its instance
    client_id = f"dragoman-dedup-{home_id(settings)}"
    require_only_home(settings, settings.group(SERVICE), client_id)
    app = make_app(settings, settings.group(SERVICE), folder, client_id)
    outbox = StoryOutbox(make_story_sender(app, settings, lambda story_id: service.story(story_id)))  # noqa: PLW0108 - made below
    service = DedupService(
        settings,
        RecordTable(app, settings, "articles", ArticleRow),
        RecordTable(app, settings, "edits", StoryEdit),
        timedelta(days=settings.window_days),
        lambda: int(app.consumer_generation_id),
        outbox,
        folder,
    )
    worker = StreamWorker(
        settings,
        SERVICE,
        app,
        ENRICHED,
        service.handle,
        beside=((EDITS, service.handle_edit, EDIT_SERVICE),),
        max_bytes=settings.max_request_bytes - DECISION_BYTES,
        in_order=True,
        share_done=service.share_done,
    )
    begin_at_zero(OUTCOMES, known_outcomes())
    begin_at_zero(DEAD_LETTERS, KNOWN_LETTERS)
    begin_at_zero(RESTORED, (("articles",), ("edits",)))
    REBUILT.set(1)
    begin_at_zero(DUPLICATES, ((level,) for level in DuplicateLevel))
    worker.start_probes({"/explain": service.explain})

    app.task(outbox.run)
    run_app(app)
