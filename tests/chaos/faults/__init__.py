"""All classes of faults. Importing this package registers them, in this order."""

from tests.chaos.faults import (  # isort: skip
    kafka,
    kills,
    workers,
    dedup,
    producer,
    store,
    elasticsearch,
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
    "store",
    "topics",
    "upgrade",
    "workers",
]
