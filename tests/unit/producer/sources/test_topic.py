"""A topic is read from the last offset, message by message, and the offset advances with each message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from schemas.feed import Columns
from services.producer.sources.base import Entry, Problem, ProblemKind, SourceError, SourceOptions
from services.producer.sources.topic import TopicSource
from tests.fakes.topic import FakeTopics

OPTIONS = SourceOptions(source_id=None, max_article_bytes=1000)
URL = "kafka://one:9092,two:9092/wire"
CONSUMER = "services.producer.sources.topic.KafkaConsumer"


def message(content: str, **fields: Any) -> bytes:
    return json.dumps({"content": content, **fields}).encode()


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> FakeTopics:
    made = FakeTopics(
        {"wire": {0: [message("First.", guid="a"), message("Second.")], 1: [message("Third.", guid="c")]}}
    )
    monkeypatch.setattr(CONSUMER, made.consumer)
    return made


def test_every_message_is_an_article_and_one_without_a_name_is_named_by_its_place(topics: FakeTopics) -> None:
    source = TopicSource(URL, OPTIONS)
    items = [item for item in source.entries() if isinstance(item, Entry)]
    assert {item.guid: item.content for item in items} == {"a": "First.", "wire/0/1": "Second.", "c": "Third."}
    assert {item.source_id for item in items} == {"wire"}
    assert source.offsets == {"0": 2, "1": 1}
    assert source.total is None
    assert topics.closed == 1


def test_the_servers_of_the_url_are_asked_and_nothing_is_committed_there(topics: FakeTopics) -> None:
    list(TopicSource(URL, OPTIONS).entries())
    (options,) = topics.options
    assert options["bootstrap_servers"] == ["one:9092", "two:9092"]
    assert options["enable_auto_commit"] is False
    assert "group_id" not in options


def test_what_was_read_is_not_read_again(topics: FakeTopics) -> None:
    source = TopicSource(URL, OPTIONS)
    list(source.entries())
    topics.messages["wire"][1].append(message("Later.", guid="d"))
    assert [item.guid for item in TopicSource(URL, OPTIONS, source.offsets).entries()] == ["d"]


@pytest.mark.parametrize(("known", "first", "expected"), [(9, 0, 2), (0, 1, 1), (1, 0, 1), (2, 0, 0)])
def test_a_topic_that_was_made_anew_or_was_shortened_is_read_from_its_beginning(
    topics: FakeTopics, known: int, first: int, expected: int
) -> None:
    topics.messages = {"wire": {0: topics.messages["wire"][0]}}
    topics.first = first
    source = TopicSource(URL, OPTIONS, {"0": known})
    assert len(list(source.entries())) == expected


def test_a_limit_stops_in_the_middle_and_the_place_is_that_of_what_was_given(topics: FakeTopics) -> None:
    source = TopicSource(URL, OPTIONS, limit=1)
    assert [item.guid for item in source.entries()] == ["a"]
    assert source.offsets == {"0": 1}
    assert topics.closed == 1
    assert len(list(TopicSource(URL, OPTIONS, source.offsets).entries())) == 2


def test_the_place_moves_before_a_message_is_given(topics: FakeTopics) -> None:
    del topics
    source = TopicSource(URL, OPTIONS)
    items = source.entries()
    next(items)
    assert source.offsets == {"0": 1}


def test_a_bad_message_is_a_problem_with_its_place_and_the_others_come_out(topics: FakeTopics) -> None:
    large = message("x" * 2000, guid="big")
    topics.messages["wire"] = {0: [None, b"no JSON", b"[]", large, message("Good.", guid="good")]}
    items = list(TopicSource(URL, OPTIONS).entries())
    problems = {item.guid: item for item in items if isinstance(item, Problem)}
    assert {guid: problem.kind for guid, problem in problems.items()} == {
        "wire/0/0": ProblemKind.EMPTY,
        "wire/0/1": ProblemKind.INVALID,
        "wire/0/2": ProblemKind.INVALID,
        "big": ProblemKind.TOO_LARGE,
    }
    assert problems["big"].data == large
    assert [item.guid for item in items if isinstance(item, Entry)] == ["good"]


def test_columns_and_a_stated_source_count_for_messages_too(topics: FakeTopics) -> None:
    topics.messages["wire"] = {0: [json.dumps({"id": 7, "body": {"text": "Words."}}).encode()]}
    options = SourceOptions("agency", 1000, Columns(guid="id", content="body.text"))
    (item,) = TopicSource(URL, options).entries()
    assert isinstance(item, Entry)
    assert (item.guid, item.content, item.source_id) == ("7", "Words.", "agency")


def test_a_topic_that_is_not_there_says_so(topics: FakeTopics) -> None:
    with pytest.raises(SourceError, match="there is no topic nothing on one:9092"):
        list(TopicSource("kafka://one:9092/nothing", OPTIONS).entries())
    assert topics.closed == 1


def test_an_error_while_it_is_read_is_told_and_the_consumer_is_closed(topics: FakeTopics) -> None:
    topics.error = KafkaTimeoutError("slow")
    with pytest.raises(SourceError, match=r"topic wire cannot be read \(KafkaTimeoutError\)"):
        list(TopicSource(URL, OPTIONS).entries())
    assert topics.closed == 1


def test_messages_that_do_not_come_are_left_for_the_next_time(topics: FakeTopics) -> None:
    """The markers of a transaction have offsets but are never given."""
    topics.messages["wire"] = {0: [message("First.", guid="a")]}
    topics.ghosts = 1
    assert [item.guid for item in TopicSource(URL, OPTIONS).entries()] == ["a"]


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise KafkaConnectionError

    monkeypatch.setattr(CONSUMER, refuse)
    with pytest.raises(SourceError, match=r"one:9092,two:9092 does not answer \(KafkaConnectionError\)"):
        list(TopicSource(URL, OPTIONS).entries())


@pytest.mark.parametrize("url", ["kafka://one:9092", "kafka://one:9092/", "kafka:///wire", "kafka://one:9092/a/b"])
def test_a_place_without_a_server_or_one_topic_is_refused(url: str) -> None:
    with pytest.raises(SourceError, match="must be kafka://host:port/topic"):
        TopicSource(url, OPTIONS)
