"""Enriches JSON lines without Kafka."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from schemas.dead_letter import ErrorClass
from services.common.messages import RejectedMessage, encode_whole
from services.producer.identity import article_id_of
from services.producer.ledger.articles import content_hash, make_raw_article
from services.producer.ledger.store import Identified
from services.producer.sources.base import Problem, SourceOptions
from services.producer.sources.jsonl import JsonlSource
from services.worker.settings import WorkerSettings
from services.worker.stages import enrich, stage_slice


def make_enricher(default_source_id: str, *, vectors: bool) -> Callable[[bytes, int], bytes]:
    """A function that turns a raw line and its number into an `EnrichedArticle` line. A bad line: RejectedMessage."""
    settings = WorkerSettings()
    stages = stage_slice((), vectors=vectors)
    options = SourceOptions(None, settings.max_article_bytes)
    source = JsonlSource(Path(f"{default_source_id}.jsonl"), options)

    def convert(line: bytes, number: int) -> bytes:
        entry = source.read_line(line, number)
        if isinstance(entry, Problem):
            reason = entry.reason.removeprefix(f"line {number}: ")
            raise RejectedMessage("source", ErrorClass.INVALID_MESSAGE, reason)
        now = datetime.now(UTC)
        try:
            article_id = article_id_of(entry.source_id, entry.guid, None if entry.shares_url else entry.url)
        except ValueError as error:
            raise RejectedMessage("source", ErrorClass.INVALID_MESSAGE, str(error)) from error
        identified = Identified(int(now.timestamp()), content_hash(entry), ())
        raw = make_raw_article(entry, article_id, identified, now)
        return encode_whole(enrich(raw, stages, settings.stage_seconds))

    return convert
