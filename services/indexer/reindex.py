"""Builds new indices from the compacted topics while the live indexer runs, and swaps the aliases.

Document versions are external. So it does not matter which writer writes a document first, or whether both do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from elasticsearch import ApiError, Elasticsearch
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from schemas.topics import GROUPED, STORIES
from services.common.dead_letters import letter_id, read_letters, to_received
from services.common.kafka import client_options
from services.common.messages import RejectedMessage
from services.common.records import READ_TIMEOUT_SECONDS
from services.common.signals import undisturbed
from services.indexer.bulk import Action, Verdict
from services.indexer.documents import is_removal, to_action
from services.indexer.indices import (
    ARTICLES,
    alias_options,
    grouping_of,
    index_name,
    indices_of,
    put_template,
    readers_of,
    write_alias,
)
from services.indexer.indices import STORIES as STORIES_ALIAS
from services.indexer.settings import IndexerSettings
from services.indexer.writer import BulkWriter

SMALL_LAG = 500
"""Messages. When at most so many are unread, the new index is good enough to swap the aliases."""
POLL_MS = 500
ALIASES = (ARTICLES, STORIES_ALIAS)


class ReindexError(Exception):
    """The new index is not complete or cannot be built. The message is for a person."""


class NoTopicError(ReindexError):
    """The topics to index do not exist."""


@dataclass(slots=True)
class Counts:
    """The results of the messages. `tombstones` and `rejected` (with the reason) name messages by their position.

    `documents` are the ids that were written, by alias. Each takes about 150 bytes. `removed` counts deletes of
    articles that have another id now.
    """

    read: int = 0
    indexed: int = 0
    unchanged: int = 0
    tombstones: list[str] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    removed: int = 0
    documents: dict[str, set[str]] = field(default_factory=lambda: {alias: set() for alias in ALIASES})


def find_problems(counts: Counts, known: set[str], seen: Mapping[str, int], made: Mapping[str, int]) -> Iterator[str]:
    """Why the aliases should not be swapped.

    `known` are dead letters, which the old index does not have either. `seen` is the number of documents that readers
    see now, by alias; an alias that cannot be compared is missing. `made` is the number in the new indices.
    """
    lost = counts.rejected.keys() - known
    if lost:
        yield f"{len(lost):,} messages could not be indexed"
    for alias, ids in counts.documents.items():
        if made[alias] != len(ids):
            yield f"the new index of {alias} has {made[alias]:,} documents, and {len(ids):,} were written"
        elif made[alias] + len(counts.tombstones) + counts.removed < seen.get(alias, 0):
            yield f"readers see {seen[alias]:,} {alias} now, and the topic holds {made[alias]:,}"


def swap_actions(
    behind: Mapping[str, Sequence[str]], targets: Mapping[str, str], options: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The actions of one request that moves all aliases or none. It fails if an alias was moved meanwhile.

    `options` are what an alias has beside its index.
    """
    actions: list[dict[str, Any]] = []
    for alias, target in targets.items():
        actions += [{"remove": {"index": index, "alias": alias, "must_exist": True}} for index in behind[alias]]
        actions.append({"add": {"index": target, "alias": alias, "is_write_index": True, **options.get(alias, {})}})
    return actions


@dataclass(slots=True)
class Reindex:
    """One run: its new indices, its own consumer that commits nothing, and its counts.

    `on_progress` is called with the number of messages read and the total number.
    """

    settings: IndexerSettings
    client: Elasticsearch
    on_progress: Callable[[int, int], None] = lambda _read, _total: None
    counts: Counts = field(default_factory=Counts)
    indices: dict[str, str] = field(init=False)
    is_swap_sent: bool = field(default=False, init=False)
    _consumer: Any = field(init=False)
    _writer: BulkWriter = field(init=False)

    def __post_init__(self) -> None:
        stamp = f"{datetime.now(UTC):%Y%m%dt%H%M%S%f}"[:-3]
        self.indices = {alias: f"{index_name(self.settings, alias)}.{stamp}" for alias in ALIASES}
        self._consumer = KafkaConsumer(
            **client_options(self.settings),
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
            wait=self._wait,
            requests=self.settings.bulk_requests,
            require_alias=False,
        )

    def plan(self) -> int:
        """Find the topics and count their messages. Raises NoTopicError if dedup never created the topics."""
        self._consumer.assign(self._partitions())
        self._consumer.seek_to_beginning()
        return self._lag(self._ends())

    def build(self) -> None:
        """Create the new indices and index the topics, except for a small rest."""
        self.plan()
        for alias, index in self.indices.items():
            put_template(self.client, self.settings, alias)
            self.client.indices.create(index=index)
        while self._read_to_end() > SMALL_LAG:
            pass

    def swap(self, *, force: bool = False) -> list[str]:
        """Point the aliases at the new indices, then read to the end again. Returns this grouping's old indices.

        The second read is needed because the live indexer writes to the old index until the swap. All that it wrote
        there comes before the end of the topics after the swap. Raises ReindexError and changes nothing if the new
        indices are incomplete, unless `force` is set.
        """
        problems = [] if force else self._problems()
        if problems:
            raise ReindexError("; ".join(problems))
        targets = {name: self.indices[alias] for alias in ALIASES for name in self._names(alias)}
        behind = {name: indices_of(self.client, name) for name in targets}
        options = {name: alias_options(self.settings, name) for name in targets}
        self._move(swap_actions(behind, targets, options))
        self._read_to_end()
        self._count_made()
        left = {index for indices in behind.values() for index in indices}
        return sorted(index for index in left if grouping_of(index) == self.settings.grouping_version)

    def discard(self) -> bool:
        """Remove the new indices, unless readers may already see them. Returns whether it did."""
        if self.is_swap_sent:
            return False
        for index in self.indices.values():
            self.client.options(ignore_status=404).indices.delete(index=index)
        return True

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _names(self, alias: str) -> tuple[str, ...]:
        return (*readers_of(self.settings, alias), write_alias(self.settings, alias))

    def _move(self, actions: list[dict[str, Any]]) -> None:
        self.is_swap_sent = True
        try:
            with undisturbed():
                self.client.indices.update_aliases(actions=actions)
        except ApiError:
            self.is_swap_sent = False
            raise

    def _problems(self) -> list[str]:
        """Why not to swap. First count what readers see: all of that comes before the end that is read afterwards."""
        seen: dict[str, int] = {}
        for alias in ALIASES:
            name = self.settings.name(alias)
            behind = indices_of(self.client, name)
            same = all(grouping_of(index) == self.settings.grouping_version for index in behind)
            if behind and (same or alias == ARTICLES):
                seen[alias] = int(self.client.count(index=name)["count"])
        self._read_to_end()
        made = self._count_made()
        known = {letter.letter_id for letter in read_letters(self.settings)} if self.counts.rejected else set()
        return list(find_problems(self.counts, known, seen, made))

    def _count_made(self) -> dict[str, int]:
        for index in self.indices.values():
            self.client.indices.refresh(index=index)
        return {alias: int(self.client.count(index=index)["count"]) for alias, index in self.indices.items()}

    def _partitions(self) -> list[TopicPartition]:
        partitions = []
        for name in (self.settings.topic(topic) for topic in (GROUPED, STORIES)):
            numbers = self._consumer.partitions_for_topic(name)
            if not numbers:
                raise NoTopicError(f"there is no topic {name}: no dedup process makes this grouping")
            partitions += [TopicPartition(name, number) for number in sorted(numbers)]
        return partitions

    def _read_to_end(self) -> int:
        """Write everything up to the current end. Returns how many messages have come since."""
        ends = self._ends()
        deadline = time.monotonic() + READ_TIMEOUT_SECONDS
        while lag := self._lag(ends):
            polled = self._consumer.poll(timeout_ms=POLL_MS, max_records=self.settings.bulk_documents)
            self._write([record for part in polled.values() for record in part])
            self.on_progress(self.counts.read, self.counts.read + lag)
            if polled:
                deadline = time.monotonic() + READ_TIMEOUT_SECONDS
            elif time.monotonic() > deadline:
                raise KafkaTimeoutError("the topics could not be read to their end")
        return self._lag(self._ends())

    def _ends(self) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = self._consumer.end_offsets(list(self._consumer.assignment()))
        return ends

    def _lag(self, ends: dict[TopicPartition, int]) -> int:
        return sum(max(0, end - int(self._consumer.position(partition))) for partition, end in ends.items())

    def _write(self, records: list[Any]) -> None:
        actions: list[tuple[str, str, Action]] = []
        for record in records:
            self.counts.read += 1
            where = letter_id(record.topic, record.partition, record.offset)
            alias = STORIES_ALIAS if record.topic == self.settings.topic(STORIES) else ARTICLES
            message = to_received(record, record.timestamp)
            if record.value is None and not is_removal(message):
                self.counts.tombstones.append(where)
                continue
            try:
                action, _ = to_action(message, self.indices[alias], is_story=alias == STORIES_ALIAS)
            except RejectedMessage as rejected:
                self.counts.rejected[where] = rejected.reason
            else:
                actions.append((where, alias, action))
        answers = self._writer.write([action for _, _, action in actions])
        for (where, alias, action), answer in zip(actions, answers, strict=True):
            if answer.verdict not in (Verdict.INDEXED, Verdict.UNCHANGED):
                self.counts.rejected[where] = answer.reason
                continue
            self.counts.indexed += answer.verdict is Verdict.INDEXED
            self.counts.unchanged += answer.verdict is Verdict.UNCHANGED
            if action.document is None:
                self.counts.documents[alias].discard(action.id)
                self.counts.removed += 1
            else:
                self.counts.documents[alias].add(action.id)

    def _wait(self, seconds: float) -> None:
        """Wait during an outage. Raises ReindexError if a person must fix something."""
        if self._writer.stopped_reason:
            raise ReindexError(f"Elasticsearch refuses documents: {self._writer.stopped_reason}")
        time.sleep(seconds)
