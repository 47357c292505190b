"""POST /articles: an accepted article is durable, a wrong one gets its errors, and a stranger learns nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from schemas.article import ContentType, DeclaredBy, RawArticle
from services.common.messages import decode
from services.producer.ingest import (
    MAX_ARTICLES,
    Ingest,
    errors_of,
    read_article,
    read_token,
    status_of,
)
from services.producer.ledger.store import Store
from services.producer.ledger.writer import OutboxWriter
from services.producer.settings import ProducerSettings
from services.producer.sources.base import Entry
from tests.fakes import FakeProducer

TOKEN = "t0ken"
ARTICLE = {"guid": "1", "content": "Words."}
MAX_BYTES = 4096


@dataclass
class Reply:
    """A reply of the endpoint."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Endpoint:
    """The application on loopback, with a real writer whose broker confirms everything."""

    def __init__(self, home: Path) -> None:
        self.settings = ProducerSettings(home=home, max_article_bytes=MAX_BYTES)
        self.producer = FakeProducer()
        make: Any = lambda _: self.producer  # noqa: E731 - a factory
        self.writer = OutboxWriter(self.settings, make)

    def ask(self, work: Callable[[TestClient[Any, Any]], Awaitable[Any]]) -> Any:
        async def inside() -> Any:
            async with TestClient(TestServer(Ingest(self.settings, self.writer, TOKEN).make_app())) as client:
                return await work(client)

        return asyncio.run(inside())

    def post(self, *bodies: Any, headers: dict[str, str] | None = None) -> list[Reply]:
        """The replies to these bodies, posted one after the other."""
        told = {"Authorization": f"Bearer {TOKEN}"} if headers is None else headers

        async def work(client: TestClient[Any, Any]) -> list[Reply]:
            replies = []
            for body in bodies:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                async with client.post("/articles", data=data, headers=told) as answer:
                    replies.append(Reply(answer.status, await answer.json(), answer.headers))
            return replies

        replies: list[Reply] = self.ask(work)
        return replies

    def articles(self) -> list[RawArticle]:
        """The durable messages: in the outbox or sent."""
        store = Store(self.settings.store_file)
        promised = [line.message for line in store.promised(0, 1000)]
        store.close()
        sent = [value for _, _, value in self.producer.sent]
        return [decode(RawArticle, message) for message in dict.fromkeys([*sent, *promised])]


@pytest.fixture
def endpoint(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr("services.producer.ledger.writer.IDLE_SECONDS", 0.01)
    shutil.copy(empty_store, tmp_path)
    made = Endpoint(tmp_path)
    with made.writer:
        yield made


# --- one article ------------------------------------------------------------------------------------------------------


def test_a_new_article_is_accepted_the_same_one_is_unchanged_and_an_edit_is_a_revision(endpoint: Endpoint) -> None:
    new, same, edited = endpoint.post(ARTICLE, ARTICLE, {**ARTICLE, "content": "Other words."})
    assert (new.status, new.body["status"], new.body["guid"]) == (202, "accepted", "1")
    assert (same.status, same.body) == (200, {**new.body, "status": "unchanged"})
    assert (edited.status, edited.body["status"]) == (202, "accepted")
    assert edited.body["article_id"] == new.body["article_id"]
    assert edited.body["revision"] > new.body["revision"]
    assert [article.content for article in endpoint.articles()] == ["Words.", "Other words."]


def test_everything_that_is_said_of_an_article_is_kept_and_marked_as_pushed(endpoint: Endpoint) -> None:
    said = {
        **ARTICLE,
        "source_id": "cms",
        "url": "https://e.org/1",
        "title": "Title",
        "content_type": "text/html",
        "published_at": "2026-11-24T12:00:00Z",
        "declared_language": "en",
        "authors": ["Ana"],
        "tags": ["a", "b"],
    }
    endpoint.post(said)
    (article,) = endpoint.articles()
    assert (article.source_id, article.url, article.title) == ("cms", "https://e.org/1", "Title")
    assert (article.content_type, article.declared_language) == (ContentType.HTML, "en")
    assert article.published_at is not None
    assert article.feeds == ()
    declared = article.declared
    assert [stated.value for stated in (*declared.languages, *declared.authors, *declared.tags)] == [
        "en",
        "Ana",
        "a",
        "b",
    ]
    assert {stated.source for stated in (*declared.languages, *declared.authors, *declared.tags)} == {DeclaredBy.PUSH}


def test_without_a_source_an_article_is_from_the_push(endpoint: Endpoint) -> None:
    endpoint.post(ARTICLE)
    assert endpoint.articles()[0].source_id == "push"


INVALID: dict[str, tuple[Any, list[str]]] = {
    "a typo": ({"guid": "1", "kontent": "x"}, ["/content", "/kontent"]),
    "a wrong type": ({**ARTICLE, "title": 7}, ["/title"]),
    "a wrong member of a list": ({**ARTICLE, "tags": ["a", 7]}, ["/tags/1"]),
    "a date without a zone": ({**ARTICLE, "published_at": "2026-11-24T12:00:00"}, ["/published_at"]),
    "a language that is none": ({**ARTICLE, "declared_language": "?"}, ["/declared_language"]),
    "no object": (7, [""]),
    "null": (None, [""]),
    "blank content": ({"guid": "1", "content": " \n"}, ["/content"]),
    "too much content": ({"guid": "1", "content": "x" * (MAX_BYTES + 1)}, ["/content"]),
    "half a character": (b'{"guid": "1", "content": "\\ud800"}', [""]),
}


@pytest.mark.parametrize("name", INVALID)
def test_a_wrong_article_is_told_where_it_is_wrong_and_nothing_is_written(endpoint: Endpoint, name: str) -> None:
    body, paths = INVALID[name]
    (reply,) = endpoint.post(body)
    assert (reply.status, reply.body["status"]) == (422, "invalid")
    assert sorted(error["path"] for error in reply.body["errors"]) == paths
    assert all(error["message"] for error in reply.body["errors"])
    assert reply.body["guid"] == ("1" if isinstance(body, bytes | dict) else None)
    assert endpoint.articles() == []


def test_the_limit_of_an_article_is_named_and_its_last_byte_is_still_taken(endpoint: Endpoint) -> None:
    fits, over = endpoint.post({"guid": "1", "content": "é" * (MAX_BYTES // 2)}, {"guid": "2", "content": "é" * 2049})
    assert fits.status == 202
    assert "4,098 bytes; the limit is 4,096" in over.body["errors"][0]["message"]


def test_an_address_that_is_none_of_the_web_is_refused(endpoint: Endpoint) -> None:
    (reply,) = endpoint.post({**ARTICLE, "url": "ftp://e.org/"})
    assert (reply.status, reply.body["status"]) == (422, "invalid")
    assert "http" in reply.body["errors"][0]["message"]
    assert endpoint.articles() == []


def test_what_the_writer_cannot_take_is_invalid(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise ValueError("this address has no name")

    monkeypatch.setattr("services.producer.ledger.articles.article_id_of", refuse)
    (reply,) = endpoint.post(ARTICLE)
    assert reply.status == 422
    assert reply.body["errors"] == [{"path": "", "message": "this address has no name"}]


# --- lists ------------------------------------------------------------------------------------------------------------


def test_of_a_list_each_article_has_its_own_result_in_its_place(endpoint: Endpoint) -> None:
    endpoint.post(ARTICLE)
    bodies = [{"guid": "bad"}, {"guid": "2", "content": "New."}, 7, ARTICLE]
    (reply,) = endpoint.post(bodies)
    assert reply.status == 207
    results = reply.body["results"]
    assert [result["status"] for result in results] == ["invalid", "accepted", "invalid", "unchanged"]
    assert [result["guid"] for result in results] == ["bad", "2", None, "1"]
    assert results[0]["errors"][0]["path"] == "/content"


def test_a_list_has_one_status_when_all_ended_alike(endpoint: Endpoint) -> None:
    new = {"guid": "2", "content": "New."}
    replies = endpoint.post([], [ARTICLE], [ARTICLE], [ARTICLE, new], [7, {}])
    assert [reply.status for reply in replies] == [200, 202, 200, 202, 422]
    assert replies[0].body == {"results": []}


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["accepted", "accepted"], 202),
        (["accepted", "unchanged"], 202),
        (["unchanged"], 200),
        (["invalid", "invalid"], 422),
        (["invalid", "accepted"], 207),
        (["invalid", "unchanged"], 207),
    ],
)
def test_one_status_says_how_all_ended(statuses: list[str], expected: int) -> None:
    assert status_of(statuses) == expected


# --- refused requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told", [None, "", "Bearer ", "Bearer wrong", "Bearer tökén", f"Basic {TOKEN}", "Bearer t0ken2"]
)
def test_without_the_token_nothing_is_taken(endpoint: Endpoint, told: str | None) -> None:
    (reply,) = endpoint.post(ARTICLE, headers={"Authorization": told} if told is not None else {})
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in reply.body["error"]
    assert endpoint.articles() == []


@pytest.mark.parametrize("body", [b"", b"{oops", b'"\xff"', b"[" * 15_000])
def test_a_body_that_is_no_json_is_a_bad_request(endpoint: Endpoint, body: bytes) -> None:
    (reply,) = endpoint.post(body)
    assert reply.status == 400
    assert reply.body["error"].startswith("the body is no JSON")


def test_a_body_over_the_limit_is_refused_with_the_limit(endpoint: Endpoint) -> None:
    (reply,) = endpoint.post(b'"' + b"x" * (4 * MAX_BYTES) + b'"')
    assert reply.status == 413
    assert "16,384 bytes" in reply.body["error"]


def test_a_thousand_articles_are_taken_at_once_and_no_more(endpoint: Endpoint) -> None:
    most, more = endpoint.post([7] * MAX_ARTICLES, [7] * (MAX_ARTICLES + 1))
    assert (most.status, len(most.body["results"])) == (422, MAX_ARTICLES)
    assert (more.status, more.body["error"]) == (413, "at most 1,000 articles at once")


def test_a_full_outbox_says_when_to_come_back(tmp_path: Path) -> None:
    endpoint = Endpoint(tmp_path)
    endpoint.writer.outbox = endpoint.settings.outbox_messages
    (reply,) = endpoint.post(ARTICLE)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "30")
    assert "outbox is full" in reply.body["error"]


def test_a_writer_that_has_ended_says_so_too(tmp_path: Path) -> None:
    endpoint = Endpoint(tmp_path)
    endpoint.writer._failed = OSError("disk")
    (reply,) = endpoint.post(ARTICLE)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "30")


def test_who_has_no_token_does_not_learn_that_the_outbox_is_full(tmp_path: Path) -> None:
    endpoint = Endpoint(tmp_path)
    endpoint.writer.outbox = endpoint.settings.outbox_messages
    assert endpoint.post(ARTICLE, headers={})[0].status == 401


def test_the_schema_of_an_article_is_open_to_all_and_other_methods_are_not_there(endpoint: Endpoint) -> None:
    async def work(client: TestClient[Any, Any]) -> tuple[Any, int]:
        async with client.get("/schema") as schema, client.get("/articles") as articles:
            return await schema.json(), articles.status

    schema, status = endpoint.ask(work)
    assert sorted(schema["required"]) == ["content", "guid"]
    assert schema["additionalProperties"] is False
    assert status == 405


# --- parts ------------------------------------------------------------------------------------------------------------


def test_a_read_article_is_an_entry_or_an_answer() -> None:
    assert isinstance(read_article(ARTICLE, 100), Entry)
    answer = read_article({"guid": "1"}, 100)
    assert isinstance(answer, dict)
    assert answer["errors"] == [{"path": "/content", "message": "Field required"}]


def test_the_path_of_an_error_escapes_tilde_and_slash_as_json_pointers_do() -> None:
    """RFC 6901, 3: `~` is written `~0` and `/` is written `~1`."""
    answer = read_article({"guid": "1", "content": "Text.", "a/b": 1, "c~d": 2, "~1": 3}, 100)
    assert isinstance(answer, dict)
    assert [error["path"] for error in answer["errors"]] == ["/a~1b", "/c~0d", "/~01"]


def test_an_error_without_a_place_is_of_the_whole() -> None:
    assert errors_of(ValueError("odd")) == [{"path": "", "message": "odd"}]


def test_the_token_is_made_once_and_is_for_this_user_alone(tmp_path: Path) -> None:
    settings = ProducerSettings(home=tmp_path / "home")
    token = read_token(settings)
    assert len(token) >= 32
    assert read_token(settings) == token
    assert stat.S_IMODE(settings.token_file.stat().st_mode) == 0o600
    assert read_token(ProducerSettings(home=tmp_path / "other")) != token


def test_an_empty_token_file_is_no_token(tmp_path: Path) -> None:
    settings = ProducerSettings(home=tmp_path)
    settings.token_file.write_text("\n")
    token = read_token(settings)
    assert len(token) >= 32
    assert settings.token_file.read_text() == f"{token}\n"


def test_a_stated_token_is_taken_and_not_written_down(tmp_path: Path) -> None:
    settings = ProducerSettings(home=tmp_path, ingest_token="stated")
    assert read_token(settings) == "stated"
    assert not settings.token_file.exists()
