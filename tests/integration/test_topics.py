"""Another Kafka topic as a source: from the beginning, from where it was read to, and not at all."""

from __future__ import annotations

import json
import uuid

import pytest
from kafka import KafkaProducer

from schemas.article import RawArticle
from schemas.topics import Topic
from services.common.kafka import client_options
from services.common.settings import Settings
from services.common.topics import ensure_topics
from services.producer.sources import Entry, Problem, SourceError, SourceOptions, open_place
from services.producer.sources.topic import TopicSource
from tests.conftest import Stack


@pytest.fixture
def settings(stack: Stack) -> Settings:
    return Settings(home=stack.home)


@pytest.fixture
def options(settings: Settings) -> SourceOptions:
    return SourceOptions(source_id=None, max_article_bytes=100_000, kafka=settings)


def send(settings: Settings, topic: str, *values: bytes) -> None:
    producer = KafkaProducer(**client_options(settings))
    for value in values:
        producer.send(topic, value)
    producer.flush()
    producer.close()


def test_messages_are_articles_and_what_was_read_is_not_read_again(
    stack: Stack, settings: Settings, options: SourceOptions
) -> None:
    name = f"wire-{uuid.uuid4().hex[:8]}"
    ensure_topics(settings, [Topic(name, RawArticle, "guid", partitions=2, retention_days=1)])
    articles = [json.dumps({"guid": str(number), "content": f"Words {number}."}).encode() for number in range(5)]
    send(settings, name, *articles, b"no JSON", json.dumps({"content": "nameless"}).encode())
    url = f"kafka://{settings.kafka_bootstrap}/{name}"
    source = TopicSource(url, options)
    items = list(source.entries())
    entries = [item for item in items if isinstance(item, Entry)]
    assert {entry.guid for entry in entries} > {"0", "1", "2", "3", "4"}
    assert [entry.content for entry in entries if entry.guid.startswith(name)] == ["nameless"]
    assert sum(isinstance(item, Problem) for item in items) == 1
    assert sum(source.offsets.values()) == 7
    send(settings, name, json.dumps({"guid": "later", "content": "More."}).encode())
    assert [item.guid for item in TopicSource(url, options, source.offsets).entries()] == ["later"]
    assert len(list(TopicSource(url, options, limit=3).entries())) == 3
    replayed = stack.run("replay", url, "--source-id", "wire", "--wait", check=False)
    assert "7 searchable" in replayed.stdout
    assert replayed.returncode == 1, "for the message that is no JSON"


def test_a_topic_or_a_server_that_is_not_there_says_so(settings: Settings, options: SourceOptions) -> None:
    with pytest.raises(SourceError, match="there is no topic nothing-here"):
        list(open_place(f"kafka://{settings.kafka_bootstrap}/nothing-here", options).entries())
    with pytest.raises(SourceError, match="does not answer"):
        list(open_place("kafka://127.0.0.1:9/topic", options).entries())
