"""robots.txt (RFC 9309). It is fetched once a day for each host and checked before every document."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

from protego import Protego

from services.producer.fetch.client import Client, Failure, FetchError
from services.producer.fetch.hosts import host_of

KEPT_SECONDS: Final = 24 * 60 * 60
UNREACHABLE_SECONDS: Final = 10 * 60
"""How long everything is disallowed after a server error (RFC 9309, 2.3.1.4)."""
MAX_CHARACTERS: Final = 512 * 1024
"""RFC 9309, 2.5: at least 500 KiB must be read."""
MAX_HOSTS: Final = 10_000
UNAVAILABLE: Final = frozenset({Failure.NOT_FOUND, Failure.GONE, Failure.CLIENT, Failure.REFUSED, Failure.REDIRECTS})
"""RFC 9309, 2.3.1.3: any 4xx means that everything is allowed."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a host. While `error` is set, the rules are not known and nothing may be fetched."""

    rules: Protego | None
    error: FetchError | None
    until: float


@dataclass(slots=True)
class Robots:
    """The rules of every host that was asked for lately."""

    client: Client
    user_agent: str
    _rules: dict[str, Rules] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def check(self, url: str) -> None:
        """FetchError when the host does not allow the document, or when its rules cannot be fetched."""
        known = await self._rules_of(url)
        if known.error is not None:
            raise known.error
        if known.rules is not None and not known.rules.can_fetch(url, self.user_agent):
            raise FetchError(Failure.ROBOTS, "robots.txt disallows it (`respect_robots: false` if you have permission)")

    async def sitemaps(self, url: str) -> list[str]:
        """The sitemaps in the robots.txt of the host."""
        known = await self._rules_of(url)
        return list(known.rules.sitemaps) if known.rules is not None else []

    async def _rules_of(self, url: str) -> Rules:
        host = host_of(url)
        known = self._rules.get(host)
        if known is not None and known.until > time.monotonic():
            return known
        async with self._locks.setdefault(host, asyncio.Lock()):
            known = self._rules.get(host)
            if known is None or known.until <= time.monotonic():
                if len(self._rules) >= MAX_HOSTS:
                    self._rules.clear()
                    self._locks = {name: lock for name, lock in self._locks.items() if lock.locked()}
                known = self._rules[host] = await self._fetch(url)
        return known

    async def _fetch(self, url: str) -> Rules:
        now = time.monotonic()
        try:
            fetched = await self.client.fetch(urljoin(url, "/robots.txt"))
        except FetchError as error:
            if error.failure in UNAVAILABLE:
                return Rules(None, None, now + KEPT_SECONDS)
            if error.failure in (Failure.TOO_LARGE, Failure.UNREADABLE):
                return Rules(None, None, now + KEPT_SECONDS)
            wait = error.retry_after_seconds or UNREACHABLE_SECONDS
            is_answer = error.failure in (Failure.SERVER, Failure.RATE_LIMITED, Failure.TIMEOUT, Failure.CUT_OFF)
            reason = f"robots.txt cannot be read: {error.reason}" if is_answer else error.reason
            return Rules(
                None, FetchError(error.failure, reason, error.retry_after_seconds), now + min(wait, KEPT_SECONDS)
            )
        document = fetched.document
        text = document.data[:MAX_CHARACTERS].decode("utf8", "replace") if document else ""
        rules = Protego.parse("" if "<html" in text[:500].lower() else text)
        delay = rules.crawl_delay(self.user_agent)
        if delay:
            self.client.gate.slow_down(url, float(delay))
        return Rules(rules, None, now + KEPT_SECONDS)
