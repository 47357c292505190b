"""All classes of faults. Importing this package registers them, in this order."""

from tests.chaos.faults import (  # isort: skip
    kafka,
    kills,
    workers,
    dedup,
    producer,
    store,
    elasticsearch,
    shards,
    answers,
    network,
    poison,
    content,
    topics,
    machine,
    upgrade,
)

__all__ = [
    "answers",
    "content",
    "dedup",
    "elasticsearch",
    "kafka",
    "kills",
    "machine",
    "network",
    "poison",
    "producer",
    "shards",
    "store",
    "topics",
    "upgrade",
    "workers",
]
