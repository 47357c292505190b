"""Feeds that misbehave in every way, a producer that is killed twice: every article that was served is there once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.article import RawArticle
from schemas.topics import RAW
from services.common.messages import decode
from services.common.records import read_records
from services.common.settings import Settings
from tests.conftest import Stack, start
from tests.web import World, serve, story

SEED = int(os.environ.get("SEED", "7"))
NAMES = (
    "changing rolling moved fickle stubborn stalling dripping bomb wrong-encoding breaking dead neighbour shared-a "
    "shared-b json atom sitemap list"
)
FEEDS = NAMES.split()
KILLS = 2
SETTLE_SECONDS = 120


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    with serve(made):
        yield made


@pytest.fixture(scope="module")
def stack(world: World) -> Iterator[Stack]:
    """A stack of its own, that may fetch from loopback, waits for nobody and has the misbehaving feeds."""
    home = Path(tempfile.mkdtemp(prefix="dragoman-feeds-"))
    lines = ["# kept", "feeds:"]
    for name in FEEDS:
        lines += [f"  - id: {name}", f"    url: {world.base}/{name}.xml", "    interval: 1s", f"    tags: [{name}]"]
    (home / "feeds.yaml").write_text("\n".join(lines) + "\n", encoding="utf8")
    environment = {
        "DRAGOMAN_FEEDS": str(home / "feeds.yaml"),
        "DRAGOMAN_ALLOW_NETWORKS": "127.0.0.0/8",
        "DRAGOMAN_HOST_SPACING_SECONDS": "0",
        "DRAGOMAN_HOST_CONNECTIONS": "20",
        "DRAGOMAN_FETCH_SECONDS": "3",
        "DRAGOMAN_RETRY_SECONDS": "0.1",
        "DRAGOMAN_VECTORS": "false",
    }
    running = Stack(home, environment)
    try:
        yield start(home, **environment)
    finally:
        running.run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


def documents(stack: Stack) -> list[dict[str, Any]]:
    """Every document of the index, read from Elasticsearch itself, with its raw content from Kafka."""
    found = list(stack.documents("articles").values())
    settings = Settings(home=stack.home)
    raw = {record.key.decode(): decode(RawArticle, record.value).content for record in read_records(settings, RAW)}
    return [{**one, "content": raw[one["article_id"]]} for one in found]


def feeds(stack: Stack) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in stack.json("feeds", "list")}


def kill_producer(stack: Stack) -> None:
    pid = next(one["pid"] for one in stack.json("status")["services"] if one["name"] == "producer")
    if pid:
        os.kill(pid, signal.SIGKILL)


def wait_until_right(find_wrong: Callable[[], object], seconds: float = SETTLE_SECONDS) -> None:
    """Until nothing is wrong any more; what still is, is the failure."""
    deadline = time.monotonic() + seconds
    while wrong := find_wrong():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds} s: {wrong}")
        time.sleep(1)


@pytest.fixture(scope="module")
def collected(stack: Stack, world: World) -> dict[str, dict[str, Any]]:
    """Documents by guid, after the producer was killed twice and everything has settled."""
    rnd = random.Random(SEED)
    for _ in range(KILLS):
        time.sleep(rnd.uniform(4, 8))
        kill_producer(stack)
    wait_until_right(lambda: None if world.requests["dead"] > 4 else world.requests)
    wait_until_right(lambda: None if world.requests["changing"] > 15 else world.requests)
    wait_until_right(lambda: {"stubborn-1", "listed-1"} - world.expected.keys())
    with world.lock:
        world.frozen = True
        wanted = {guid: one.text for guid, one in world.expected.items()}

    def find_missing() -> list[str]:
        found = {one["guid"]: one["content"] for one in documents(stack)}
        return [guid for guid, text in wanted.items() if text not in found.get(guid, "")]

    wait_until_right(find_missing)
    found = documents(stack)
    assert len({one["guid"] for one in found}) == len(found), "one document for each article"
    return {one["guid"]: one for one in found}


def test_every_article_that_was_served_is_there_once_with_its_latest_text(
    collected: dict[str, dict[str, Any]], world: World
) -> None:
    for guid, one in world.expected.items():
        assert one.text in collected[guid]["content"], guid
        assert collected[guid]["title"] == one.title
    assert len(world.expected) > 40
    assert "Edition 1 " not in collected["changing-0"]["content"]


def test_entries_that_left_their_feed_long_ago_are_there(collected: dict[str, dict[str, Any]], world: World) -> None:
    served = world.requests["rolling"]
    assert served > 10
    assert {f"rolling-{number}" for number in range(served)} <= collected.keys()


@pytest.mark.usefixtures("collected")
def test_the_ledger_is_the_index(stack: Stack) -> None:
    found = stack.json("verify")
    assert (found["missing"], found["different"]) == ([], [])
    assert found["indexed"] == found["articles"]
    assert stack.json("status")["books"]["balanced"]


@pytest.mark.usefixtures("collected")
def test_each_feed_says_how_it_is(stack: Stack, world: World) -> None:
    rows = feeds(stack)
    assert rows["bomb"]["failure"] == "too_large"
    assert rows["bomb"]["error_streak"] > 1
    assert rows["moved"]["moved_to"] == f"{world.base}/target.xml"
    alive = [row["id"] for row in rows.values() if row["id"] not in ("bomb", "breaking")]
    wait_until_right(lambda: {one: row["error"] for one, row in feeds(stack).items() if one in alive and row["error"]})
    assert any(one.startswith("list/") for one in rows), "the feed of the OPML list"
    assert rows["json"]["format"] == "json-feed"
    assert rows["changing"]["entries_a_day"] > 1


def test_one_article_of_two_feeds_names_both(collected: dict[str, dict[str, Any]]) -> None:
    assert sorted(collected["shared-1"]["feeds"]) == ["shared-a", "shared-b"]


def test_letters_survive_a_wrong_declaration(collected: dict[str, dict[str, Any]]) -> None:
    assert "« Été »" in collected["wrong-encoding-1"]["content"]


def test_pages_are_fetched_for_a_sitemap_and_lose_their_scripts(
    collected: dict[str, dict[str, Any]], world: World
) -> None:
    page = collected[f"{world.base}/page/1"]
    assert story("sitemap", 1).text in page["text"]
    assert "alert" not in page["content"]
    assert page["title"] == "Page 1"


def test_what_the_user_and_the_feed_declare_travels_with_its_source(collected: dict[str, dict[str, Any]]) -> None:
    declared = collected["changing-1"]["declared"]
    assert {"value": "changing", "source": "configuration"} in declared["tags"]
    assert {"value": "en", "source": "feed"} in declared["languages"]


@pytest.mark.usefixtures("collected")
def test_an_edit_of_the_file_takes_effect_without_a_restart(stack: Stack, world: World) -> None:
    assert "Added" in stack.run("feeds", "add", f"{world.base}/extra.xml", "--interval", "1s", "--id", "extra").stdout
    wait_until_right(lambda: {"extra-1"} - {one["guid"] for one in documents(stack)})
    stack.run("feeds", "pause", "bomb")
    before = world.requests["bomb"]
    wait_until_right(lambda: {"paused"} - {feeds(stack)["bomb"]["state"]})
    assert "# kept" in (stack.home / "feeds.yaml").read_text(encoding="utf8")
    time.sleep(3)
    assert world.requests["bomb"] <= before + 1


def test_a_push_is_searchable_and_twice_is_once(stack: Stack) -> None:
    description = json.loads((stack.home / "stack.json").read_text(encoding="utf8"))
    token = (stack.home / "ingest.token").read_text(encoding="ascii").strip()
    article = {"guid": "pushed-1", "content": "A pushed report on the lighthouse of Pushville, with 4711 steps."}

    def push() -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{description['ingest_port']}/articles",
            json.dumps(article).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)

    first, second = push(), push()
    assert (first[0], first[1]["status"]) == (202, "accepted")
    assert (second[0], second[1]["status"]) == (200, "unchanged")
    assert first[1]["revision"] == second[1]["revision"]
    wait_until_right(lambda: {"pushed-1"} - {one["guid"] for one in documents(stack)})
