"""The proxy before Elasticsearch spoils bulk requests only, and only when it is their turn."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chaos.bad_answers import ANSWERS
from tests.chaos.proxy import Proxy, Turns, _with_length

BULK = {"errors": False, "items": [{"index": {"_id": str(number), "status": 201}} for number in range(4)]}


class Server(BaseHTTPRequestHandler):
    """Answers every request as Elasticsearch answers a bulk request."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(BULK).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


def ask(port: int, path: str = "/_bulk") -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", b"{}", method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def test_other_requests_pass(port: int) -> None:
    with Proxy(port, ("503",), 60) as proxy:
        assert json.loads(ask(proxy.port, "/_search")) == BULK
        assert not proxy.given


def test_a_status_is_answered_without_elasticsearch(port: int) -> None:
    with Proxy(port, ("413",), 60) as proxy:
        with pytest.raises(urllib.error.HTTPError) as raised:
            ask(proxy.port)
        assert raised.value.code == 413
        raised.value.close()
        assert proxy.given == {"413": 1}


def test_html_comes_with_200(port: int) -> None:
    with Proxy(port, ("html_200",), 60) as proxy:
        assert ask(proxy.port).startswith(b"<html>")


def test_every_third_document_fails(port: int) -> None:
    with Proxy(port, ("item_closed",), 60) as proxy:
        answer = json.loads(ask(proxy.port))
    assert [item["index"]["status"] for item in answer["items"]] == [400, 201, 201, 400]
    assert answer["items"][0]["index"]["error"]["type"] == "index_closed_exception"


@pytest.mark.parametrize("kind", ["reset", "lost_answer", "cut"])
def test_a_connection_ends_too_early(port: int, kind: str) -> None:
    with Proxy(port, (kind,), 60) as proxy, pytest.raises((OSError, http.client.HTTPException)):
        json.loads(ask(proxy.port))


def test_an_answer_in_pieces_is_whole(port: int) -> None:
    with Proxy(port, ("drip",), 60) as proxy:
        assert json.loads(ask(proxy.port)) == BULK


def test_each_kind_has_a_turn_and_good_answers_between_them() -> None:
    clock = iter(range(1000))
    turns = Turns(("a", "b"), 2, lambda: next(clock))
    taken = []
    while not turns.is_done:
        taken.append(turns.take())
    assert list(dict.fromkeys(taken)) == ["a", None, "b"]
    assert taken.index("b") > taken.index(None)
    assert taken[-2:] == [None, "a"]


def test_a_turn_waits_for_its_first_request() -> None:
    now = [0.0]
    turns = Turns(("a", "b"), 2, lambda: now[0])
    taken = []
    for _ in range(5):
        taken.append(turns.take())
        now[0] += 100
    assert taken == ["a", None, "b", None, "a"]


def test_an_answer_in_chunks_gets_a_length() -> None:
    head, body = _with_length(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-a: b", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert body == b"abcde"
    assert head == b"HTTP/1.1 200 OK\r\nX-a: b\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"


def test_every_kind_says_what_it_is() -> None:
    assert all(answer.says for answer in ANSWERS.values())
