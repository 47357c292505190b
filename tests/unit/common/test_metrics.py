"""The metrics page answers on loopback and tells health by its status."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from services.common.metrics import OUTCOMES, serve_metrics

state = {"healthy": True}


@pytest.fixture
def url() -> Iterator[str]:
    state["healthy"] = True
    server = serve_metrics("127.0.0.1", 0, lambda: (state["healthy"], {"service": "x"}))
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_counters_are_on_the_page(url: str) -> None:
    OUTCOMES.labels("test", "done").inc()
    code, text = get(f"{url}/metrics")
    assert code == 200
    assert 'dragoman_outcomes_total{outcome="done",service="test"} 1.0' in text


def test_health_is_a_status_code(url: str) -> None:
    assert get(f"{url}/healthz") == (200, json.dumps({"healthy": True, "service": "x"}))
    state["healthy"] = False
    assert get(f"{url}/healthz")[0] == 503


def test_other_paths_say_what_there_is(url: str) -> None:
    assert get(f"{url}/") == (404, "/metrics or /healthz\n")
