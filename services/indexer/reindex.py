"""Builds the index again from the compacted topics, beside the live indexer, and swaps the aliases.

Document versions are external, so that it does not matter who writes a document first, or twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from elasticsearch import Elasticsearch
from kafka import KafkaConsumer, TopicPartition

from schemas.topics import GROUPED, STORIES
from services.common.messages import RejectedMessage
from services.indexer.bulk import Action, Verdict
from services.indexer.documents import to_action
from services.indexer.indices import ARTICLES, VERSION, put_template, write_alias
from services.indexer.indices import STORIES as STORIES_ALIAS
from services.indexer.settings import IndexerSettings
from services.indexer.writer import BulkWriter

SMALL_LAG = 500
"""Messages: with fewer to read, the new index is as good as the old one, and the aliases may be swapped."""
POLL_MS = 500
ALIASES = (ARTICLES, STORIES_ALIAS)


class ReindexError(Exception):
    """The new index is not as it should be; the message is for a person."""


@dataclass(slots=True)
class Counts:
    """What became of the messages. `rejected` names those that cannot be indexed, with the reason."""

    read: int = 0
    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    rejected: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Reindex:
    """One run: new indices, a consumer of its own that commits nothing, and what was counted.

    `on_progress` is called with the messages read and those there are.
    """

    settings: IndexerSettings
    client: Elasticsearch
    on_progress: Callable[[int, int], None] = lambda _read, _total: None
    counts: Counts = field(default_factory=Counts)
    indices: dict[str, str] = field(init=False)
    _consumer: Any = field(init=False)
    _writer: BulkWriter = field(init=False)

    def __post_init__(self) -> None:
        stamp = f"{datetime.now(UTC):%Y%m%dt%H%M%S%f}"[:-3]
        self.indices = {alias: f"{self.settings.name(alias)}-v{VERSION}.{stamp}" for alias in ALIASES}
        self._consumer = KafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap.split(","),
            group_id=self.settings.name(f"reindex-{stamp}"),
            enable_auto_commit=False,
            max_partition_fetch_bytes=self.settings.max_request_bytes,
            fetch_max_bytes=max(50 * 1024 * 1024, self.settings.max_request_bytes),
            bootstrap_timeout_ms=10_000,
        )
        self._writer = BulkWriter(
            self.client,
            "reindex",
            self.settings.bulk_documents,
            self.settings.bulk_bytes,
            wait=time.sleep,
            require_alias=False,
        )

    def build(self) -> None:
        """New indices with everything that is on the topics but for a small rest."""
        for alias, index in self.indices.items():
            put_template(self.client, self.settings, alias)
            self.client.indices.create(index=index)
        self._consumer.assign(self._partitions())
        self._consumer.seek_to_beginning()
        while self._read_to_end() > SMALL_LAG:
            pass

    def swap(self, *, even_if_rejected: bool = False) -> list[str]:
        """Point the aliases at the new indices, read on to what is there now; the names of the old indices.

        What the live indexer wrote to the old index until the swap lies before the end of the topics after it.
        ReindexError, with nothing changed, where messages were rejected.
        """
        if self.counts.rejected and not even_if_rejected:
            raise ReindexError(f"{len(self.counts.rejected):,} messages could not be indexed")
        old: list[str] = []
        actions: list[dict[str, Any]] = []
        for alias, index in self.indices.items():
            for name in (self.settings.name(alias), write_alias(self.settings, alias)):
                behind = self._behind(name)
                old += behind
                actions += [{"remove": {"index": one, "alias": name}} for one in behind]
                actions.append({"add": {"index": index, "alias": name, "is_write_index": True}})
        self.client.indices.update_aliases(actions=actions)
        self._read_to_end()
        for index in self.indices.values():
            self.client.indices.refresh(index=index)
        still_used = {one for name in self._other_write_aliases() for one in self._behind(name)}
        return sorted(set(old) - still_used)

    def discard(self) -> None:
        """Remove the new indices."""
        for index in self.indices.values():
            self.client.options(ignore_status=404).indices.delete(index=index)

    def close(self) -> None:
        """Give the consumer back."""
        self._consumer.close()

    def _partitions(self) -> list[TopicPartition]:
        names = [self.settings.topic(topic) for topic in (GROUPED, STORIES)]
        return [
            TopicPartition(name, number)
            for name in names
            for number in sorted(self._consumer.partitions_for_topic(name) or ())
        ]

    def _read_to_end(self) -> int:
        """Write everything up to the end at this moment; how much has come since."""
        ends = self._ends()
        while lag := self._lag(ends):
            polled = self._consumer.poll(timeout_ms=POLL_MS, max_records=self.settings.bulk_documents)
            self._write([record for part in polled.values() for record in part])
            self.on_progress(self.counts.read, self.counts.read + lag)
        return self._lag(self._ends())

    def _ends(self) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(list(self._consumer.assignment()))
        return ends

    def _lag(self, ends: dict[TopicPartition, int]) -> int:
        return sum(max(0, end - int(self._consumer.position(partition))) for partition, end in ends.items())

    def _write(self, records: list[Any]) -> None:
        actions: list[tuple[str, Action]] = []
        stories = self.settings.topic(STORIES)
        for record in records:
            self.counts.read += 1
            where = f"{record.topic}/{record.partition}/{record.offset}"
            if record.value is None:
                self.counts.removed += 1
                continue
            is_story = record.topic == stories
            index = self.indices[STORIES_ALIAS if is_story else ARTICLES]
            try:
                actions.append((where, to_action(record.value, index, is_story=is_story)[0]))
            except RejectedMessage as rejected:
                self.counts.rejected.append(f"{where}: {rejected.reason}")
        for (where, _), answer in zip(actions, self._writer.write([one for _, one in actions]), strict=True):
            if answer.verdict is Verdict.INDEXED:
                self.counts.indexed += 1
            elif answer.verdict is Verdict.UNCHANGED:
                self.counts.unchanged += 1
            else:
                self.counts.rejected.append(f"{where}: {answer.reason}")

    def _behind(self, name: str) -> list[str]:
        found = self.client.options(ignore_status=404).indices.get_alias(name=name)
        return [] if "error" in found else sorted(found)

    def _other_write_aliases(self) -> list[str]:
        """Those of other grouping versions, whose indexers go on writing."""
        mine = {write_alias(self.settings, alias) for alias in ALIASES}
        found = self.client.options(ignore_status=404).indices.get_alias(name=f"{self.settings.name('*-write')}*")
        every = {name for index in found.body.values() if isinstance(index, dict) for name in index.get("aliases", ())}
        return sorted(every - mine)
