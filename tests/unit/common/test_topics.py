"""Topics are made as the wiring map says, and a wrong one stops the service before it takes a message."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from schemas.topics import DEAD, ENRICHED, GROUPED, RAW
from services.common import topics
from services.common.settings import Settings
from services.common.topics import TopicMismatchError, admin_client, ensure_topics, make_missing_topics
from tests.fakes import FakeAdmin, FakeKafka


@pytest.fixture
def kafka() -> FakeKafka:
    return FakeKafka()


@pytest.fixture
def admin(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> FakeAdmin:
    made = FakeAdmin(kafka)
    monkeypatch.setattr(topics, "admin_client", lambda _: made)
    return made


def test_missing_topics_are_made_with_their_partitions_and_retention(
    kafka: FakeKafka, admin: FakeAdmin, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, namespace="news", partitions=3)
    ensure_topics(settings, (RAW, ENRICHED, GROUPED, DEAD))
    counts = {name: len(kafka.partitions(f"news.{name}")) for name in ("articles.raw", "articles.enriched")}
    assert counts == {"articles.raw": 3, "articles.enriched": 1}
    assert admin.configs["news.articles.raw"] == {
        "cleanup.policy": "delete",
        "retention.ms": str(7 * 24 * 60 * 60 * 1000),
        "max.message.bytes": str(settings.max_request_bytes),
        "message.timestamp.type": "LogAppendTime",
    }
    assert admin.configs["news.articles.dead"]["cleanup.policy"] == "compact"
    assert admin.closed


def test_topics_that_are_there_and_right_stay_as_they_are(kafka: FakeKafka, admin: FakeAdmin, tmp_path: Path) -> None:
    kafka.make_topic("articles.raw", 4)
    kafka.append("articles.raw", b"k", b"v")
    settings = Settings(home=tmp_path)
    ensure_topics(settings, (RAW,))
    assert [len(kafka.logs[partition]) for partition in kafka.partitions("articles.raw")] == [1, 0, 0, 0]
    assert admin.configs == {}
    assert admin.altered == {
        "articles.raw": {
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(settings.max_request_bytes),
        }
    }


def test_a_topic_with_other_partitions_says_what_to_do(kafka: FakeKafka, admin: FakeAdmin, tmp_path: Path) -> None:
    """An article's key would go to another partition than its earlier revisions."""
    kafka.make_topic("articles.raw", 2)
    with pytest.raises(TopicMismatchError, match=r"articles\.raw has 2 partitions, not 4: set DRAGOMAN_PARTITIONS"):
        ensure_topics(Settings(home=tmp_path), (ENRICHED, RAW))
    assert admin.closed


@pytest.mark.usefixtures("admin")
def test_a_second_partition_for_dedup_is_refused(kafka: FakeKafka, tmp_path: Path) -> None:
    kafka.make_topic("articles.enriched", 4)
    with pytest.raises(TopicMismatchError, match="has 4 partitions, not 1"):
        ensure_topics(Settings(home=tmp_path), (ENRICHED,))


def test_the_admin_client_gives_up_after_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(topics, "KafkaAdminClient", partial(dict))
    options: object = admin_client(Settings(home=tmp_path, namespace="news", kafka_bootstrap="a:1,b:2"))
    assert options == {
        "bootstrap_servers": ["a:1", "b:2"],
        "client_id": "news.dragoman-admin",
        "request_timeout_ms": 10_000,
        "bootstrap_timeout_ms": 10_000,
        "security_protocol": "PLAINTEXT",
    }


def test_a_deleted_topic_is_made_again_and_the_others_are_not_judged(
    kafka: FakeKafka, admin: FakeAdmin, tmp_path: Path
) -> None:
    """Who sends may not know the number of partitions that the services have."""
    kafka.make_topic("articles.raw", 7)
    make_missing_topics(Settings(home=tmp_path), [RAW, DEAD])
    assert (len(kafka.partitions("articles.raw")), len(kafka.partitions("articles.dead"))) == (7, 1)
    assert (list(admin.configs), admin.altered) == (["articles.dead"], {})
