"""The producer service: one collector for each store. It ends when told to. Its health is that of its writer."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from filelock import FileLock
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.common.exits import EXIT_BUG, EXIT_CONFIGURATION, EXIT_TEMPORARY, EXIT_UNAVAILABLE
from services.producer import app
from services.producer.app import health, main, run
from services.producer.feeds.collect import Collector
from services.producer.feeds.state import FeedState
from services.producer.ledger.store import Store
from services.producer.settings import ProducerSettings


@pytest.fixture
def port() -> Iterator[int]:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    return number


@pytest.fixture
def settings(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> ProducerSettings:
    monkeypatch.setattr("services.producer.ledger.writer.IDLE_SECONDS", 0.01)
    return ProducerSettings(
        home=tmp_path / "home",
        feeds=tmp_path / "feeds.yaml",
        ingest_port=port,
        ingest_token="t0ken",
        metrics_host="127.0.0.1",
        metrics_port=0,
    )


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[ThreadingHTTPServer]:
    """The metrics pages that the test started."""
    served: list[ThreadingHTTPServer] = []
    serve = app.serve_metrics

    def note(*arguments: Any, **named: Any) -> ThreadingHTTPServer:
        served.append(serve(*arguments, **named))
        return served[-1]

    monkeypatch.setattr("services.producer.app.serve_metrics", note)
    return served


async def get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, json.loads(await answer.text())


def test_it_serves_both_its_pages_and_ends_when_it_is_told_to(
    settings: ProducerSettings, pages: list[ThreadingHTTPServer]
) -> None:
    settings.feeds.write_text("feeds:\n  - {id: a, path: nowhere, paused: true}\n")

    async def inside() -> int:
        running = asyncio.create_task(run(settings))
        while not pages and not running.done():  # noqa: ASYNC110 - nothing reports that a page is served
            await asyncio.sleep(0.005)
        status, told = await get(f"http://127.0.0.1:{pages[0].server_address[1]}/healthz")
        assert (status, told["service"], told["feeds"], told["feeds_file"]) == (200, "producer", 1, "ok")
        assert (await get(f"http://127.0.0.1:{settings.ingest_port}/schema"))[0] == 200
        assert not running.done()
        signal.raise_signal(signal.SIGTERM)
        return await running

    assert asyncio.run(inside()) == 0
    assert settings.store_file.exists()


@pytest.fixture
def without_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """No metrics page, because it takes half a second to end."""
    page = SimpleNamespace(shutdown=lambda: None)
    monkeypatch.setattr("services.producer.app.serve_metrics", lambda *_, **__: page)


@pytest.mark.usefixtures("without_pages")
def test_it_goes_on_with_the_states_of_its_store(settings: ProducerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(settings.store_file)
    with store.transaction():
        store.save_feed_state("a", FeedState(polls=7).model_dump_json())
    store.close()
    found: list[FeedState] = []

    async def look(collector: Collector, stopping: asyncio.Event) -> None:
        del stopping
        found.append(collector.states["a"])

    monkeypatch.setattr(Collector, "run", look)
    assert asyncio.run(run(settings)) == 0
    assert [state.polls for state in found] == [7]


def test_a_port_that_is_taken_is_named_and_ends_it(settings: ProducerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Store] = []
    closed: list[Store] = []

    class CountedStore(Store):
        """A store that records when it is opened and closed."""

        def __init__(self, path: Path) -> None:
            super().__init__(path)
            opened.append(self)

        def close(self) -> None:
            super().close()
            closed.append(self)

    monkeypatch.setattr("services.producer.app.Store", CountedStore)
    with socket.create_server(("127.0.0.1", settings.ingest_port)), capture_logs() as logs:
        assert asyncio.run(run(settings)) == EXIT_UNAVAILABLE
    assert opened == closed, "the store is closed on this way out too"
    assert [(line["event"], line["port"]) for line in logs] == [
        ("the ingest port cannot be used", settings.ingest_port),
    ]


@pytest.mark.usefixtures("without_pages")
def test_a_writer_that_has_ended_ends_the_process_with_another_code(
    settings: ProducerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("the writer has ended")

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(Collector, "run", fail)
    monkeypatch.setattr("services.producer.app.os._exit", leave)
    with capture_logs(), pytest.raises(SystemExit) as caught:
        asyncio.run(run(settings))
    assert caught.value.code == EXIT_BUG


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log and the metrics of the process do not change."""
    monkeypatch.setattr("services.producer.app.configure_logging", lambda *_: None)
    monkeypatch.setattr("services.producer.app.REGISTRY", CollectorRegistry())


@pytest.mark.usefixtures("alone")
def test_a_second_collector_of_a_store_does_not_start(settings: ProducerSettings) -> None:
    settings.home.mkdir()
    with FileLock(settings.store_file.with_suffix(".collecting")), capture_logs() as logs:
        assert main(settings) == EXIT_TEMPORARY
    assert [line["event"] for line in logs] == ["another collector works on this store"]


@pytest.mark.usefixtures("alone")
def test_a_damaged_store_is_named_and_nothing_is_served(settings: ProducerSettings) -> None:
    settings.home.mkdir()
    settings.store_file.write_bytes(b"no database " * 100)
    with capture_logs() as logs:
        assert main(settings) == EXIT_CONFIGURATION
    assert [line["event"] for line in logs] == ["the producer cannot start"]
    assert f"{settings.store_file} is damaged" in logs[0]["reason"]


@pytest.mark.usefixtures("alone")
def test_the_exit_code_is_that_of_the_run_and_the_store_is_free_again(
    settings: ProducerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = FileLock(settings.store_file.with_suffix(".collecting"), timeout=0)
    seen: list[Path] = []

    async def run_once(given: ProducerSettings) -> int:
        seen.append(given.home)
        return 3

    monkeypatch.setattr("services.producer.app.run", run_once)
    assert main(settings) == 3
    assert seen == [settings.home]
    with lock:
        assert lock.is_locked


def test_feeds_that_fail_are_no_illness_and_a_dead_writer_is() -> None:
    collector: Any = SimpleNamespace(feeds={"a": 1, "b": 2}, file_error=ValueError("line 3: oops"))
    writer: Any = SimpleNamespace(failed=None, outbox=5)
    told = {"service": "producer", "feeds": 2, "outbox": 5, "feeds_file": "line 3: oops"}
    assert health(collector, writer) == (True, told)
    writer.failed = OSError("disk")
    assert health(collector, writer)[0] is False
