"""Another Kafka topic. Each message is a JSON object, as in a file of JSON lines. The caller stores the offsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from services.common.kafka import options_for
from services.producer.sources.base import Entry, Problem, ProblemKind, SourceError, SourceOptions
from services.producer.sources.jsonl import read_json_row
from services.producer.sources.rows import to_entry

SCHEME: Final = "kafka://"
POLL_MS: Final = 1000
QUIET_POLLS: Final = 10
"""Number of polls in a row without a message after which reading stops. The rest is read the next time."""


class TopicSource:
    """The messages of a topic from `offsets` to the end. A partition without an offset is read from its beginning.

    `offsets` advances with each message. A message without `guid` is named by partition and offset.
    """

    def __init__(
        self, url: str, options: SourceOptions, offsets: Mapping[str, int] | None = None, limit: int = 0
    ) -> None:
        parts = urlsplit(url)
        self._topic = parts.path.strip("/")
        self._bootstrap = parts.netloc
        self._options = options
        self._limit = limit
        self._default_source_id = options.source_id or self._topic
        self.offsets = dict(offsets or {})
        if not self._topic or "/" in self._topic or not self._bootstrap:
            raise SourceError(f"{url} must be kafka://host:port/topic.")

    @property
    def total(self) -> None:
        """Not known before the topic is read."""
        return

    def entries(self) -> Iterator[Entry | Problem]:
        """Each message as an entry or a problem. SourceError when Kafka does not answer."""
        try:
            consumer: Any = KafkaConsumer(
                **options_for(self._bootstrap, self._options.kafka),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                bootstrap_timeout_ms=10_000,
            )
        except (KafkaError, ValueError) as error:
            raise SourceError(f"Kafka at {self._bootstrap} does not answer ({type(error).__name__}).") from error
        try:
            yield from self._read(consumer)
        except KafkaError as error:
            raise SourceError(f"topic {self._topic} cannot be read ({type(error).__name__}).") from error
        finally:
            consumer.close()

    def _read(self, consumer: Any) -> Iterator[Entry | Problem]:
        numbers = consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise SourceError(f"there is no topic {self._topic} on {self._bootstrap}.")
        partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        begin, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for partition in partitions:
            at = self.offsets.get(str(partition.partition), 0)
            # An offset outside of the topic means that the topic was created again.
            consumer.seek(partition, at if begin[partition] <= at <= end[partition] else begin[partition])
        given, quiet = 0, 0
        while quiet < QUIET_POLLS and any(consumer.position(partition) < end[partition] for partition in partitions):
            polled = consumer.poll(timeout_ms=POLL_MS, max_records=500)
            quiet = 0 if polled else quiet + 1
            for record in chain.from_iterable(polled.values()):
                # Set the offset before the entry is given, so that the caller can write both together.
                self.offsets[str(record.partition)] = record.offset + 1
                yield self._to_entry(record)
                given += 1
                if self._limit and given >= self._limit:
                    return

    def _to_entry(self, record: Any) -> Entry | Problem:
        name = f"{self._topic}/{record.partition}/{record.offset}"
        if record.value is None:
            return Problem(self._default_source_id, name, ProblemKind.EMPTY, "the message has no value")
        read = read_json_row(record.value, self._options.columns, default_guid=name)
        if isinstance(read, str):
            return Problem(self._default_source_id, name, ProblemKind.INVALID, read)
        options = self._options
        size = options.max_article_bytes
        return to_entry(read, name, options.source_id, self._default_source_id, size, record.value)
