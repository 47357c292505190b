"""POST /articles: what is answered is durable; what is wrong is said with its place; nobody without the token."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from services.producer.ingest import Ingest, read_token
from services.producer.ledger.store import Store
from services.producer.ledger.writer import OutboxWriter
from services.producer.settings import ProducerSettings
from tests.fakes import FakeProducer

TOKEN = "t0ken"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
Post = Callable[..., Awaitable[tuple[int, Any]]]


def run(home: Path, work: Callable[[Post], Awaitable[Any]], **values: Any) -> Any:
    """Something with an endpoint whose writer has a broker that confirms everything."""
    settings = ProducerSettings(home=home, **values)
    make: Any = lambda _: FakeProducer()  # noqa: E731 - a factory

    async def inside() -> Any:
        with OutboxWriter(settings, make) as writer:
            app = Ingest(settings, writer, TOKEN).make_app()
            async with TestClient(TestServer(app)) as client:

                async def post(body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
                    data = body if isinstance(body, bytes) else json.dumps(body).encode()
                    async with client.post(
                        "/articles", data=data, headers=HEADERS if headers is None else headers
                    ) as answer:
                        return answer.status, await answer.json()

                return await work(post)

    return asyncio.run(inside())


def test_accepted_is_durable_twice_is_unchanged_and_an_edit_is_a_revision(tmp_path: Path) -> None:
    article = {"guid": "1", "content": "Words.", "source_id": "cms", "declared_language": "en", "tags": ["a"]}

    async def work(post: Post) -> list[tuple[int, Any]]:
        return [await post(article), await post(article), await post({**article, "content": "Other words."})]

    first, second, third = run(tmp_path, work)
    assert (first[0], first[1]["status"]) == (202, "accepted")
    assert (second[0], second[1]["status"], second[1]["revision"]) == (200, "unchanged", first[1]["revision"])
    assert (third[0], third[1]["article_id"]) == (202, first[1]["article_id"])
    assert third[1]["revision"] > first[1]["revision"]
    assert Store(tmp_path / "producer.sqlite").totals().messages == 2


def test_a_list_says_of_each_how_it_went(tmp_path: Path) -> None:
    bodies = [
        {"guid": "1", "content": "Words."},
        {"guid": "2", "kontent": "x"},
        {"guid": "3", "content": "x", "url": "ftp://x"},
        7,
        {"guid": "5", "content": " "},
        {"guid": "6", "content": "More words."},
    ]
    status, answer = run(tmp_path, lambda post: post(bodies))
    assert status == 207
    results = answer["results"]
    assert [result["status"] for result in results] == [
        "accepted",
        "invalid",
        "invalid",
        "invalid",
        "invalid",
        "accepted",
    ]
    assert {error["path"] for error in results[1]["errors"]} == {"/content", "/kontent"}
    assert "http" in results[2]["errors"][0]["message"]
    assert run(tmp_path, lambda post: post(bodies[1:4]))[0] == 422


REFUSED = {
    "no token": ({"guid": "1", "content": "x"}, {}, 401),
    "wrong token": ({"guid": "1", "content": "x"}, {"Authorization": "Bearer tökén"}, 401),
    "no JSON": (b"{oops", HEADERS, 400),
    "no UTF-8": (b'"\xff"', HEADERS, 400),
    "deep": (b"[" * 15_000, HEADERS, 400),
    "too large": (b'"' + b"x" * 20_000 + b'"', HEADERS, 413),
    "too many": ([1] * 1001, HEADERS, 413),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_refused_with_a_sentence(tmp_path: Path, name: str) -> None:
    body, headers, expected = REFUSED[name]
    status, answer = run(tmp_path, lambda post: post(body, headers), max_article_bytes=4096)
    assert status == expected
    assert answer["error"]


def test_an_article_over_the_limit_is_invalid(tmp_path: Path) -> None:
    article = {"guid": "1", "content": "x" * 5000}
    status, answer = run(tmp_path, lambda post: post(article), max_article_bytes=4096)
    assert (status, answer["errors"][0]["path"]) == (422, "/content")
    assert "4,096" in answer["errors"][0]["message"]


def test_a_full_outbox_says_come_back_later(tmp_path: Path) -> None:
    async def work(post: Post) -> tuple[int, Any]:
        return await post({"guid": "1", "content": "x"})

    settings = ProducerSettings(home=tmp_path, outbox_messages=100)
    store = Store(settings.store_file)
    with store.transaction():
        for number in range(100):
            store.promise_letter(str(number), b"x")
    store.close()

    class Deaf(FakeProducer):
        """Takes everything and confirms nothing."""

        def settle(self, leave_open: int = 0) -> None:
            """Nothing is done yet."""

    async def inside() -> tuple[int, Any]:
        make: Any = lambda _: Deaf()  # noqa: E731 - a factory
        writer = OutboxWriter(settings, make)
        writer.outbox = 100
        app = Ingest(settings, writer, TOKEN).make_app()
        async with TestClient(TestServer(app)) as client:
            body = json.dumps({"guid": "1", "content": "x"})
            async with client.post("/articles", data=body, headers=HEADERS) as answer:
                return answer.status, answer.headers.get("Retry-After")

    assert asyncio.run(inside()) == (503, "30")


def test_the_token_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    settings = ProducerSettings(home=tmp_path / "home")
    token = read_token(settings)
    assert len(token) > 30
    assert read_token(settings) == token
    assert settings.token_file.stat().st_mode & 0o077 == 0
    assert read_token(ProducerSettings(home=tmp_path, ingest_token="stated")) == "stated"
