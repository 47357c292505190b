"""Answers of Elasticsearch become hits, and refusals become a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from services.search.search import Search, SearchError, run_search
from tests.fakes import FakeElasticsearch


@pytest.fixture
def elastic() -> FakeElasticsearch:
    fake = FakeElasticsearch()
    for number, (group, language, hour) in enumerate([("x", "nl", 1), ("x", "nl", 2), ("y", "en", 3)]):
        source = {"text": "a fire in Utrecht", "duplicate_group": group, "language": {"code": language}}
        fake.put("articles-v2", f"a{number}", source | {"fetched_at": f"2026-01-01T0{hour}:00:00Z"})
    fake.aliases["articles"] = {"articles-v2": True}
    return fake


def refusal(status: int, kind: str, reason: str) -> tuple[int, dict[str, Any]]:
    cause = {"type": kind, "reason": reason}
    return status, {"error": {**cause, "root_cause": [cause]}, "status": status}


def test_copies_are_folded_into_one_hit_and_counted(elastic: FakeElasticsearch) -> None:
    found = run_search(elastic.client(), "articles", Search("fire"))
    assert found.total == 2
    assert [(hit.article["duplicate_group"], hit.duplicates) for hit in found.hits] == [("y", 0), ("x", 1)]
    assert {hit.score for hit in found.hits} == {1.0}


def test_with_duplicates_every_copy_is_a_hit(elastic: FakeElasticsearch) -> None:
    found = run_search(elastic.client(), "articles", Search("fire", with_duplicates=True))
    assert found.total == 3
    assert [hit.duplicates for hit in found.hits] == [0, 0, 0]


def test_words_language_and_size_choose_the_hits(elastic: FakeElasticsearch) -> None:
    client = elastic.client()
    assert run_search(client, "articles", Search("flood")).hits == ()
    assert run_search(client, "articles", Search("*", "en")).total == 1
    small = run_search(client, "articles", Search("*", with_duplicates=True, size=1))
    assert (small.total, len(small.hits)) == (3, 1)


def test_highlights_are_folded_shown_once_and_two_at_most(elastic: FakeElasticsearch) -> None:
    hit = {
        "_source": {},
        "_score": None,
        "highlight": {"text": ["a  <em>fire</em>\nhere", "a second"], "localized.dutch.text": ["a <em>fire</em> here"]},
    }
    elastic.search_answers.append((200, {"hits": {"total": {"value": 1}, "hits": [hit]}}))
    (found,) = run_search(elastic.client(), "articles", Search("fire")).hits
    assert found.highlights == ("a <em>fire</em> here", "a second")
    assert (found.score, found.duplicates) == (0.0, 0)


def test_a_missing_index_says_how_to_start() -> None:
    with pytest.raises(SearchError, match=r"There is no index articles yet. Start the stack with `dragoman up`."):
        run_search(FakeElasticsearch().client(), "articles", Search("x"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (refusal(400, "parse", "Cannot parse 'x'."), "Elasticsearch does not understand the query: Cannot parse 'x'."),
        ((400, {"error": "bad", "status": 400}), "Elasticsearch does not understand the query: bad."),
        (refusal(503, "busy", "no shard"), "Elasticsearch refused the search (503 busy)."),
    ],
)
def test_a_refusal_is_told_with_its_cause(
    elastic: FakeElasticsearch, answer: tuple[int, dict[str, Any]], sentence: str
) -> None:
    elastic.search_answers.append(answer)
    with pytest.raises(SearchError) as caught:
        run_search(elastic.client(), "articles", Search("x"))
    assert str(caught.value) == sentence


def test_an_outage_asks_whether_the_stack_is_up(elastic: FakeElasticsearch) -> None:
    elastic.is_down = True
    with pytest.raises(SearchError, match=r"Elasticsearch does not answer. Is the stack up\?"):
        run_search(elastic.client(), "articles", Search("x"))
