"""robots.txt is fetched once a day for each host. Nothing is fetched if it forbids that or cannot be read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.producer.fetch.client import Failure, FetchError
from services.producer.fetch.robots import MAX_CHARACTERS, Robots
from tests.fakes.web import FakeWeb

ROBOTS = "https://e.org/robots.txt"
PRIVATE, PUBLIC = "https://e.org/private/a", "https://e.org/a"
RULES = "User-agent: *\nDisallow: /private\nSitemap: https://e.org/news.xml\n"


@pytest.fixture
def web() -> FakeWeb:
    return FakeWeb()


@pytest.fixture
def robots(web: FakeWeb) -> Robots:
    client: Any = web
    return Robots(client, "Dragoman/1.0 (news feed collector)")


def refusal(robots: Robots, url: str) -> FetchError | None:
    try:
        asyncio.run(robots.check(url))
    except FetchError as error:
        return error
    return None


def test_what_is_disallowed_is_refused_and_all_else_is_not(web: FakeWeb, robots: Robots) -> None:
    web.pages[ROBOTS] = RULES
    error = refusal(robots, PRIVATE)
    assert error is not None
    assert error.failure is Failure.ROBOTS
    assert refusal(robots, PUBLIC) is None
    assert asyncio.run(robots.sitemaps(PUBLIC)) == ["https://e.org/news.xml"]
    assert [request.url for request in web.asked] == [ROBOTS], "asked once for all of them"


def test_rules_that_name_the_collector_are_for_it(web: FakeWeb, robots: Robots) -> None:
    web.pages[ROBOTS] = "User-agent: dragoman\nDisallow: /\n\nUser-agent: *\nAllow: /\n"
    assert refusal(robots, PUBLIC) is not None


def test_each_host_has_rules_of_its_own(web: FakeWeb, robots: Robots) -> None:
    web.pages |= {ROBOTS: "User-agent: *\nDisallow: /", "https://f.org/robots.txt": ""}
    assert refusal(robots, PUBLIC) is not None
    assert refusal(robots, "https://f.org/a") is None


def test_many_at_once_ask_once(web: FakeWeb, robots: Robots) -> None:
    web.pages[ROBOTS] = RULES

    async def many() -> None:
        await asyncio.gather(*(robots.check(PUBLIC) for _ in range(10)))

    asyncio.run(many())
    assert len(web.asked) == 1


@pytest.mark.parametrize("failure", ["not_found", "gone", "client", "refused", "redirects", "too_large", "unreadable"])
def test_without_rules_everything_is_allowed(web: FakeWeb, robots: Robots, failure: str) -> None:
    web.pages[ROBOTS] = FetchError(Failure(failure), "no")
    assert refusal(robots, PRIVATE) is None
    assert asyncio.run(robots.sitemaps(PUBLIC)) == []


@pytest.mark.parametrize("failure", ["server", "rate_limited", "timeout", "cut_off"])
def test_a_server_that_fails_allows_nothing_for_now(web: FakeWeb, robots: Robots, failure: str) -> None:
    web.pages[ROBOTS] = FetchError(Failure(failure), "the server answers 500", 120)
    error = refusal(robots, PUBLIC)
    assert error is not None
    assert (error.failure, error.retry_after_seconds) == (failure, 120)
    assert error.reason == "robots.txt cannot be read: the server answers 500"


@pytest.mark.parametrize("failure", ["name", "connection", "tls", "blocked"])
def test_a_host_that_cannot_be_reached_is_told_as_that(web: FakeWeb, robots: Robots, failure: str) -> None:
    web.pages[ROBOTS] = FetchError(Failure(failure), "the name e.org does not resolve")
    error = refusal(robots, PUBLIC)
    assert error is not None
    assert (error.failure, error.reason) == (failure, "the name e.org does not resolve")


def test_rules_are_kept_for_a_day_and_errors_for_less(
    web: FakeWeb, robots: Robots, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("services.producer.fetch.robots.time.monotonic", lambda: now[0])
    web.pages[ROBOTS] = FetchError(Failure.SERVER, "down")
    asked = []
    for seconds in (0, 599, 2, 86_399, 2):
        now[0] += seconds
        refusal(robots, PUBLIC)
        asked.append(len(web.asked))
        if len(web.asked) == 1:
            web.pages[ROBOTS] = RULES
    assert asked == [1, 1, 2, 2, 3]


def test_a_web_page_is_no_rules(web: FakeWeb, robots: Robots) -> None:
    web.pages[ROBOTS] = f"<!DOCTYPE html><HTML><body>\n{RULES}</body>"
    assert refusal(robots, PRIVATE) is None
    assert asyncio.run(robots.sitemaps(PUBLIC)) == []


def test_only_the_beginning_of_endless_rules_is_read(web: FakeWeb, robots: Robots) -> None:
    web.pages[ROBOTS] = "User-agent: *\n" + "#" * MAX_CHARACTERS + "\nDisallow: /private"
    assert refusal(robots, PRIVATE) is None


def test_a_wait_between_requests_is_kept_up_to_a_minute(web: FakeWeb, robots: Robots) -> None:
    web.pages[ROBOTS] = "User-agent: *\nCrawl-delay: 7"
    web.pages["https://f.org/robots.txt"] = "User-agent: *\nCrawl-delay: 3600"
    refusal(robots, PUBLIC)
    refusal(robots, "https://f.org/")
    assert web.gate._host("e.org:443").spacing_seconds == 7
    assert web.gate._host("f.org:443").spacing_seconds == 60


def test_memory_of_hosts_is_bounded(robots: Robots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.producer.fetch.robots.MAX_HOSTS", 2)
    for number in range(5):
        refusal(robots, f"https://h{number}.org/")
    assert len(robots._rules) <= 2
    assert len(robots._locks) <= 2
