"""Each host and port has its own turn. Hosts without waiting requests are forgotten."""

from __future__ import annotations

import asyncio
import time

import pytest

from services.producer.fetch.hosts import HostGate, host_of


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://E.org/a", "e.org:443"),
        ("http://e.org/a", "e.org:80"),
        ("http://e.org:8080/a", "e.org:8080"),
        ("https://user@e.org/", "e.org:443"),
        ("https://e.org:port/", ""),
        ("http://[::1/", ""),
    ],
)
def test_a_host_is_its_name_and_its_port(url: str, host: str) -> None:
    assert host_of(url) == host


def test_no_more_requests_than_allowed_are_at_a_host_at_once() -> None:
    gate = HostGate(0, 2)
    inside, most = 0, 0

    async def ask(url: str) -> None:
        nonlocal inside, most
        async with gate.slot(url):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def many(*urls: str) -> None:
        await asyncio.gather(*(ask(url) for url in urls))

    asyncio.run(many(*["https://e.org/"] * 6))
    assert most == 2
    most = 0
    asyncio.run(many("https://e.org/", "https://f.org/", "https://g.org/"))
    assert most == 3


def test_a_request_waits_for_its_turn_after_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    async def three() -> None:
        gate = HostGate(10, 5)
        for url in ("https://e.org/a", "https://e.org/b", "https://f.org/", "https://e.org/c"):
            async with gate.slot(url):
                pass

    monkeypatch.setattr("services.producer.fetch.hosts.time.monotonic", lambda: 1000.0)
    monkeypatch.setattr("services.producer.fetch.hosts.asyncio.sleep", note)
    asyncio.run(three())
    assert waits == [10, 20]


def test_hosts_that_nobody_waits_for_are_forgotten_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.producer.fetch.hosts.MAX_IDLE_HOSTS", 2)
    gate = HostGate(0, 1)
    busy, resting = gate._host("busy"), gate._host("resting")
    busy.waiting = 1
    resting.next_at = time.monotonic() - 1
    gate._host("new")
    assert set(gate._hosts) == {"busy", "new"}
