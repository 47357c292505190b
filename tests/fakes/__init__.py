"""Stand-ins that behave: no mocks. `tests/contracts` holds each of them to the real one."""

from tests.fakes.elasticsearch import FakeElasticsearch
from tests.fakes.kafka import FakeAdmin, FakeConsumer, FakeKafka
from tests.fakes.producer import FakeProducer

__all__ = ["FakeAdmin", "FakeConsumer", "FakeElasticsearch", "FakeKafka", "FakeProducer"]
