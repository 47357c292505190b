"""The wire passes bytes on, and is late, cut or silent when it is told so."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.chaos.wire import Wire


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets."""

    def handle(self) -> None:
        while data := self.request.recv(1000):
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    """Serves on a free port."""

    daemon_threads = True


@pytest.fixture
def wire() -> Iterator[Wire]:
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with Wire(server.server_address[1]) as wire:
            yield wire
        server.shutdown()
        thread.join()


def connect(wire: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", wire.port), timeout=10)


def test_bytes_pass_in_both_directions(wire: Wire) -> None:
    with connect(wire) as connection:
        connection.sendall(b"one")
        assert connection.recv(10) == b"one"
    assert not wire.counts["delayed"] + wire.counts["held back"] + wire.counts["cut"]


def test_late_bytes_are_whole(wire: Wire) -> None:
    wire.delay = 0.01
    with connect(wire) as connection:
        connection.sendall(b"one")
        assert connection.recv(10) == b"one"
    assert wire.counts["delayed"] == 2


def test_every_second_answer_is_cut_in_its_middle(wire: Wire) -> None:
    wire.cuts_every = 2
    with connect(wire) as connection:
        connection.sendall(b"whole")
        assert connection.recv(10) == b"whole"
        connection.sendall(b"halved")
        assert connection.recv(10) == b"hal"
        assert connection.recv(10) == b""
    assert wire.counts["cut"] == 1


def test_what_is_sent_into_the_silence_arrives_after_it(wire: Wire) -> None:
    with connect(wire) as connection:
        with wire.silent():
            connection.sendall(b"one")
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(10)
        connection.settimeout(10)
        assert connection.recv(10) == b"one"
