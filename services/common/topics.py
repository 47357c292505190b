"""Creates the topics, and refuses to run if a topic has the wrong number of partitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.topics import BROKER_TIME, RAW, Topic
from services.common.kafka import client_options
from services.common.logging import get_logger
from services.common.settings import Settings

log = get_logger(__name__)


class TopicMismatchError(Exception):
    """A topic has a different number of partitions than the settings require."""


def admin_client(settings: Settings) -> KafkaAdminClient:
    """An admin client that gives up after seconds, not minutes."""
    return KafkaAdminClient(
        **client_options(settings),
        client_id=settings.name("dragoman-admin"),
        request_timeout_ms=10_000,
        bootstrap_timeout_ms=10_000,
    )


def ensure_topics(settings: Settings, topics: Iterable[Topic]) -> None:
    """Create missing topics and check the partitions of the others. TopicMismatchError says what to do."""
    wanted = {settings.topic(topic): topic for topic in topics}
    admin = admin_client(settings)
    try:
        existing = _make_missing(admin, settings, wanted)
        if existing:
            update_topics(admin, settings, {name: wanted[name] for name in existing})
        found = {item["name"]: len(item["partitions"]) for item in admin.describe_topics(list(wanted))}
    finally:
        admin.close()
    for name, topic in wanted.items():
        expected = topic.partitions or settings.partitions
        if found.get(name) != expected:
            raise TopicMismatchError(
                f"topic {name} has {found.get(name, 0)} partitions, not {expected}: set DRAGOMAN_PARTITIONS to what "
                "it has, or use another DRAGOMAN_NAMESPACE"
            )


def make_missing_topics(settings: Settings, topics: Iterable[Topic]) -> None:
    """Create topics that somebody has deleted, and leave the others as they are. KafkaError if Kafka is away."""
    admin = admin_client(settings)
    try:
        _make_missing(admin, settings, {settings.topic(topic): topic for topic in topics})
    finally:
        admin.close()


def _make_missing(admin: KafkaAdminClient, settings: Settings, wanted: Mapping[str, Topic]) -> list[str]:
    """Create missing topics. Returns the names of those that were there."""
    existing = []
    for name, topic in wanted.items():
        new = {
            "num_partitions": topic.partitions or settings.partitions,
            "replication_factor": settings.replication,
            "configs": _config(settings, topic),
        }
        try:
            admin.create_topics({name: new}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            existing.append(name)
    return existing


def _config(settings: Settings, topic: Topic) -> dict[str, str]:
    return topic.config(settings.max_request_bytes, settings.raw_days if topic is RAW else None)


def update_topics(admin: KafkaAdminClient, settings: Settings, existing: Mapping[str, Topic]) -> None:
    """Give existing topics the time of the broker, the limit of today, and the days that the settings state.

    A cluster may forbid that. Then they stay as they are.
    """
    resources = []
    for name, topic in existing.items():
        stated = {*BROKER_TIME, "max.message.bytes"}
        if topic is RAW and settings.raw_days:
            stated.add("retention.ms")
        configs = {key: value for key, value in _config(settings, topic).items() if key in stated}
        resources.append(ConfigResource(ConfigResourceType.TOPIC, name, configs=configs))
    try:
        admin.alter_configs(resources)
    except KafkaError as error:
        log.warning("existing topics keep their limit and their kind of timestamps", error=str(error)[:200])
