"""Wires the lane to Kafka: one partition in, one state, articles and stories out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from prometheus_client import Counter, Gauge

from schemas.article import EnrichedArticle
from schemas.topics import DEAD, ENRICHED, GROUPED, STORIES
from services.common.dead_letters import Received
from services.common.faust_app import make_app, run_app
from services.common.logging import get_logger
from services.common.messages import REVISION_HEADER, decode, encode
from services.common.metrics import STAGE_SECONDS
from services.common.settings import Settings
from services.common.stream import Handled, Outgoing, StreamWorker, prepare
from services.dedup.grouping import Grouper, Result
from services.dedup.settings import DedupSettings
from services.dedup.store import RowStore

SERVICE = "dedup"
LIVE_ARTICLES = Gauge("dragoman_live_articles", "Articles in the lane's window.")
LIVE_STORIES = Gauge("dragoman_live_stories", "Stories with an article in the lane's window.")
DUPLICATES = Counter("dragoman_duplicates_total", "Near-duplicates found, by level.", ["level"])
log = get_logger(__name__)


class Lane:
    """The grouper behind a message handler; rebuilt from the rows for each new assignment."""

    def __init__(self, settings: Settings, store: RowStore, window: timedelta, generation: Callable[[], int]) -> None:
        self._settings = settings
        self._store = store
        self._window = window
        self._generation = generation
        self._built_for: int | None = None
        self._grouper = Grouper(window, settings.grouping_version)

    def handle(self, received: Received) -> Handled:
        """Decide on one article; its row and its messages are confirmed before it is acknowledged."""
        self._rebuild_if_reassigned()
        article = decode(EnrichedArticle, received.value)
        with STAGE_SECONDS.labels(SERVICE, "grouping").time():
            result = self._grouper.take(article, received.offset, received.timestamp_ms)
        for row in result.expired:
            self._store.delete(row)
        if result.row is not None:
            self._store.write(result.row)
        self._count(result)
        return Handled(result.outcome, self._messages(received, result), self._store.take_unconfirmed())

    def _rebuild_if_reassigned(self) -> None:
        generation = self._generation()
        if generation != self._built_for:
            self._grouper = Grouper.rebuild(self._window, self._store.rows(), self._settings.grouping_version)
            self._built_for = generation
            log.info("state rebuilt", articles=len(self._grouper.rows), stories=self._grouper.live_stories)

    def _messages(self, received: Received, result: Result) -> tuple[Outgoing, ...]:
        headers = tuple(pair for pair in received.headers if pair[0] == REVISION_HEADER)
        messages = []
        if result.article is not None:
            key = result.article.article_id.encode()
            messages.append(Outgoing(self._settings.topic(GROUPED), key, encode(result.article), headers))
        if result.story is not None:
            key = result.story.story_id.encode()
            messages.append(Outgoing(self._settings.topic(STORIES), key, encode(result.story)))
        return tuple(messages)

    def _count(self, result: Result) -> None:
        LIVE_ARTICLES.set(len(self._grouper.rows))
        LIVE_STORIES.set(self._grouper.live_stories)
        if result.outcome == "grouped" and result.article is not None and result.article.duplicate_reason:
            DUPLICATES.labels(result.article.duplicate_reason.level).inc()


def main() -> None:
    """Run until SIGTERM."""
    settings = DedupSettings()
    prepare(settings, SERVICE, ENRICHED, GROUPED, STORIES, DEAD)
    app = make_app(
        settings, settings.group(SERVICE), settings.home / "faust" / settings.versioned(settings.instance or SERVICE)
    )
    store = RowStore(app, settings)
    window = timedelta(days=settings.window_days)
    lane = Lane(settings, store, window, generation=lambda: int(app.consumer_generation_id))
    worker = StreamWorker(settings, SERVICE, app, ENRICHED, lane.handle)
    worker.start_probes()
    run_app(app)
