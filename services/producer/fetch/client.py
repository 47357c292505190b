"""Fetches one document: with checked addresses, with limits on time and size, and with checks at every redirect."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from services.producer.body import ACCEPT_ENCODING, Body, BodyError, TooLargeError
from services.producer.fetch.guard import BlockedAddressError, guarded_sockets
from services.producer.fetch.hosts import HostGate, host_of
from services.producer.settings import ProducerSettings, parse_networks
from services.producer.sources.documents import Document, scrub

MAX_REDIRECTS: Final = 10
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
PERMANENT: Final = frozenset({301, 308})
CONNECT_SECONDS: Final = 10
PATIENCE: Final = 0.9
"""Share of the time for a document after which what has come of it is taken."""
MAX_HEADER_BYTES: Final = 64 * 1024
DAY_SECONDS: Final = 24 * 60 * 60
ACCEPT: Final = (
    "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, "
    "text/html;q=0.8, */*;q=0.5"
)


class Failure(StrEnum):
    """Why a document could not be fetched. The time until the next attempt depends on it."""

    NAME = "name"
    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    CUT_OFF = "cut_off"
    SERVER = "server"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    NOT_FOUND = "not_found"
    GONE = "gone"
    CLIENT = "client"
    REDIRECTS = "redirects"
    BLOCKED = "blocked"
    ROBOTS = "robots"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    WALL = "wall"
    CONFIGURATION = "configuration"
    BUG = "bug"


class FetchError(Exception):
    """A document could not be fetched. The message is for a person and contains no secret."""

    def __init__(self, failure: Failure, reason: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = scrub(reason)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Validators:
    """Values from the server for the next conditional request."""

    etag: str | None = None
    last_modified: str | None = None


NO_VALIDATORS: Final = Validators()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. `document` is None when nothing changed. `cut_off` is set when the connection broke before the end."""

    document: Document | None
    validators: Validators
    body_hash: str | None
    moved_to: str | None = None
    fresh_seconds: int | None = None
    cut_off: str | None = None


@dataclass(slots=True)
class Client:
    """A session for all requests of a process. Use it as an asynchronous context manager."""

    settings: ProducerSettings
    gate: HostGate = field(init=False)
    _places: asyncio.Semaphore = field(init=False)
    _session: aiohttp.ClientSession = field(init=False)

    def __post_init__(self) -> None:
        self.gate = HostGate(self.settings.host_spacing_seconds, self.settings.host_connections)

    async def __aenter__(self) -> Self:
        self._places = asyncio.Semaphore(self.settings.connections)
        connector = aiohttp.TCPConnector(
            limit=0,
            ttl_dns_cache=300,
            keepalive_timeout=15,
            socket_factory=guarded_sockets(parse_networks(self.settings.allow_networks)),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            headers={"User-Agent": self.settings.user_agent, "Accept": ACCEPT, "Accept-Encoding": ACCEPT_ENCODING},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def fetch(
        self,
        url: str,
        validators: Validators = NO_VALIDATORS,
        headers: Mapping[str, str] | None = None,
        check: Callable[[str], Awaitable[None]] | None = None,
    ) -> Fetched:
        """Fetch the document of a URL through at most ten redirects. FetchError says why that failed.

        `headers` are sent only to the host of `url`, so a redirect to another host does not get the user's secrets.
        `check` may refuse each URL on the way (robots.txt).
        """
        first, here, permanent = host_of(url), url, True
        for _ in range(MAX_REDIRECTS + 1):
            check_url(here)
            if check is not None:
                await check(here)
            own = dict(headers or {}) if host_of(here) == first and _scheme(here) >= _scheme(url) else {}
            answer = await self._ask(here, validators, own)
            if isinstance(answer, Fetched):
                moved = here if permanent and here != url else None
                return Fetched(
                    answer.document, answer.validators, answer.body_hash, moved, answer.fresh_seconds, answer.cut_off
                )
            status, target = answer
            permanent = permanent and status in PERMANENT
            here = target
        raise FetchError(Failure.REDIRECTS, f"more than {MAX_REDIRECTS} redirects")

    async def _ask(self, url: str, validators: Validators, headers: dict[str, str]) -> Fetched | tuple[int, str]:
        if validators.etag:
            headers["If-None-Match"] = validators.etag
        if validators.last_modified:
            headers["If-Modified-Since"] = validators.last_modified
        # The wait for a turn and for a free connection does not count against the time of the server.
        async with self.gate.slot(url), self._places:
            try:
                async with asyncio.timeout(self.settings.fetch_seconds):
                    return await self._request(url, validators, headers)
            except TimeoutError as error:
                reason = f"no complete answer within {self.settings.fetch_seconds:g} s"
                raise FetchError(Failure.TIMEOUT, reason) from error
            except (aiohttp.ClientError, OSError, ValueError, UnicodeError) as error:
                raise to_fetch_error(error) from error

    async def _request(self, url: str, validators: Validators, headers: dict[str, str]) -> Fetched | tuple[int, str]:
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status in REDIRECTS and response.headers.get("Location"):
                return response.status, urljoin(url, response.headers["Location"].strip())
            fresh = fresh_seconds(response.headers, datetime.now(UTC))
            if response.status == 304:
                return Fetched(None, validators, None, fresh_seconds=fresh)
            if response.status != 200:
                raise status_error(response)
            return await self._read(url, response, fresh)

    async def _read(self, url: str, response: aiohttp.ClientResponse, fresh: int | None) -> Fetched:
        limit, cut_off, is_late = self.settings.max_document_bytes, None, False
        length = response.content_length
        if length is not None and length > limit:
            raise FetchError(Failure.TOO_LARGE, f"announces {length:,} bytes; the limit is {limit:,}")
        try:
            body = Body(response.headers.get("Content-Encoding", ""), limit)
            try:
                async with asyncio.timeout(self.settings.fetch_seconds * PATIENCE):
                    async for piece in response.content.iter_chunked(64 * 1024):
                        body.add(piece)
            except (aiohttp.ClientPayloadError, ConnectionError, TimeoutError) as error:
                if not body.size:
                    raise
                why = f"{type(error).__name__} {error}".strip()
                cut_off = f"the connection broke after {body.size:,} bytes: {why}"[:300]
                is_late = isinstance(error, TimeoutError)
            data = body.finish()
        except TooLargeError as error:
            raise FetchError(Failure.TOO_LARGE, str(error)) from error
        except BodyError as error:
            raise FetchError(Failure.UNREADABLE, str(error)) from error
        document = Document(url, data, (response.content_type or "").lower(), response.charset)
        if is_late and not document.is_ended:  # a server that never ends a whole document is only careless
            raise TimeoutError
        stated = Validators(_header(response, "ETag"), _header(response, "Last-Modified"))
        return Fetched(document, stated, hashlib.sha256(data).hexdigest(), fresh_seconds=fresh, cut_off=cut_off)


def _header(response: aiohttp.ClientResponse, name: str) -> str | None:
    """A header that can be sent back unchanged, or None when it is not ASCII."""
    value = response.headers.get(name)
    return value if value is not None and value.isascii() else None


def _scheme(url: str) -> int:
    return 1 if url.lower().startswith("https:") else 0


def check_url(url: str) -> None:
    """FetchError unless `url` is an http(s) URL without user and password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise FetchError(Failure.BLOCKED, f"is no URL: {error}") from error
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise FetchError(Failure.BLOCKED, f"only http and https are fetched, not {parts.scheme[:20] or 'this'}:")
    if parts.username is not None or parts.password is not None:
        raise FetchError(Failure.BLOCKED, "leads to a URL with a user and password in it")


def to_fetch_error(error: Exception) -> FetchError:  # noqa: PLR0911 - one return for each kind
    """The FetchError for an exception of the client."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return FetchError(Failure.NAME, f"the name {error.host} does not resolve")
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, BlockedAddressError):
            return FetchError(Failure.BLOCKED, str(error.os_error))
        case BlockedAddressError():
            return FetchError(Failure.BLOCKED, str(error))
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return FetchError(Failure.TLS, f"no trusted connection: {str(error)[:200]}")
        case aiohttp.ClientConnectorError():
            return FetchError(Failure.CONNECTION, f"cannot connect: {error.strerror or error.os_error}")
        case aiohttp.InvalidURL() | UnicodeError() | ValueError():
            return FetchError(Failure.BLOCKED, f"is no URL that can be fetched: {type(error).__name__}")
        case aiohttp.ClientResponseError():
            return FetchError(Failure.CUT_OFF, f"is no HTTP: {error.message[:200]}")
        case _:
            return FetchError(
                Failure.CUT_OFF, f"the connection broke: {type(error).__name__} {str(error)[:200]}".strip()
            )


def status_error(response: aiohttp.ClientResponse) -> FetchError:
    """The FetchError for a status other than 200 and 304."""
    status = response.status
    by_status = {401: Failure.REFUSED, 403: Failure.REFUSED, 404: Failure.NOT_FOUND, 410: Failure.GONE}
    failure = by_status.get(status)
    if status in (429, 503) and (status == 429 or response.headers.get("Retry-After")):
        failure = Failure.RATE_LIMITED
    elif failure is None:
        failure = Failure.SERVER if status >= 500 else Failure.CLIENT
    wait = retry_after_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
    reason = f"the server answers {status} {(response.reason or '')[:60]}".strip()
    return FetchError(failure, reason, wait)


def retry_after_seconds(header: str | None, now: datetime) -> int | None:
    """`Retry-After` (RFC 9110, 10.2.3) in seconds, at most one day. None when it gives no time."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), DAY_SECONDS)
    at = _http_date(text)
    return None if at is None else max(0, min(int((at - now).total_seconds()), DAY_SECONDS))


def fresh_seconds(headers: Mapping[str, str], now: datetime) -> int | None:
    """Seconds for which the answer is fresh (RFC 9111, 5.2 and 5.3), at most one day. None when not stated."""
    control = headers.get("Cache-Control", "").lower()
    directives = dict(part.strip().partition("=")[::2] for part in control.split(","))
    if "no-cache" in directives or "no-store" in directives:
        return None
    age = directives.get("max-age", "").strip('" ')
    if age.isascii() and age.isdigit():
        return min(int(age[:9]), DAY_SECONDS)
    expires = _http_date(headers.get("Expires", ""))
    if expires is None:
        return None
    server_now = _http_date(headers.get("Date", "")) or now
    return max(0, min(int((expires - server_now).total_seconds()), DAY_SECONDS))


def _http_date(text: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
