"""`POST /articles`: receives articles over HTTP. The answer 202 means that the articles are stored durably here."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from pydantic import ConfigDict, ValidationError

from schemas.article import Declared, DeclaredBy, DeclaredValue
from services.common.http_guard import refusal
from services.common.private_files import keep_secret
from services.producer.ledger.jobs import Item, ItemOutcome, Job, Written
from services.producer.ledger.writer import OutboxWriter
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem
from services.producer.sources.documents import mark_shared_urls
from services.producer.sources.rows import ReadRow, SourceRow, to_entry

MAX_ARTICLES: Final = 1000
BODY_ARTICLES: Final = 4
"""The largest body is this many times the largest article."""
RETRY_AFTER_SECONDS: Final = 30
DEFAULT_SOURCE: Final = "push"


class PushedArticle(SourceRow):
    """One pushed article. Unknown fields are refused, unlike in files, because the sender receives the error."""

    model_config = ConfigDict(extra="forbid")


class RefusedRequestError(Exception):
    """An error that concerns the whole request."""

    def __init__(self, status: HTTPStatus, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers or {}


@dataclass(slots=True)
class Ingest:
    """The request handlers. A caller must send `token`."""

    settings: ProducerSettings
    writer: OutboxWriter
    token: str

    def make_app(self) -> web.Application:
        """The web application: POST /articles, and GET /schema with the schema of an article."""
        limit = self.settings.max_article_bytes * BODY_ARTICLES
        app = web.Application(client_max_size=limit, middlewares=[self._guard])
        app.router.add_post("/articles", self.post)
        app.router.add_get("/schema", self.schema)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
        """Answer no browser that asks for the page of another site.

        A push may come by any name, also through a proxy: it has the token, which no page of another site knows.
        """
        headers = dict(request.headers)
        if request.method == "POST" and self._has_token(request):
            headers.pop("Host", None)
            headers.pop("Origin", None)
        if (reason := refusal(headers, self.settings.allowed_hosts)) is not None:
            return web.json_response({"error": reason}, status=HTTPStatus.FORBIDDEN)
        return await handler(request)

    async def schema(self, _: web.Request) -> web.Response:
        """The JSON Schema of one article."""
        return web.json_response(PushedArticle.model_json_schema())

    async def post(self, request: web.Request) -> web.Response:
        """Take one article or a list of articles. Each is accepted, unchanged, or invalid with a list of its errors."""
        try:
            body = await self._read(request)
        except RefusedRequestError as refused:
            return web.json_response({"error": refused.reason}, status=refused.status, headers=refused.headers)
        results = await self._accept(body if isinstance(body, list) else [body])
        status = status_of([result["status"] for result in results])
        return web.json_response({"results": results} if isinstance(body, list) else results[0], status=status)

    async def _read(self, request: web.Request) -> object:
        """The body as JSON. RefusedRequestError when the token is wrong, the outbox is full or the body is invalid."""
        if not self._has_token(request):
            reason = "send the token: `Authorization: Bearer <token>`"
            raise RefusedRequestError(HTTPStatus.UNAUTHORIZED, reason, {"WWW-Authenticate": "Bearer"})
        if self.writer.failed is not None or self.writer.is_full:
            reason = "Kafka has not been available for a long time and the outbox is full; try again later"
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise RefusedRequestError(HTTPStatus.SERVICE_UNAVAILABLE, reason, wait)
        try:
            body: object = json.loads(await request.read())
        except web.HTTPRequestEntityTooLarge as error:
            limit = self.settings.max_article_bytes * BODY_ARTICLES
            reason = f"the body is larger than {limit:,} bytes"
            raise RefusedRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason) from error
        except (ValueError, RecursionError) as error:
            raise RefusedRequestError(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}") from error
        if isinstance(body, list) and len(body) > MAX_ARTICLES:
            reason = f"at most {MAX_ARTICLES:,} articles at once"
            raise RefusedRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
        return body

    def _has_token(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        return hmac.compare_digest(given.encode("utf8", "replace"), self.token.encode())

    async def _accept(self, bodies: list[object]) -> list[dict[str, Any]]:
        read = [read_article(body, self.settings.max_article_bytes) for body in bodies]
        entries = mark_shared_urls(entry for entry in read if isinstance(entry, Entry))
        items = [Item(entry) for entry in entries]
        written: list[Written] = []
        if items:
            job = Job(None, items, keep_written=True)
            written = (await asyncio.wrap_future(self.writer.submit(job))).written
        rest = iter(written)
        return [to_result(entry, next(rest)) if isinstance(entry, Entry) else entry for entry in read]


def read_article(body: object, max_bytes: int) -> Entry | dict[str, Any]:
    """One pushed object as an entry, or the answer that lists its errors."""
    guid = body.get("guid") if isinstance(body, Mapping) else None
    try:
        row = PushedArticle.model_validate_json(json.dumps(body))
    except (ValidationError, ValueError) as error:
        return {"guid": guid, "status": "invalid", "errors": errors_of(error)}
    entry = to_entry(ReadRow(row), "content", None, DEFAULT_SOURCE, max_bytes, None)
    if isinstance(entry, Problem):
        return {"guid": guid, "status": "invalid", "errors": [{"path": "/content", "message": entry.reason}]}
    return with_source(entry)


def with_source(entry: Entry) -> Entry:
    """The entry with all declared values marked as pushed, not as read from a file."""

    def pushed(values: tuple[DeclaredValue, ...]) -> tuple[DeclaredValue, ...]:
        return tuple(DeclaredValue(value=stated.value, source=DeclaredBy.PUSH) for stated in values)

    languages = [entry.declared_language] if entry.declared_language else []
    declared = Declared(
        languages=tuple(DeclaredValue(value=code, source=DeclaredBy.PUSH) for code in languages),
        authors=pushed(entry.declared.authors),
        tags=pushed(entry.declared.tags),
    )
    return Entry(
        entry.source_id,
        entry.guid,
        entry.content,
        entry.content_type,
        entry.url,
        entry.title,
        entry.published_at,
        entry.declared_language,
        declared=declared,
    )


def errors_of(error: Exception) -> list[dict[str, str]]:
    """The errors with their places, as JSON Pointers (RFC 6901)."""
    if not isinstance(error, ValidationError):
        return [{"path": "", "message": str(error)}]
    return [
        {"path": to_json_pointer(item["loc"]), "message": item["msg"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def to_json_pointer(location: Iterable[str | int]) -> str:
    """A location as a JSON Pointer. RFC 6901, 3: `~` is written `~0` and `/` is written `~1`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def to_result(entry: Entry, written: Written) -> dict[str, Any]:
    """The answer for an article that could be read."""
    if written.problem is not None:
        errors = [{"path": "", "message": written.problem.reason}]
        return {"guid": entry.guid, "status": "invalid", "errors": errors}
    status = "unchanged" if written.outcome is ItemOutcome.UNCHANGED else "accepted"
    return {
        "guid": entry.guid,
        "status": status,
        "article_id": written.article_id,
        "revision": written.revision,
    }


def status_of(statuses: list[str]) -> int:
    """200 when all are unchanged, 202 when all are accepted or unchanged, 422 when all are invalid, else 207."""
    kinds = set(statuses)
    if kinds <= {"unchanged"}:
        return HTTPStatus.OK
    if kinds <= {"accepted", "unchanged"}:
        return HTTPStatus.ACCEPTED
    return HTTPStatus.UNPROCESSABLE_ENTITY if kinds == {"invalid"} else HTTPStatus.MULTI_STATUS


def read_token(settings: ProducerSettings) -> str:
    """The token from the environment, or the token file in the home folder.

    The first start creates the file. Only the user of the service can read it.
    """
    return settings.ingest_token.get_secret_value() or keep_secret(settings.token_file)
