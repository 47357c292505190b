"""Kafka and Elasticsearch in memory behind every command, in a home of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from services.cli import app, output
from tests.fakes import FakeAdmin, FakeConsumer, FakeElasticsearch, FakeKafka, FakeProducer

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
Run = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no setting from outside."""
    for name in [name for name in os.environ if name.startswith("DRAGOMAN_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("DRAGOMAN_HOME", str(folder))
    for console in (output.out, output.err):
        monkeypatch.setattr(console, "width", 250)
    return folder


@pytest.fixture(scope="session")
def commands() -> Any:
    """The command line, built once: the runner would build it for every call."""
    return typer.main.get_command(app)


@pytest.fixture
def dragoman(home: Path, commands: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command; what it makes of SIGTERM is undone."""
    del home
    monkeypatch.setattr("typer.testing._get_command", lambda _: commands)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, stdin: bytes | None = None, catch_exceptions: bool = True) -> Any:
        result = CliRunner().invoke(app, list(arguments), input=stdin, catch_exceptions=catch_exceptions)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return result

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> FakeKafka:
    """A broker with Dragoman's topics, in the place of the real one."""
    from schemas.topics import TOPICS

    broker = FakeKafka()
    for topic in TOPICS:
        broker.make_topic(topic.name, topic.partitions or 1)

    def consumer(*topics: str, **options: Any) -> FakeConsumer:
        return FakeConsumer(broker, *topics, **options)

    monkeypatch.setattr("services.common.records.KafkaConsumer", consumer)
    monkeypatch.setattr("services.indexer.reindex.KafkaConsumer", consumer)
    monkeypatch.setattr("services.common.producer.SafeProducer", lambda _: FakeProducer(kafka=broker))
    for module in ("services.common.topics", "services.status.collect"):
        monkeypatch.setattr(f"{module}.admin_client", lambda _: FakeAdmin(broker))
    return broker


@pytest.fixture
def elastic(monkeypatch: pytest.MonkeyPatch) -> FakeElasticsearch:
    """An Elasticsearch in the place of the real one."""
    server = FakeElasticsearch()
    for module in ("common.elastic", "status.collect", "status.waiting", "status.verification"):
        monkeypatch.setattr(f"services.{module}.make_client", server.client)
    return server


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch, kafka: FakeKafka) -> Callable[[int], None]:
    """Makes Kafka confirm so many messages of each producer, and no more."""

    def refuse(confirms: int = 0) -> None:
        monkeypatch.setattr("services.common.producer.SafeProducer", lambda _: FakeProducer(confirms, kafka))

    return refuse


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Kafka at all: whoever connects is told so."""
    from kafka.errors import KafkaConnectionError

    def refuse(*_: Any, **__: Any) -> Any:
        raise KafkaConnectionError

    for name in (
        "services.common.records.KafkaConsumer",
        "services.indexer.reindex.KafkaConsumer",
        "services.common.producer.SafeProducer",
        "services.common.topics.admin_client",
        "services.status.collect.admin_client",
    ):
        monkeypatch.setattr(name, refuse)


@pytest.fixture(scope="session")
def example() -> Callable[..., dict[str, Any]]:
    """A valid example record, with other values for some fields."""

    def make(topic: str, name: str, **fields: Any) -> dict[str, Any]:
        text = (EXAMPLES / topic / "valid" / f"{name}.json").read_text(encoding="utf8")
        return json.loads(text) | fields

    return make
