"""Limits per host: the number of requests at the same time, and the time between them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

MAX_IDLE_HOSTS: Final = 10_000
MAX_CRAWL_DELAY_SECONDS: Final = 60.0


def host_of(url: str) -> str:
    """Host and port of a URL. Request limits and secrets belong to them."""
    try:
        parts = urlsplit(url)
        return f"{(parts.hostname or '').lower()}:{parts.port or (443 if parts.scheme.lower() == 'https' else 80)}"
    except ValueError:
        return ""


@dataclass(slots=True)
class Host:
    """The limits of one host. No request starts before `next_at` (monotonic seconds)."""

    semaphore: asyncio.Semaphore
    spacing_seconds: float
    next_at: float = 0.0
    waiting: int = 0


@dataclass(slots=True)
class HostGate:
    """Makes requests wait for the turn of their host."""

    spacing_seconds: float
    connections: int
    _hosts: dict[str, Host] = field(default_factory=dict)

    @asynccontextmanager
    async def slot(self, url: str) -> AsyncIterator[None]:
        """Wait for the turn of the host, and hold a slot until the block ends."""
        host = self._host(host_of(url))
        host.waiting += 1
        try:
            async with host.semaphore:
                now = time.monotonic()
                at = max(now, host.next_at)
                host.next_at = at + host.spacing_seconds
                if at > now:
                    await asyncio.sleep(at - now)
                yield
        finally:
            host.waiting -= 1

    def slow_down(self, url: str, crawl_delay_seconds: float) -> None:
        """Set the time between requests to a host as its robots.txt asks, up to one minute."""
        host = self._host(host_of(url))
        host.spacing_seconds = max(self.spacing_seconds, min(crawl_delay_seconds, MAX_CRAWL_DELAY_SECONDS))

    def _host(self, name: str) -> Host:
        if name not in self._hosts:
            if len(self._hosts) >= MAX_IDLE_HOSTS:
                now = time.monotonic()
                idle = [key for key, host in self._hosts.items() if not host.waiting and host.next_at < now]
                for key in idle:
                    del self._hosts[key]
            self._hosts[name] = Host(asyncio.Semaphore(self.connections), self.spacing_seconds)
        return self._hosts[name]
