"""Connects stages to Kafka: from the topic before them (`articles.raw`) to the one after (`articles.enriched`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client import Gauge

from schemas.article import ArticleDraft, RawArticle, RawPlace
from schemas.dead_letter import ErrorClass
from schemas.topics import DEAD, ENRICHED, RAW, Topic, intermediate
from services.common.batches import attempt
from services.common.dead_letters import Received
from services.common.derived import content_sha256
from services.common.exits import UnusableProcessError
from services.common.extras import install_hint
from services.common.faust_app import make_app, run_app
from services.common.logging import configure_logging, get_logger
from services.common.messages import REVISION_HEADER, Outgoing, decode, encode
from services.common.metrics import DEAD_LETTERS, OUTCOMES, begin_at_zero
from services.common.stream import BatchHandler, Handled, StreamWorker, prepare
from services.fingerprint import is_encoder_installed
from services.worker.settings import WorkerSettings
from services.worker.stages import (
    STAGE_NAMES,
    Stage,
    run_stages_on_all,
    stage_slice,
    to_draft,
    to_enriched,
    warm_up,
    within,
)

SERVICE = "worker"
BATCH = 8
"""Articles that are enriched together if they wait. The encoder gains little from more."""
VECTORS = Gauge("dragoman_vectors", "1 when the worker makes vectors, 0 when it runs without them.")
log = get_logger(__name__)


def source_of(stages: tuple[Stage, ...]) -> Topic:
    """The topic that these stages read."""
    first = STAGE_NAMES.index(stages[0].name)
    return intermediate(STAGE_NAMES[first - 1]) if first else RAW


def target_of(stages: tuple[Stage, ...], *, vectors: bool) -> Topic:
    """The topic that these stages write."""
    last = "embedding" if vectors else "fingerprint"
    return ENRICHED if stages[-1].name == last else intermediate(stages[-1].name)


def make_handler(settings: WorkerSettings, stages: tuple[Stage, ...], source: Topic, target: Topic) -> BatchHandler:
    """Turns messages into the messages for the next topic."""
    topic = settings.topic(target)

    def read(received: Received) -> ArticleDraft:
        if source is not RAW:
            return decode(ArticleDraft, received.value)
        raw = decode(RawArticle, received.value)
        return to_draft(raw, place_of(received, raw))

    def finish(received: Received, draft: ArticleDraft | Exception) -> Handled:
        if isinstance(draft, Exception):
            raise draft
        with within(settings.stage_seconds, SERVICE):
            record = to_enriched(draft, datetime.now(UTC)) if target is ENRICHED else draft
        headers = tuple(pair for pair in received.headers if pair[0] == REVISION_HEADER)
        return Handled("enriched", (Outgoing(topic, draft.article_id.encode(), encode(record), headers),))

    def handle(batch: Sequence[Received]) -> list[Handled | Exception]:
        drafts = run_stages_on_all([attempt(read, one) for one in batch], stages, seconds=settings.stage_seconds)
        return [attempt(finish, received, draft) for received, draft in zip(batch, drafts, strict=True)]

    return BatchHandler(handle, BATCH)


def place_of(received: Received, raw: RawArticle) -> RawPlace:
    """Where a raw article is."""
    found = content_sha256(raw.content)
    return RawPlace(topic=received.topic, partition=received.partition, offset=received.offset, sha256=found)


def known_letters(stages: tuple[Stage, ...]) -> Iterator[tuple[str, ...]]:
    """Service, stage and error class of the dead letters that a worker with these stages can make."""
    yield SERVICE, "decode", ErrorClass.INVALID_MESSAGE
    yield SERVICE, "size", ErrorClass.TOO_LARGE
    yield SERVICE, SERVICE, ErrorClass.INVALID_MESSAGE
    yield SERVICE, SERVICE, ErrorClass.TOO_SLOW
    for stage in stages:
        yield SERVICE, stage.name, ErrorClass.STAGE_FAILED
        yield SERVICE, stage.name, ErrorClass.TOO_SLOW
        if stage.name == "extraction":
            yield SERVICE, stage.name, ErrorClass.NO_TEXT


def makes_vectors(settings: WorkerSettings) -> bool:
    """Whether this worker makes vectors. Without the encoder it makes none, and logs this once."""
    is_on = settings.vectors and is_encoder_installed()
    if settings.vectors and not is_on:
        log.warning("running without vectors: the encoder is not installed", mend=install_hint("vectors"))
    VECTORS.set(is_on)
    return is_on


def main(stage_names: str | None = None) -> None:
    """Run until SIGTERM."""
    settings = WorkerSettings() if stage_names is None else WorkerSettings(stages=stage_names)
    names = tuple(name.strip() for name in settings.stages.split(",") if name.strip())
    configure_logging(SERVICE, settings.instance, settings.log_level)
    vectors = makes_vectors(settings)
    stages = stage_slice(names, vectors=vectors)
    source, target = source_of(stages), target_of(stages, vectors=vectors)
    prepare(settings, SERVICE, source, target, DEAD)
    try:
        warm_up(stages)
    except UnusableProcessError as error:
        log.error("the worker cannot start", reason=str(error))  # noqa: TRY400 - a stack trace would not help
        sys.exit(error.exit_code)
    group = settings.name(SERVICE if not names else f"{SERVICE}-{stages[0].name}-{stages[-1].name}")
    app = make_app(settings, group, settings.home / "faust" / (settings.instance or SERVICE))
    handler = make_handler(settings, stages, source, target)
    largest = settings.max_message_bytes if target is ENRICHED else settings.max_raw_bytes
    worker = StreamWorker(settings, SERVICE, app, source, handler, on_thread=True, max_bytes=largest)
    begin_at_zero(OUTCOMES, ((SERVICE, "enriched"), (SERVICE, "dead")))
    begin_at_zero(DEAD_LETTERS, known_letters(stages))
    worker.start_probes()
    run_app(app)
