"""Creates the topics, and refuses to run if a topic has the wrong number of partitions."""

from __future__ import annotations

from collections.abc import Iterable

from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from schemas.topics import Topic
from services.common.settings import Settings


class TopicMismatchError(Exception):
    """A topic has a different number of partitions than the settings require."""


def admin_client(settings: Settings) -> KafkaAdminClient:
    """An admin client that gives up after seconds, not minutes."""
    return KafkaAdminClient(
        bootstrap_servers=settings.kafka_bootstrap.split(","),
        client_id=settings.name("dragoman-admin"),
        request_timeout_ms=10_000,
        bootstrap_timeout_ms=10_000,
    )


def ensure_topics(settings: Settings, topics: Iterable[Topic]) -> None:
    """Create missing topics and check the partitions of the others. TopicMismatchError says what to do."""
    wanted = {settings.topic(topic): topic for topic in topics}
    admin = admin_client(settings)
    try:
        for name, topic in wanted.items():
            new = {
                "num_partitions": topic.partitions or settings.partitions,
                "replication_factor": settings.replication,
                "configs": topic.config(settings.max_request_bytes),
            }
            try:
                admin.create_topics({name: new}, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                continue
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
