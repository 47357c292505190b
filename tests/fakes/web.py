"""A web that is a dictionary: what stands in for the client where sockets would tell nothing more."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from services.producer.fetch.client import NO_VALIDATORS, Failure, Fetched, FetchError, Validators
from services.producer.fetch.hosts import HostGate
from services.producer.sources.documents import Document


@dataclass(frozen=True)
class Asked:
    """One request."""

    url: str
    validators: Validators
    headers: dict[str, str]


def answer(url: str, body: bytes | str, *, etag: str | None = None, media_type: str = "") -> Fetched:
    """A whole answer."""
    data = body.encode() if isinstance(body, str) else body
    return Fetched(Document(url, data, media_type, "utf-8"), Validators(etag=etag), hashlib.sha256(data).hexdigest())


class FakeWeb:
    """Gives what stands under a URL, 404 for all else, and 304 to whoever brings the ETag of an answer."""

    def __init__(self) -> None:
        self.pages: dict[str, Fetched | Exception | bytes | str] = {}
        self.asked: list[Asked] = []
        self.gate = HostGate(0, 10)

    async def fetch(
        self,
        url: str,
        validators: Validators = NO_VALIDATORS,
        headers: Mapping[str, str] | None = None,
        check: Callable[[str], Awaitable[None]] | None = None,
    ) -> Fetched:
        if check is not None:
            await check(url)
        self.asked.append(Asked(url, validators, dict(headers or {})))
        found = self.pages.get(url, FetchError(Failure.NOT_FOUND, "the server answers 404 Not Found"))
        if isinstance(found, Exception):
            raise found
        if not isinstance(found, Fetched):
            return answer(url, found)
        is_known = validators.etag is not None and validators.etag == found.validators.etag
        return replace(found, document=None, body_hash=None) if is_known else found

    def paths(self) -> list[str]:
        """Every URL that was asked for since the last call, without robots.txt; in alphabetical order."""
        urls = sorted(one.url for one in self.asked if not one.url.endswith("/robots.txt"))
        self.asked.clear()
        return urls
