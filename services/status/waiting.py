"""Waits until every article of a replay is dead, or searchable at its revision."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from elasticsearch import ApiError, Elasticsearch, TransportError
from kafka.errors import KafkaError

from services.common.dead_letters import dead_articles, read_letters
from services.common.elastic import make_client
from services.common.settings import ElasticsearchSettings

POLL_SECONDS = 0.4
DEAD_LETTERS_EVERY = 4
"""The dead letters are read once in so many polls."""
CHUNK = 1000
CLOCK_SLACK = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Arrived:
    """How many articles are searchable or dead. `pending` articles were still on their way when the wait ended."""

    searchable: int
    dead: int
    pending: int


def wait_until_searchable(
    settings: ElasticsearchSettings,
    revisions: Mapping[str, int],
    since: datetime,
    patience_seconds: float,
    on_progress: Callable[[int], None],
) -> Arrived:
    """Wait until articles have at least their revisions. Gives up after `patience_seconds` without progress."""
    pending = dict(revisions)
    searchable: set[str] = set()
    dead: set[str] = set()
    client = make_client(settings, timeout_seconds=10)
    last_progress, polls = time.monotonic(), 0
    try:
        while pending and time.monotonic() - last_progress < patience_seconds:
            before = len(pending)
            found = _searchable(client, settings.name("articles"), pending)
            searchable |= found
            if polls % DEAD_LETTERS_EVERY == DEAD_LETTERS_EVERY - 1:
                dead |= _dead(settings, pending, since) - searchable
            polls += 1
            for article_id in (*found, *dead):
                pending.pop(article_id, None)
            if len(pending) < before:
                last_progress = time.monotonic()
                on_progress(len(revisions) - len(pending))
            if pending:
                time.sleep(POLL_SECONDS)
    finally:
        client.close()
    return Arrived(len(searchable), len(dead), len(pending))


def _searchable(client: Elasticsearch, index: str, pending: Mapping[str, int]) -> set[str]:
    found: set[str] = set()
    ids = iter(pending)
    while chunk := list(islice(ids, CHUNK)):
        try:
            answer = client.search(
                index=index, query={"ids": {"values": chunk}}, size=CHUNK, source_includes=["revision"]
            )
        except (ApiError, TransportError):
            return found
        found.update(hit["_id"] for hit in answer["hits"]["hits"] if hit["_source"]["revision"] >= pending[hit["_id"]])
    return found


def _dead(settings: ElasticsearchSettings, pending: Mapping[str, int], since: datetime) -> set[str]:
    try:
        letters = list(read_letters(settings))
    except KafkaError:
        return set()
    recent = (letter for letter in letters if letter.last_failed_at >= since.astimezone(UTC) - CLOCK_SLACK)
    return {key for key, revision in dead_articles(settings, recent) if key in pending and revision >= pending[key]}
