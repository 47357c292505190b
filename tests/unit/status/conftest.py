"""An installation with Kafka and Elasticsearch in memory, as the commands of `services.status` find it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError

from schemas.dead_letter import ErrorClass
from services.common.dead_letters import Received, make_letter
from services.common.messages import REVISION_HEADER, RejectedMessage, encode
from services.common.settings import ElasticsearchSettings
from tests.fakes import FakeAdmin, FakeConsumer, FakeElasticsearch, FakeKafka

DEAD_LETTERS = TopicPartition("news.articles.dead", 0)
FAILED_AT = datetime(2023, 6, 1, 12, tzinfo=UTC)
REJECTED = RejectedMessage("extraction", ErrorClass.NO_TEXT, "no text")


def article_id(number: int) -> str:
    """The id of the article with this number."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


@dataclass(slots=True)
class Installation:
    """The settings of an installation, its servers, and ways to put articles and letters into them."""

    settings: ElasticsearchSettings
    kafka: FakeKafka = field(default_factory=FakeKafka)
    server: FakeElasticsearch = field(default_factory=FakeElasticsearch)
    kafka_is_down: bool = False
    admins: list[FakeAdmin] = field(default_factory=list)

    def index(self, number: int, revision: int = 1, content_hash: str = "a") -> None:
        """Put an article into the index."""
        self.server.put("news.articles", article_id(number), {"revision": revision, "content_hash": content_hash})

    def bury(
        self, key: str, revision: int | None = None, topic: str = "news.articles.raw", at: datetime = FAILED_AT
    ) -> None:
        """Put the letter of a message with this key at the end of the dead letters."""
        headers = () if revision is None else ((REVISION_HEADER, str(revision).encode()),)
        offset = len(self.kafka.logs[DEAD_LETTERS])
        received = Received(topic, 0, offset, 0, key.encode(), b"{}", headers)
        letter = make_letter(received, REJECTED, "worker", at)
        self.kafka.append("news.articles.dead", letter.letter_id.encode(), encode(letter))

    def consumer(self, **options: object) -> FakeConsumer:
        """What `KafkaConsumer(…)` gives here."""
        if self.kafka_is_down:
            raise KafkaConnectionError("nobody is there")
        return FakeConsumer(self.kafka, **options)  # type: ignore[arg-type]  # as kafka-python's

    def admin(self, **_: object) -> FakeAdmin:
        """What `KafkaAdminClient(…)` gives here."""
        if self.kafka_is_down:
            raise KafkaConnectionError("nobody is there")
        self.admins.append(FakeAdmin(self.kafka))
        return self.admins[-1]


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An empty installation, with topics and an index."""
    made = Installation(ElasticsearchSettings(home=tmp_path, namespace="news"))
    made.kafka.make_topic("news.articles.dead")
    made.server.answer("PUT", "/news.articles", None)
    monkeypatch.setattr("services.common.records.KafkaConsumer", made.consumer)
    monkeypatch.setattr("services.common.topics.KafkaAdminClient", made.admin)
    for module in ("collect", "verification", "waiting"):
        monkeypatch.setattr(f"services.status.{module}.make_client", partial(FakeElasticsearch.client, made.server))
    return made
