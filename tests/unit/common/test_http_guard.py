"""Which requests of browsers are refused: those of other sites, and those that came by a rebound name."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from services.common.http_guard import refusal
from services.common.metrics import serve_metrics

OWN = [
    *("127.0.0.1:9464", "[::1]:9464", "10.0.0.7:9464", "localhost:9464", "localhost", "a.localhost:80", "dedup:9464"),
    *("dedup.news.svc:9464", "dedup.news.svc.cluster.local"),
]
FOREIGN = [
    *("evil.example:9464", "evil.example", "127.0.0.1.evil.example:9464", "localhost.evil.example"),
    *("svc.evil.example", "a.b", "", "["),
]


@pytest.mark.parametrize("host", OWN)
def test_addresses_and_names_without_a_dot_are_ours(host: str) -> None:
    assert refusal({"Host": host}) is None


@pytest.mark.parametrize("host", FOREIGN)
def test_names_of_the_public_dns_are_not(host: str) -> None:
    assert "no name of this server" in (refusal({"Host": host}) or "")


def test_a_request_without_a_host_is_of_no_browser() -> None:
    assert refusal({}) is None
    assert refusal({"Origin": "https://evil.example"}) is not None


def test_a_name_that_is_listed_is_ours() -> None:
    assert refusal({"Host": "news.example:443"}, ("news.example",)) is None


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": "http://127.0.0.1:9464"}, False),
        ({"Origin": "http://127.0.0.1:8000"}, True),
        ({"Origin": "https://evil.example"}, True),
        ({"Origin": "null"}, True),
    ],
)
def test_a_request_of_another_site_is_refused(headers: dict[str, str], is_refused: bool) -> None:  # noqa: FBT001
    assert (refusal({"Host": "127.0.0.1:9464", **headers}) is not None) is is_refused


@pytest.fixture
def port() -> Iterator[int]:
    server = serve_metrics("127.0.0.1", 0, lambda: (True, {}), {"/explain": lambda query: (200, query)})
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/explain?one=1"])
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
def test_the_pages_of_a_service_answer_nobody_elses_browser(port: int, path: str, headers: dict[str, str]) -> None:
    address = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(address, timeout=5) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=5)
    assert refused.value.code == 403
