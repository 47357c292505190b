"""How a faust app is run: quietly, with our logs, and in an event loop of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import faust
import pytest

from services.common.faust_app import make_app, run_app
from services.common.settings import Settings


class Worker:
    """Faust's worker, which would end the process."""

    made: list[Worker]

    def __init__(self, app: faust.App, **options: Any) -> None:
        self.app = app
        self.options = options
        self.spinner: object = object()
        self.ran_in: asyncio.AbstractEventLoop | None = None
        self.made.append(self)

    def execute_from_commandline(self) -> None:
        assert self.spinner is None, "its terminal codes would lie between the JSON lines"
        self.ran_in = asyncio.get_event_loop()
        self.ran_in.close()
        asyncio.set_event_loop(None)


def test_the_worker_leaves_logs_and_standard_streams_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Worker.made = []
    monkeypatch.setattr(faust, "Worker", Worker)
    app = make_app(Settings(home=tmp_path), "worker", tmp_path / "a" / "faust")
    run_app(app)
    (worker,) = Worker.made
    assert worker.app is app
    assert worker.ran_in is worker.options["loop"]
    assert (worker.options["override_logging"], worker.options["redirect_stdouts"]) == (False, False)
    assert (tmp_path / "a" / "faust").is_dir()


def test_without_an_instance_there_is_no_static_membership(tmp_path: Path) -> None:
    """Two processes under one name would put each other out of the group."""
    app: Any = make_app(Settings(home=tmp_path, kafka_bootstrap="a:1,b:2"), "worker", tmp_path / "faust")
    assert app.conf.consumer_group_instance_id is None
    assert [str(url) for url in app.conf.broker] == ["aiokafka://a:1", "aiokafka://b:2"]
