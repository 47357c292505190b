"""Fetching against a local server that tries everything: addresses, schemes, sizes, secrets, time."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.producer.fetch.client import (
    Client,
    Failure,
    FetchError,
    Validators,
    fresh_seconds,
    retry_after_seconds,
)
from services.producer.fetch.robots import Robots
from services.producer.settings import ProducerSettings
from tests.web import Answer, serve_answers

T = TypeVar("T")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEED = b"<rss version='2.0'><channel><title>T</title></channel></rss>"


class Site:
    """Answers by path, and every request that came."""

    def __init__(self) -> None:
        self.base = ""
        self.answers: dict[str, Answer | Callable[[], Answer]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        self.requests.append((path, headers))
        found = self.answers.get(path, Answer(404))
        return found if isinstance(found, Answer) else found()

    def redirect(self, path: str, target: str, status: int = 302) -> str:
        self.answers[path] = Answer(status, headers={"Location": target})
        return f"{self.base}{path}"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    with serve_answers(made.answer) as made.base:
        yield made


def run(work: Callable[[Client], Awaitable[T]], home: Path, **values: Any) -> T:
    """Something with a client that may fetch from 127.0.0.1 alone."""
    settings = ProducerSettings(
        home=home, **{"allow_networks": "127.0.0.1/32", "host_spacing_seconds": 0, "fetch_seconds": 5, **values}
    )

    async def inside() -> T:
        async with Client(settings) as client:
            return await work(client)

    return asyncio.run(inside())


def failure_of(work: Callable[[Client], Awaitable[Any]], home: Path, **values: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        run(work, home, **values)
    return caught.value


def test_a_document_comes_with_what_to_ask_with_the_next_time(site: Site, tmp_path: Path) -> None:
    headers = {"ETag": '"1"', "Last-Modified": "Tue, 24 Nov 2026 11:00:00 GMT", "Cache-Control": "max-age=90"}
    site.answers["/f"] = Answer(body=FEED, headers={**headers, "Content-Type": "application/rss+xml; charset=utf-8"})
    fetched = run(lambda client: client.fetch(f"{site.base}/f"), tmp_path)
    assert fetched.document is not None
    assert (fetched.document.data, fetched.document.media_type) == (FEED, "application/rss+xml")
    assert fetched.validators == Validators('"1"', "Tue, 24 Nov 2026 11:00:00 GMT")
    assert (fetched.fresh_seconds, fetched.moved_to) == (90, None)
    site.answers["/f"] = Answer(304)
    again = run(lambda client: client.fetch(f"{site.base}/f", fetched.validators), tmp_path)
    assert again.document is None
    assert site.requests[-1][1]["If-None-Match"] == '"1"'
    assert site.requests[-1][1]["If-Modified-Since"] == "Tue, 24 Nov 2026 11:00:00 GMT"


FORBIDDEN = (
    "http://127.0.0.2:{port}/f",
    "http://[::1]:{port}/f",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:127.0.0.2]:{port}/f",
    "http://0x7f000002:{port}/f",
    "http://2130706434:{port}/f",
    "http://10.0.0.1/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/f",
    "gopher://127.0.0.1:{port}/_x",
    "http://user:pa55@127.0.0.1:{port}/f",
    "https://exa mple.org:99999/",
)


@pytest.mark.parametrize("target", FORBIDDEN)
def test_forbidden_places_are_refused_directly_and_behind_a_redirect(site: Site, tmp_path: Path, target: str) -> None:
    target = target.format(port=site.base.rpartition(":")[2])
    site.answers["/f"] = Answer(body=b"secret")
    start = site.redirect("/start", target)
    for url in (target, start):
        error = failure_of(lambda client, url=url: client.fetch(url), tmp_path)  # type: ignore[misc]
        assert error.failure in (Failure.BLOCKED, Failure.NAME), error.reason
        assert "pa55" not in error.reason
    assert [path for path, _ in site.requests] == ["/start"], "nothing was asked but the redirect itself"


def test_loopback_is_refused_by_default_by_name_too(site: Site, tmp_path: Path) -> None:
    port = site.base.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost"):
        url = f"http://{host}:{port}/f"
        error = failure_of(lambda client, url=url: client.fetch(url), tmp_path, allow_networks="")  # type: ignore[misc]
        assert error.failure is Failure.BLOCKED
    assert site.requests == []


def test_permanent_redirects_are_told_and_temporary_ones_are_not(site: Site, tmp_path: Path) -> None:
    site.answers["/f"] = Answer(body=FEED)
    permanent = site.redirect("/old", "/f", 301)
    temporary = site.redirect("/now", "/old", 302)
    assert run(lambda client: client.fetch(permanent), tmp_path).moved_to == f"{site.base}/f"
    assert run(lambda client: client.fetch(temporary), tmp_path).moved_to is None


def test_a_redirect_in_a_circle_ends(site: Site, tmp_path: Path) -> None:
    url = site.redirect("/round", "/round")
    assert failure_of(lambda client: client.fetch(url), tmp_path).failure is Failure.REDIRECTS


def test_secrets_go_to_their_own_host_only(site: Site, tmp_path: Path) -> None:
    site.answers["/f"] = Answer(body=FEED)
    port = site.base.rpartition(":")[2]
    other = f"http://localhost:{port}/f"
    headers = {"Authorization": "Bearer hush"}
    run(lambda client: client.fetch(f"{site.base}/f", headers=headers), tmp_path)
    assert site.requests[-1][1]["Authorization"] == "Bearer hush"
    url = site.redirect("/elsewhere", other)
    run(lambda client: client.fetch(url, headers=headers), tmp_path, allow_networks="127.0.0.0/8,::1/128")
    assert site.requests[-1][0] == "/f"
    assert "Authorization" not in site.requests[-1][1]


def test_sizes_are_limited_announced_or_not(site: Site, tmp_path: Path) -> None:
    site.answers["/big"] = Answer(body=b"x" * 5000)
    site.answers["/zeros"] = Answer(body=gzip.compress(bytes(10**8)), headers={"Content-Encoding": "gzip"})
    for path in ("/big", "/zeros"):
        url = f"{site.base}{path}"
        error = failure_of(lambda client, url=url: client.fetch(url), tmp_path, max_document_bytes=4000)  # type: ignore[misc]
        assert error.failure is Failure.TOO_LARGE


def test_a_slow_answer_ends_at_the_limit(site: Site, tmp_path: Path) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(40):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.25)

    site.answers["/slow"] = Answer(send=drip)
    error = failure_of(lambda client: client.fetch(f"{site.base}/slow"), tmp_path, fetch_seconds=0.5)
    assert error.failure is Failure.TIMEOUT


def test_a_whole_document_is_taken_although_its_answer_never_ends(site: Site, tmp_path: Path) -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(FEED), FEED))
        handler.wfile.flush()
        time.sleep(3)

    site.answers["/endless"] = Answer(send=hang)
    fetched = run(lambda client: client.fetch(f"{site.base}/endless"), tmp_path, fetch_seconds=1)
    assert fetched.document is not None
    assert fetched.document.data == FEED
    assert fetched.cut_off is not None


def test_a_broken_connection_gives_what_came(site: Site, tmp_path: Path) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(FEED)
        handler.close_connection = True

    site.answers["/cut"] = Answer(send=cut)
    fetched = run(lambda client: client.fetch(f"{site.base}/cut"), tmp_path)
    assert fetched.document is not None
    assert fetched.document.data == FEED
    assert fetched.cut_off is not None


STATUSES = {
    401: "refused",
    403: "refused",
    404: "not_found",
    410: "gone",
    429: "rate_limited",
    418: "client",
    500: "server",
}


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_are_told_apart(site: Site, tmp_path: Path, status: int) -> None:
    site.answers["/s"] = Answer(status, headers={"Retry-After": "120"})
    error = failure_of(lambda client: client.fetch(f"{site.base}/s"), tmp_path)
    assert error.failure == STATUSES[status]
    assert error.retry_after_seconds == 120
    assert str(status) in error.reason


def test_nobody_there_is_a_failure_with_a_sentence(site: Site, tmp_path: Path) -> None:
    port = int(site.base.rpartition(":")[2])
    with free_port_server() as free:
        assert free != port
    error = failure_of(lambda client: client.fetch(f"http://127.0.0.1:{free}/"), tmp_path)
    assert error.failure is Failure.CONNECTION
    error = failure_of(lambda client: client.fetch("http://nowhere.invalid/"), tmp_path)
    assert error.failure is Failure.NAME


@contextmanager
def free_port_server() -> Iterator[int]:
    """A port that was free a moment ago."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    yield int(server.server_address[1])
    server.server_close()


def test_hosts_are_asked_one_after_the_other_and_apart(site: Site, tmp_path: Path) -> None:
    at_once, most, lock = 0, 0, threading.Lock()
    starts: list[float] = []

    def answer() -> Answer:
        nonlocal at_once, most
        with lock:
            starts.append(time.monotonic())
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1
        return Answer(body=FEED)

    site.answers["/f"] = answer

    async def many(client: Client) -> None:
        await asyncio.gather(*(client.fetch(f"{site.base}/f") for _ in range(6)))

    run(many, tmp_path, host_connections=1, host_spacing_seconds=0.1)
    assert most == 1
    assert min(later - before for before, later in pairwise(starts)) > 0.05


def test_robots_are_asked_once_and_obeyed_by_redirects_too(site: Site, tmp_path: Path) -> None:
    rules = b"User-agent: *\nDisallow: /private\nCrawl-delay: 0.01\nSitemap: https://e.org/s.xml\n"
    site.answers["/robots.txt"] = Answer(body=rules)
    site.answers["/private/f"] = site.answers["/f"] = Answer(body=FEED)
    start = site.redirect("/start", "/private/f")

    async def work(client: Client) -> list[object]:
        robots = Robots(client, client.settings.user_agent)
        results: list[object] = [await robots.sitemaps(site.base)]
        for url in (f"{site.base}/f", f"{site.base}/private/f", start):
            try:
                results.append((await client.fetch(url, check=robots.check)).body_hash is not None)
            except FetchError as error:
                results.append(error.failure)
        return results

    expected = [["https://e.org/s.xml"], True, Failure.ROBOTS, Failure.ROBOTS]
    assert run(work, tmp_path) == expected
    assert [path for path, _ in site.requests].count("/robots.txt") == 1
    assert "/private/f" not in [path for path, _ in site.requests]


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (500, False), (503, False)])
def test_without_robots_all_is_allowed_and_with_broken_ones_nothing(
    site: Site,
    tmp_path: Path,
    status: int,
    allowed: bool,  # noqa: FBT001
) -> None:
    site.answers["/robots.txt"] = Answer(status)

    async def work(client: Client) -> bool:
        try:
            await Robots(client, "Dragoman").check(f"{site.base}/f")
        except FetchError:
            return False
        return True

    assert run(work, tmp_path) is allowed


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Tue, 24 Nov 2026 12:10:00 GMT", 600),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("999999999999", 86400),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: int | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=600"}, 600),
        ({"Cache-Control": "max-age=99999999"}, 86400),
        ({"Cache-Control": "no-cache, max-age=600"}, None),
        ({"Expires": "Tue, 24 Nov 2026 12:10:00 GMT"}, 600),
        ({"Expires": "0"}, None),
        ({"Cache-Control": "max-age=60", "Expires": "Tue, 24 Nov 2026 12:10:00 GMT"}, 60),
        ({}, None),
    ],
)
def test_freshness_is_what_the_server_says(headers: dict[str, str], seconds: int | None) -> None:
    assert fresh_seconds(headers, NOW) == seconds
