"""What `up` set up on the real Kafka and Elasticsearch."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import BadRequestError

from schemas.topics import TOPICS
from services.common.elastic import make_client
from services.common.producer import DeliveryError, SafeProducer
from services.common.settings import ElasticsearchSettings, Settings
from services.common.topics import TopicMismatchError, admin_client, ensure_topics
from services.indexer.indices import ensure_indices, mapping
from services.indexer.settings import IndexerSettings
from tests.conftest import Stack

SettingsOf = Callable[..., Any]
SERVICES = {"kafka", "elasticsearch", "producer", "worker-1", "worker-2", "dedup", "indexer"}


def test_status_tells_everything_as_json(stack: Stack) -> None:
    status = stack.json("status")
    assert {service["name"] for service in status["services"]} == SERVICES
    assert all(service["pid"] and service["state"] == "running" for service in status["services"])
    assert status["books"]["balanced"]
    assert set(status["lag"]) == {"articles.raw", "articles.enriched", "articles.grouped", "stories"}
    assert stack.run("status").returncode == 0


def test_a_second_up_says_what_runs(stack: Stack) -> None:
    result = stack.run("up", "--detach")
    assert "Already running" in result.stderr
    assert "worker-1" in result.stderr


def test_every_service_has_metrics_and_health_on_loopback(stack: Stack) -> None:
    for service in stack.json("status")["services"]:
        if service["metrics_url"]:
            with urllib.request.urlopen(service["metrics_url"], timeout=5) as answer:
                assert "dragoman_outcomes_total" in answer.read().decode()
            assert service["metrics_url"].startswith("http://127.0.0.1:")


def test_topics_are_as_the_wiring_map_says(settings_of: SettingsOf) -> None:
    settings = settings_of(Settings)
    admin = admin_client(settings)
    found = {topic["name"]: topic for topic in admin.describe_topics([topic.name for topic in TOPICS])}
    admin.close()
    for topic in TOPICS:
        assert len(found[topic.name]["partitions"]) == (topic.partitions or settings.partitions)


def test_topics_with_other_partitions_are_refused_in_a_sentence(settings_of: SettingsOf) -> None:
    with pytest.raises(TopicMismatchError, match="DRAGOMAN_PARTITIONS"):
        ensure_topics(settings_of(Settings, partitions=3), TOPICS)


def test_a_missing_topic_fails_in_seconds_and_not_for_ever(settings_of: SettingsOf) -> None:
    began = time.monotonic()
    with SafeProducer(settings_of(Settings)) as producer, pytest.raises(DeliveryError):
        producer.send("no.such.topic", b"k", b"v")
    assert time.monotonic() - began < 40


def test_setup_can_be_repeated(stack: Stack, settings_of: SettingsOf) -> None:
    assert "exist" in stack.run("setup").stdout
    settings = settings_of(IndexerSettings)
    client = make_client(settings)
    ensure_indices(client, settings)
    alias = client.indices.get_alias(name="articles")
    assert len(list(alias)) == 1
    client.close()


def test_the_mapping_is_the_templates(settings_of: SettingsOf) -> None:
    client = make_client(settings_of(ElasticsearchSettings))
    for alias in ("articles", "stories"):
        (found,) = client.indices.get_mapping(index=alias).body.values()
        assert found["mappings"]["properties"].keys() == mapping(alias)["properties"].keys()
        assert found["mappings"]["dynamic"] == "strict"
    client.close()


def test_an_unknown_field_is_refused(settings_of: SettingsOf) -> None:
    client = make_client(settings_of(ElasticsearchSettings))
    with pytest.raises(BadRequestError, match="strict_dynamic_mapping"):
        client.index(index="articles", id="x", document={"surprise": 1})
    client.close()


def test_a_service_that_dies_is_restarted_and_shown(stack: Stack) -> None:
    before = {service["name"]: service["pid"] for service in stack.json("status")["services"]}
    os.kill(before["worker-2"], signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now = {service["name"]: service for service in stack.json("status")["services"]}
        if now["worker-2"]["state"] == "running" and now["worker-2"]["pid"] != before["worker-2"]:
            break
    assert now["worker-2"]["pid"] not in (None, before["worker-2"])
    assert {name: service["pid"] for name, service in now.items() if name != "worker-2"} == {
        name: pid for name, pid in before.items() if name != "worker-2"
    }
