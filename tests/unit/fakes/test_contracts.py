"""The fakes pass the suites that the real systems pass (tests/integration/test_contracts.py)."""

from __future__ import annotations

import pytest

from tests.contracts.consumer import Broker, ConsumerContract
from tests.contracts.elasticsearch import ElasticsearchContract, Server
from tests.fakes import FakeAdmin, FakeConsumer, FakeElasticsearch, FakeKafka


class TestFakeConsumer(ConsumerContract):
    @pytest.fixture
    def broker(self) -> Broker:
        kafka = FakeKafka()
        kafka.make_topic("topic")
        return Broker(
            "topic",
            "group",
            append=lambda key, value: kafka.append("topic", key, value),
            consumer=lambda: FakeConsumer(kafka, "topic", group_id="group"),
            admin=lambda: FakeAdmin(kafka),
        )


class TestFakeElasticsearch(ElasticsearchContract):
    @pytest.fixture
    def server(self) -> Server:
        made = Server(FakeElasticsearch().client(), "things")
        made.make_index()
        return made


def test_what_the_fake_does_not_know_is_no_answer() -> None:
    """A question that the fake was not made for must not look like an empty answer."""
    server = FakeElasticsearch()
    server.put("things", "a", {"title": "x"})
    with pytest.raises(AssertionError, match="does not know"):
        server.client().search(index="things", query={"fuzzy": {"title": "x"}})
    with pytest.raises(AssertionError, match="does not know"):
        server.client().nodes.stats()
