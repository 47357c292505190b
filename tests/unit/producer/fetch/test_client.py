"""The client reports errors, follows redirects itself, and sends the user's secrets to no other host."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from errno import ECONNREFUSED
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp
import pytest
from multidict import CIMultiDict

from services.producer.fetch.client import (
    MAX_REDIRECTS,
    NO_VALIDATORS,
    Client,
    Failure,
    Fetched,
    FetchError,
    Validators,
    check_url,
    fresh_seconds,
    retry_after_seconds,
    status_error,
    to_fetch_error,
)
from services.producer.fetch.guard import BlockedAddressError
from services.producer.settings import ProducerSettings
from tests.fakes.web import answer
from tests.web import Answer, rss, serve_answers, story

T = TypeVar("T")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FEED = rss([story("a", 1)])
SECRET = {"Authorization": "Bearer hush"}


# --- redirects and secrets, without a socket --------------------------------------------------------------------------


class Recorder(Client):
    """A client with a table of redirects as the web. Every other URL is a document."""

    def __init__(self, home: Path, redirects: dict[str, tuple[int, str]]) -> None:
        super().__init__(ProducerSettings(home=home))
        self.redirects = redirects
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def _ask(self, url: str, validators: Validators, headers: dict[str, str]) -> Fetched | tuple[int, str]:
        del validators
        self.asked.append((url, headers))
        return self.redirects.get(url) or answer(url, FEED)


def chain(home: Path, *urls: str, status: int = 302) -> Recorder:
    """A client whose web redirects from each of these URLs to the next one."""
    return Recorder(home, {here: (status, there) for here, there in pairwise(urls)})


REDIRECTS = {
    "to another page of the host": ("https://e.org/f", "https://e.org/g", True),
    "to the host's name in capitals": ("https://e.org/f", "https://E.ORG:443/g", True),
    "from http to https on one port": ("http://e.org:8080/f", "https://e.org:8080/f", True),
    "from https to http on one port": ("https://e.org:8443/f", "http://e.org:8443/f", False),
    "from https to http on their usual ports": ("https://e.org/f", "http://e.org/f", False),
    "to another host": ("https://e.org/f", "https://other.org/f", False),
    "to a host below it": ("https://e.org/f", "https://cdn.e.org/f", False),
    "to another port": ("https://e.org/f", "https://e.org:8443/f", False),
}


@pytest.mark.parametrize(("start", "target", "is_told"), REDIRECTS.values(), ids=REDIRECTS)
def test_secrets_go_to_the_same_host_only_and_never_from_https_to_http(
    tmp_path: Path, start: str, target: str, *, is_told: bool
) -> None:
    client = chain(tmp_path, start, target)
    asyncio.run(client.fetch(start, headers=SECRET))
    assert client.asked == [(start, SECRET), (target, SECRET if is_told else {})]


def test_secrets_are_left_out_at_the_plain_step_alone(tmp_path: Path) -> None:
    urls = ("https://e.org:8443/a", "http://e.org:8443/b", "https://e.org:8443/c")
    client = chain(tmp_path, *urls)
    asyncio.run(client.fetch(urls[0], headers=SECRET))
    assert [headers for _, headers in client.asked] == [SECRET, {}, SECRET]


def test_ten_redirects_are_followed_and_eleven_are_not(tmp_path: Path) -> None:
    urls = [f"https://e.org/{number}" for number in range(MAX_REDIRECTS + 2)]
    fetched = asyncio.run(chain(tmp_path, *urls[:-1]).fetch(urls[0]))
    assert fetched.document is not None
    assert fetched.document.url == urls[-2]
    client = chain(tmp_path, *urls)
    with pytest.raises(FetchError, match="more than 10") as caught:
        asyncio.run(client.fetch(urls[0]))
    assert caught.value.failure is Failure.REDIRECTS
    assert len(client.asked) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(("statuses", "is_moved"), [((301, 308), True), ((301, 302), False), ((307, 301), False)])
def test_a_feed_has_moved_only_when_every_step_is_permanent(
    tmp_path: Path, statuses: tuple[int, int], *, is_moved: bool
) -> None:
    redirects = {
        "https://e.org/a": (statuses[0], "https://e.org/b"),
        "https://e.org/b": (statuses[1], "https://f.org/"),
    }
    fetched = asyncio.run(Recorder(tmp_path, redirects).fetch("https://e.org/a"))
    assert fetched.moved_to == ("https://f.org/" if is_moved else None)


def test_a_feed_that_answers_at_its_address_has_not_moved(tmp_path: Path) -> None:
    assert asyncio.run(Recorder(tmp_path, {}).fetch("https://e.org/a")).moved_to is None


def test_every_step_is_checked_before_it_is_asked_for(tmp_path: Path) -> None:
    client = chain(tmp_path, "https://e.org/a", "https://e.org/private")
    checked: list[str] = []

    async def check(url: str) -> None:
        checked.append(url)
        if "private" in url:
            raise FetchError(Failure.ROBOTS, "no")

    with pytest.raises(FetchError) as caught:
        asyncio.run(client.fetch("https://e.org/a", check=check))
    assert caught.value.failure is Failure.ROBOTS
    assert checked == ["https://e.org/a", "https://e.org/private"]
    assert [url for url, _ in client.asked] == ["https://e.org/a"]


def test_a_redirect_to_a_file_is_refused(tmp_path: Path) -> None:
    client = chain(tmp_path, "https://e.org/a", "file:///etc/passwd")
    with pytest.raises(FetchError, match="not file:") as caught:
        asyncio.run(client.fetch("https://e.org/a"))
    assert caught.value.failure is Failure.BLOCKED
    assert len(client.asked) == 1


BAD_URLS = {
    "ftp://e.org/": "not ftp:",
    "no address": "not this:",
    "https:///path": "only http and https",
    "https://e.org:port/": "is no URL",
    "http://[::1/": "is no URL",
    "https://user@e.org/": "user and password",
    "https://user:pa55@e.org/": "user and password",
}


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_plain_web_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(FetchError, match=BAD_URLS[url]) as caught:
        check_url(url)
    assert caught.value.failure is Failure.BLOCKED
    assert "pa55" not in caught.value.reason


# --- errors and headers, as pure functions ----------------------------------------------------------------------------

KEY: Any = SimpleNamespace(host="e.org", port=443, is_ssl=True, ssl=True)
INFO: Any = SimpleNamespace(real_url="https://e.org/")
ERRORS: dict[str, tuple[Exception, Failure, str]] = {
    "a name": (aiohttp.ClientConnectorDNSError(KEY, OSError("x")), Failure.NAME, "e.org does not resolve"),
    "a blocked address": (
        aiohttp.ClientConnectorError(KEY, BlockedAddressError("10.0.0.1 is not public")),
        Failure.BLOCKED,
        "10.0.0.1",
    ),
    "a blocked address by itself": (BlockedAddressError("::1 is not public"), Failure.BLOCKED, "::1"),
    "a certificate": (
        aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("expired")),
        Failure.TLS,
        "no trusted connection",
    ),
    "a handshake": (ssl.SSLError("bad record"), Failure.TLS, "bad record"),
    "a closed port": (
        aiohttp.ClientConnectorError(KEY, OSError(ECONNREFUSED, "Connection refused")),
        Failure.CONNECTION,
        "cannot connect: Connection refused",
    ),
    "a URL": (aiohttp.InvalidURL("https://?"), Failure.BLOCKED, "InvalidURL"),
    "a host that is no name": (UnicodeError("label too long"), Failure.BLOCKED, "UnicodeError"),
    "no HTTP": (aiohttp.ClientResponseError(INFO, (), message="bad line"), Failure.CUT_OFF, "is no HTTP: bad line"),
    "a broken connection": (aiohttp.ServerDisconnectedError(), Failure.CUT_OFF, "ServerDisconnectedError"),
    "a reset": (ConnectionResetError("reset by peer"), Failure.CUT_OFF, "ConnectionResetError reset by peer"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_of_the_network_is_a_failure_with_a_sentence(name: str) -> None:
    error, failure, words = ERRORS[name]
    made = to_fetch_error(error)
    assert made.failure is failure
    assert words in made.reason


STATUSES = {
    (401, None): (Failure.REFUSED, None),
    (403, None): (Failure.REFUSED, None),
    (404, None): (Failure.NOT_FOUND, None),
    (410, None): (Failure.GONE, None),
    (418, None): (Failure.CLIENT, None),
    (204, None): (Failure.CLIENT, None),
    (429, None): (Failure.RATE_LIMITED, None),
    (429, "60"): (Failure.RATE_LIMITED, 60),
    (503, "90"): (Failure.RATE_LIMITED, 90),
    (503, None): (Failure.SERVER, None),
    (500, "90"): (Failure.SERVER, 90),
}


@pytest.mark.parametrize(("status", "retry_after"), STATUSES)
def test_each_status_is_a_failure_of_its_kind(status: int, retry_after: str | None) -> None:
    headers = CIMultiDict({"Retry-After": retry_after} if retry_after else {})
    response: Any = SimpleNamespace(status=status, reason="Because", headers=headers)
    error = status_error(response)
    assert (error.failure, error.retry_after_seconds) == STATUSES[status, retry_after]
    assert error.reason == f"the server answers {status} Because"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("999999999999", 86400),
        ("Tue, 24 Nov 2026 12:10:00 GMT", 600),
        ("Tue, 24 Nov 2026 12:10:00 -0000", 600),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0),
        ("Thu, 24 Dec 2026 12:00:00 GMT", 86400),
        ("²", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_a_wait_is_read_in_seconds_or_as_a_date_and_lasts_a_day_at_most(
    header: str | None, seconds: int | None
) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=600"}, 600),
        ({"Cache-Control": 'MAX-AGE="60"'}, 60),
        ({"Cache-Control": "max-age=99999999"}, 86400),
        ({"Cache-Control": "no-cache, max-age=600"}, None),
        ({"Cache-Control": "no-store", "Expires": "Tue, 24 Nov 2026 12:10:00 GMT"}, None),
        ({"Cache-Control": "max-age=60", "Expires": "Tue, 24 Nov 2026 12:10:00 GMT"}, 60),
        ({"Expires": "Tue, 24 Nov 2026 12:10:00 GMT"}, 600),
        ({"Expires": "Tue, 24 Nov 2026 12:10:00 GMT", "Date": "Tue, 24 Nov 2026 12:09:00 GMT"}, 60),
        ({"Expires": "Tue, 24 Nov 2026 11:00:00 GMT"}, 0),
        ({"Expires": "0"}, None),
        ({}, None),
    ],
)
def test_an_answer_is_fresh_for_as_long_as_the_server_says(headers: dict[str, str], seconds: int | None) -> None:
    assert fresh_seconds(headers, NOW) == seconds


def test_half_a_character_in_a_reason_is_replaced() -> None:
    assert FetchError(Failure.SERVER, "odd \ud800 words").reason == "odd \ufffd words"


# --- over loopback ----------------------------------------------------------------------------------------------------


class Site:
    """Answers by path, and all requests."""

    def __init__(self) -> None:
        self.base = ""
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def __call__(self, path: str, headers: dict[str, str]) -> Answer:
        self.requests.append((path, headers))
        return self.answers.get(path, Answer(404))


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    made = Site()
    with serve_answers(made) as made.base:
        yield made


@pytest.fixture
def site(server: Site) -> Site:
    server.answers, server.requests = {}, []
    return server


def run(work: Callable[[Client], Awaitable[T]], home: Path, **values: Any) -> T:
    """Run `work` with a client that may fetch from loopback."""
    settings = ProducerSettings(home=home, **{"allow_networks": "127.0.0.0/8", "host_spacing_seconds": 0, **values})

    async def inside() -> T:
        async with Client(settings) as client:
            return await work(client)

    return asyncio.run(inside())


def get(url: str, home: Path, validators: Validators = NO_VALIDATORS, **values: Any) -> Fetched:
    return run(lambda client: client.fetch(url, validators), home, **values)


def failure_of(url: str, home: Path, **values: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        get(url, home, **values)
    return caught.value


def test_an_answer_is_a_document_and_what_to_ask_with_the_next_time(site: Site, tmp_path: Path) -> None:
    headers = {
        "ETag": '"1"',
        "Last-Modified": "Tue, 24 Nov 2026 11:00:00 GMT",
        "Cache-Control": "max-age=90",
        "Content-Type": "Application/RSS+xml; charset=utf-8",
    }
    site.answers["/f"] = Answer(body=FEED, headers=headers)
    fetched = get(f"{site.base}/f", tmp_path)
    assert fetched.document is not None
    assert (fetched.document.data, fetched.document.media_type) == (FEED, "application/rss+xml")
    assert fetched.document.charset == "utf-8"
    assert fetched.fresh_seconds == 90
    assert "If-None-Match" not in site.requests[0][1]
    assert site.requests[0][1]["User-Agent"].startswith("Dragoman/")

    site.answers["/f"] = Answer(304, headers={"Cache-Control": "max-age=30"})
    again = get(f"{site.base}/f", tmp_path, fetched.validators)
    assert (again.document, again.body_hash, again.fresh_seconds) == (None, None, 30)
    assert again.validators == fetched.validators
    asked = site.requests[1][1]
    assert (asked["If-None-Match"], asked["If-Modified-Since"]) == ('"1"', "Tue, 24 Nov 2026 11:00:00 GMT")


def test_an_etag_that_is_no_ascii_is_not_sent_back(site: Site, tmp_path: Path) -> None:
    site.answers["/f"] = Answer(body=FEED, headers={"ETag": '"é"', "Last-Modified": "yesterday"})
    assert get(f"{site.base}/f", tmp_path).validators == Validators(None, "yesterday")


def test_a_redirect_may_name_a_path_only_and_without_a_target_it_is_an_error(site: Site, tmp_path: Path) -> None:
    site.answers |= {"/old": Answer(301, headers={"Location": " /new "}), "/new": Answer(body=FEED)}
    assert get(f"{site.base}/old", tmp_path).moved_to == f"{site.base}/new"
    site.answers["/nowhere"] = Answer(302)
    assert failure_of(f"{site.base}/nowhere", tmp_path).failure is Failure.CLIENT


def test_compressed_answers_come_out_whole_and_the_hash_is_of_what_is_in_them(site: Site, tmp_path: Path) -> None:
    site.answers["/plain"] = Answer(body=FEED)
    site.answers["/gzip"] = Answer(body=gzip.compress(FEED), headers={"Content-Encoding": "gzip"})
    plain, packed = get(f"{site.base}/plain", tmp_path), get(f"{site.base}/gzip", tmp_path)
    assert packed.document is not None
    assert packed.document.data == FEED
    assert packed.body_hash == plain.body_hash


def test_what_is_too_large_or_cannot_be_opened_is_told_apart(site: Site, tmp_path: Path) -> None:
    packed = gzip.compress(bytes(20_000))
    site.answers["/announced"] = Answer(body=bytes(20_000))
    site.answers["/packed"] = Answer(body=packed, headers={"Content-Encoding": "gzip"})
    site.answers["/odd"] = Answer(body=FEED, headers={"Content-Encoding": "zstd"})
    site.answers["/broken"] = Answer(body=b"\x1f\x8b\x08" + bytes(40), headers={"Content-Encoding": "gzip"})
    announced = failure_of(f"{site.base}/announced", tmp_path, max_document_bytes=10_000)
    assert (announced.failure, announced.reason) == (
        Failure.TOO_LARGE,
        "announces 20,000 bytes; the limit is 10,000",
    )
    assert failure_of(f"{site.base}/packed", tmp_path, max_document_bytes=10_000).failure is Failure.TOO_LARGE
    assert failure_of(f"{site.base}/odd", tmp_path).failure is Failure.UNREADABLE
    assert failure_of(f"{site.base}/broken", tmp_path).failure is Failure.UNREADABLE


def breaking(body: bytes) -> Answer:
    """An answer that announces more bytes than it sends."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return Answer(send=send)


def test_a_connection_that_breaks_gives_what_came_and_is_an_error_when_nothing_came(site: Site, tmp_path: Path) -> None:
    site.answers |= {"/some": breaking(FEED[:100]), "/none": breaking(b"")}
    fetched = get(f"{site.base}/some", tmp_path)
    assert fetched.document is not None
    assert fetched.document.data == FEED[:100]
    assert (fetched.cut_off or "").startswith("the connection broke after 100 bytes")
    assert failure_of(f"{site.base}/none", tmp_path).failure is Failure.CUT_OFF


def test_an_answer_that_does_not_come_in_time_is_a_timeout(tmp_path: Path) -> None:
    class Slow(Client):
        async def _request(self, url: str, validators: Validators, headers: dict[str, str]) -> Any:
            del url, validators, headers
            await asyncio.Event().wait()

    async def work() -> None:
        async with Slow(ProducerSettings(home=tmp_path, fetch_seconds=0.02)) as client:
            await client.fetch("https://e.org/")

    with pytest.raises(FetchError, match=r"within 0\.02 s") as caught:
        asyncio.run(work())
    assert caught.value.failure is Failure.TIMEOUT


def test_loopback_is_not_fetched_from_unless_it_is_allowed(site: Site, tmp_path: Path) -> None:
    site.answers["/f"] = Answer(body=FEED)
    assert failure_of(f"{site.base}/f", tmp_path, allow_networks="").failure is Failure.BLOCKED
    assert site.requests == []
