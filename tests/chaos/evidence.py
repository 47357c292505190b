"""Reads everything that the verdict needs: Kafka, the producer's ledger, dead letters and Elasticsearch. Only reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from elasticsearch.helpers import scan
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from schemas.article import EnrichedArticle, GroupedArticle, RawArticle
from schemas.topics import EDITS, ENRICHED, GROUPED, RAW, STORIES, Topic
from services.common.dead_letters import letter_id, read_letters
from services.common.elastic import EVERY_STORY, make_client
from services.common.kafka import client_options
from services.common.lag import read_lag
from services.common.messages import RejectedMessage, decode
from services.common.settings import ElasticsearchSettings
from services.common.topics import admin_client
from services.dedup.articles import part_of
from services.dedup.grouping import Grouper
from services.dedup.rows import ArticleRow
from services.dedup.settings import DedupSettings
from tests.chaos.pipeline import Pipeline
from tests.chaos.traffic import open_store

Version = tuple[int, str]
"""Revision and content hash."""
Decision = tuple[str, str | None, int]
"""Story, original (for a duplicate) and number of the decision."""
ARTICLE_FIELDS = ("article_id", "revision", "content_hash", "story_id", "duplicate_of", "decision_seq")
SOURCE_FIELDS = ("source_id", "guid")
STORY_FIELDS = ("story_id", "articles", "duplicates", "merged_into")


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `place` names the message that failed as topic/partition/offset."""

    place: str
    key: str | None
    revision: int | None
    reason: str


@dataclass(slots=True)
class Evidence:
    """What was found.

    `accepted` is the newest version of every article that Kafka or the ledger has. `junk` are the places of messages
    on `articles.raw` that are no articles. `expected` and `expected_stories` are what an undisturbed grouping decides
    on the same articles in the same order, or None where that order is not known completely. `changelog` is what a
    dedup without a local store would restore.
    """

    accepted: dict[str, Version] = field(default_factory=dict)
    junk: set[str] = field(default_factory=set)
    letters: list[Letter] = field(default_factory=list)
    articles: list[dict[str, Any]] = field(default_factory=list)
    stories: list[dict[str, Any]] = field(default_factory=list)
    grouped: dict[str, Decision] = field(default_factory=dict)
    changelog: dict[str, Decision] = field(default_factory=dict)
    expected: dict[str, Decision] | None = None
    expected_stories: dict[str, tuple[int, int]] | None = None


def collect(pipeline: Pipeline) -> Evidence:
    """Read everything."""
    settings = pipeline.settings
    found = Evidence()
    _read_accepted(pipeline, settings, found)
    for letter in read_letters(settings):
        key = None if letter.original_key is None else letter.original_key.decode("utf8", "replace")
        place = letter_id(letter.source_topic, letter.source_partition, letter.source_offset)
        found.letters.append(Letter(place, key, letter.revision, f"{letter.service} {letter.error_class}"))
    for record in read_topic(settings, GROUPED):
        article = _decoded(GroupedArticle, record.value)
        if article is not None:
            found.grouped[article.article_id] = (article.story_id, article.duplicate_of, article.decision_seq)
    found.changelog = read_changelog(settings)
    _read_documents(settings, found)
    _group_undisturbed(settings, found)
    return found


def _read_accepted(pipeline: Pipeline, settings: ElasticsearchSettings, found: Evidence) -> None:
    versions: list[tuple[str, Version]] = []
    for record in read_topic(settings, RAW):
        article = _decoded(RawArticle, record.value)
        if article is None:
            found.junk.add(letter_id(record.topic, record.partition, record.offset))
        else:
            versions.append((article.article_id, (article.revision, article.content_hash)))
    with closing(open_store(pipeline)) as store:
        versions += [(article_id, (revision, content_hash)) for article_id, revision, content_hash in store.latest()]
    for article_id, version in versions:
        if version[0] >= found.accepted.get(article_id, (0, ""))[0]:
            found.accepted[article_id] = version


def read_changelog(settings: ElasticsearchSettings) -> dict[str, Decision]:
    """The decisions that a dedup without a local store would restore."""
    latest = {record.key: record.value for record in read_records(settings, changelog_of(settings))}
    rows = [decode(ArticleRow, value) for value in latest.values() if value is not None]
    return {row.article_id: decision_of(row) for row in rows}


def decision_of(row: ArticleRow) -> Decision:
    """What is compared of a decision."""
    return row.decision.story_id, row.decision.duplicate_of, row.decision_seq


def changelog_of(settings: ElasticsearchSettings) -> str:
    """The topic that faust names after the group and the table."""
    return f"{settings.group('dedup')}-articles-changelog"


def _read_documents(settings: ElasticsearchSettings, found: Evidence) -> None:
    client = make_client(settings)
    try:
        for name, documents, fields in (
            ("articles", found.articles, (*ARTICLE_FIELDS, *SOURCE_FIELDS)),
            (EVERY_STORY, found.stories, STORY_FIELDS),
        ):
            index = settings.name(name)
            client.indices.refresh(index=index)
            for hit in scan(client, index=index, query={"_source": list(fields)}, size=1000):
                documents.append({**hit["_source"], "_id": hit["_id"]})
    finally:
        client.close()


def _group_undisturbed(settings: ElasticsearchSettings, found: Evidence) -> None:
    """Take the articles in the order in which dedup read them. Without the first ones, nothing can be expected."""
    grouper = Grouper(timedelta(days=DedupSettings(home=settings.home).window_days))
    is_first = True
    for record in read_topic(settings, ENRICHED):
        if is_first and record.offset != 0:
            return
        is_first = False
        article = _decoded(EnrichedArticle, record.value)
        if article is not None:
            grouper.take(part_of(article), timestamp_ms=record.timestamp)
    found.expected = {row.article_id: decision_of(row) for row in grouper.rows.values()}
    stories = [grouper.story(story_id) for story_id in grouper.stories.story_ids()]
    found.expected_stories = {story.story_id: (story.articles, story.duplicates) for story in stories if story}


def _decoded(record: type[Any], value: bytes | None) -> Any:
    try:
        return decode(record, value)
    except RejectedMessage:
        return None


def read_topic(settings: ElasticsearchSettings, topic: Topic) -> Iterator[Any]:
    """Every record of one of our topics."""
    return read_records(settings, settings.topic(topic))


def read_records(settings: ElasticsearchSettings, name: str) -> Iterator[Any]:
    """Every record of a topic up to its end as it is now. The records of a partition come in their order.

    A topic that somebody has deleted has none.
    """
    consumer: Any = KafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        max_partition_fetch_bytes=settings.max_request_bytes,
        fetch_max_bytes=settings.max_request_bytes * 4,
    )
    try:
        partitions = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name) or ())]
        if not partitions:
            return
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=1000).values():
                yield from records
    finally:
        consumer.close()


def waiting(pipeline: Pipeline) -> dict[str, int]:
    """The messages that wait, in the order in which articles pass: outbox, worker, dedup, indexer.

    The order matters. When each number is 0, no message has moved past the look at its place.
    """
    settings = pipeline.settings
    with closing(open_store(pipeline)) as store:
        counts = {"outbox": store.count_promised()}
    admin = admin_client(settings)
    try:
        counts["worker"] = _lag(admin, settings.name("worker"), settings.topic(RAW))
        counts["dedup"] = _lag(admin, settings.group("dedup"), settings.topic(ENRICHED), settings.topic(EDITS))
        counts["indexer"] = _lag(admin, settings.group("indexer"), settings.topic(GROUPED), settings.topic(STORIES))
    finally:
        admin.close()
    return counts


def _lag(admin: KafkaAdminClient, group: str, *topics: str) -> int:
    partitions = read_lag(admin, group, topics)  # a topic is missing while Kafka starts, or when it was deleted
    if {partition.topic for partition in partitions} != set(topics):
        raise LookupError(f"a topic of {group} is missing")
    return sum(partition.messages for partition in partitions)
