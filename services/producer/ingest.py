"""`POST /articles`: articles pushed over HTTP. An answer of 202 means that they are durable here."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from pydantic import ConfigDict, ValidationError

from schemas.article import Declared, DeclaredBy, DeclaredValue
from services.producer.ledger.jobs import Item, ItemOutcome, Job, Written
from services.producer.ledger.writer import OutboxWriter
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry, Problem
from services.producer.sources.rows import SourceRow, to_entry

MAX_ARTICLES: Final = 1000
BODY_ARTICLES: Final = 4
"""A body may be as large as so many of the largest articles."""
RETRY_AFTER_SECONDS: Final = 30
DEFAULT_SOURCE: Final = "push"


class PushedArticle(SourceRow):
    """One pushed article. Unlike in files, unknown fields are refused: who pushes can be told."""

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
    """The handlers; `token` is what a caller must bring."""

    settings: ProducerSettings
    writer: OutboxWriter
    token: str

    def make_app(self) -> web.Application:
        """The web application: POST /articles, and GET /schema for what it takes."""
        limit = self.settings.max_article_bytes * BODY_ARTICLES
        app = web.Application(client_max_size=limit)
        app.router.add_post("/articles", self.post)
        app.router.add_get("/schema", self.schema)
        return app

    async def schema(self, _: web.Request) -> web.Response:
        """The JSON Schema of one article."""
        return web.json_response(PushedArticle.model_json_schema())

    async def post(self, request: web.Request) -> web.Response:
        """One article, or a list of them: each is accepted, unchanged, or invalid with what is wrong where."""
        try:
            body = await self._read(request)
        except RefusedRequestError as refused:
            return web.json_response({"error": refused.reason}, status=refused.status, headers=refused.headers)
        results = await self._accept(body if isinstance(body, list) else [body])
        status = status_of([result["status"] for result in results])
        return web.json_response({"results": results} if isinstance(body, list) else results[0], status=status)

    async def _read(self, request: web.Request) -> object:
        """The body as JSON, from a caller who has the token and while there is room."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode("utf8", "replace"), self.token.encode()):
            reason = "send the token: `Authorization: Bearer <token>`"
            raise RefusedRequestError(HTTPStatus.UNAUTHORIZED, reason, {"WWW-Authenticate": "Bearer"})
        if self.writer.failed is not None or self.writer.is_full:
            reason = "Kafka has been away for long and the outbox is full; try again later"
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

    async def _accept(self, bodies: list[object]) -> list[dict[str, Any]]:
        read = [read_article(body, self.settings.max_article_bytes) for body in bodies]
        items = [Item(entry) for entry in read if isinstance(entry, Entry)]
        written: list[Written] = []
        if items:
            job = Job(None, items, keep_written=True)
            written = (await asyncio.wrap_future(self.writer.submit(job))).written
        rest = iter(written)
        return [to_result(entry, next(rest)) if isinstance(entry, Entry) else entry for entry in read]


def read_article(body: object, max_bytes: int) -> Entry | dict[str, Any]:
    """One pushed object as an entry, or the answer that says what is wrong with it."""
    guid = body.get("guid") if isinstance(body, Mapping) else None
    try:
        row = PushedArticle.model_validate_json(json.dumps(body))
    except (ValidationError, ValueError) as error:
        return {"guid": guid, "status": "invalid", "errors": errors_of(error)}
    entry = to_entry(row, "content", None, DEFAULT_SOURCE, max_bytes, None)
    if isinstance(entry, Problem):
        return {"guid": guid, "status": "invalid", "errors": [{"path": "/content", "message": entry.reason}]}
    return with_source(entry)


def with_source(entry: Entry) -> Entry:
    """Declared by the push, not by a file."""

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
    """What is wrong where, with JSON Pointers (RFC 6901)."""
    if not isinstance(error, ValidationError):
        return [{"path": "", "message": str(error)}]
    return [
        {"path": "".join(f"/{part}" for part in item["loc"]), "message": item["msg"]}
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def to_result(entry: Entry, written: Written) -> dict[str, Any]:
    """The answer for one article that could be read."""
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
    """202 when all were taken, 200 when all were there already, 422 when none can be, 207 when it differs."""
    kinds = set(statuses)
    if kinds <= {"unchanged"}:
        return HTTPStatus.OK
    if kinds <= {"accepted", "unchanged"}:
        return HTTPStatus.ACCEPTED
    return HTTPStatus.UNPROCESSABLE_ENTITY if kinds == {"invalid"} else HTTPStatus.MULTI_STATUS


def read_token(settings: ProducerSettings) -> str:
    """The token of the environment, or the one kept in the home; made at the first start, for this user's eyes only."""
    stated = settings.ingest_token.get_secret_value()
    return stated or _kept_token(settings.token_file)


def _kept_token(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept = path.read_text(encoding="ascii").strip()
        if kept:
            return kept
        handle = os.open(path, os.O_WRONLY | os.O_TRUNC)
    token = secrets.token_urlsafe(32)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token
