"""The age of lag, and the age at which Kafka removes it, from a real Kafka."""

from __future__ import annotations

import time
import uuid

import pytest
from kafka import KafkaProducer

from schemas.article import RawArticle
from schemas.topics import Topic
from services.common.kafka import client_options
from services.common.lag import PartitionLag, read_ages, read_lag, read_retention
from services.common.settings import Settings
from services.common.topics import admin_client, ensure_topics
from tests.conftest import Stack


def test_the_oldest_unread_message_gives_the_age(stack: Stack) -> None:
    settings = Settings(home=stack.home)
    name, idle = f"aged-{uuid.uuid4().hex[:8]}", f"idle-{uuid.uuid4().hex[:8]}"
    topics = [Topic(topic, RawArticle, "guid", partitions=2, retention_days=3) for topic in (name, idle)]
    ensure_topics(settings, topics)
    producer = KafkaProducer(**client_options(settings))
    producer.send(name, b"first", partition=1).get(10)
    sent = time.time()
    time.sleep(2)
    producer.send(name, b"second", partition=1).get(10)
    producer.send(name, b"third", partition=0).get(10)
    producer.close()
    admin = admin_client(settings)
    lags = read_lag(admin, f"nobody-{name}", [name, idle])
    ages = read_ages(settings, lags)
    assert ages[idle] == 0
    assert ages[name] == pytest.approx(time.time() - sent, abs=1)
    first_read = [PartitionLag(name, 0, 0, 1), PartitionLag(name, 1, 1, 2)]
    assert read_ages(settings, first_read)[name] < ages[name] - 1
    assert read_retention(admin, [name, "articles.grouped"]) == {name: 3 * 24 * 3600, "articles.grouped": float("inf")}
    admin.close()
