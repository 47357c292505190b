"""All classes of faults. Importing this package registers them, in this order."""

from tests.chaos.faults import kafka, kills, workers, dedup, producer, elasticsearch, topics  # isort: skip

__all__ = ["dedup", "elasticsearch", "kafka", "kills", "producer", "topics", "workers"]
