"""All classes of faults. Importing this package registers them, in this order."""

from tests.chaos.faults import kafka, kills, workers, dedup, producer, elasticsearch, answers, poison, content, topics  # isort: skip

__all__ = ["answers", "content", "dedup", "elasticsearch", "kafka", "kills", "poison", "producer", "topics", "workers"]
