"""Kafka itself loses messages: retention, or a topic that somebody deletes."""

from __future__ import annotations

from kafka import KafkaConsumer, TopicPartition

from schemas.topics import RAW
from services.common.topics import admin_client
from tests.chaos.registry import Place, fault
from tests.chaos.rounds import Round

WORKERS = ("worker-1", "worker-2")


@fault(place=Place.FRESH, patience=120)
def retention_expired_under_lag(run: Round) -> None:
    """The workers are stopped for so long that retention removes what they have not read."""
    settings = run.pipeline.settings
    topic = settings.topic(RAW)
    with run.pipeline.stopped(*WORKERS):
        run.wait(8)
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
        ends = consumer.end_offsets(partitions)
        consumer.close()
        admin = admin_client(settings)
        admin.delete_records(ends)
        admin.close()
    run.notes["removed_up_to"] = sum(ends.values())


@fault(place=Place.FRESH, patience=120)
def topic_deleted(run: Round) -> None:
    """Somebody deletes articles.raw in the middle of a replay."""
    settings = run.pipeline.settings
    admin = admin_client(settings)
    admin.delete_topics([settings.topic(RAW)])
    admin.close()
    run.wait(10)
