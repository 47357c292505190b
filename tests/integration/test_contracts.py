"""The real Kafka and Elasticsearch, held to the suites that the fakes pass (tests/unit/fakes/test_contracts.py)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kafka import KafkaConsumer

from schemas.article import RawArticle
from schemas.topics import Topic
from services.common.elastic import make_client
from services.common.kafka import client_options
from services.common.producer import SafeProducer
from services.common.settings import ElasticsearchSettings, Settings
from services.common.topics import admin_client, ensure_topics
from tests.contracts.consumer import Broker, ConsumerContract
from tests.contracts.elasticsearch import ElasticsearchContract, Server

SettingsOf = Callable[..., Any]


class TestRealConsumer(ConsumerContract):
    @pytest.fixture
    def broker(self, settings_of: SettingsOf) -> Iterator[Broker]:
        settings = settings_of(Settings)
        name = f"contract-{uuid.uuid4().hex[:8]}"
        ensure_topics(settings, [Topic(name, RawArticle, "guid", partitions=1, retention_days=1)])
        consumers: list[Any] = []

        def consumer() -> Any:
            consumers.append(
                KafkaConsumer(
                    name,
                    **client_options(settings),
                    group_id=name,
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                )
            )
            return consumers[-1]

        with SafeProducer(settings) as producer:

            def append(key: bytes, value: bytes | None) -> None:
                producer.send(name, key, value)
                producer.flush()

            yield Broker(name, name, append, consumer, lambda: admin_client(settings))
        for made in consumers:
            made.close()


class TestRealElasticsearch(ElasticsearchContract):
    @pytest.fixture
    def server(self, settings_of: SettingsOf) -> Iterator[Server]:
        client = make_client(settings_of(ElasticsearchSettings))
        made = Server(client, f"contract-{uuid.uuid4().hex[:8]}")
        made.make_index()
        yield made
        for index in client.indices.get(index=f"{made.alias}*"):
            client.indices.delete(index=index)
        client.close()
