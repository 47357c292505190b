"""Searches become requests, and invalid searches become a sentence."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.indexer.indices import mapping
from services.search.search import Search, SearchError, to_request


def test_duplicates_are_folded_unless_asked_for() -> None:
    assert to_request(Search("x"))["collapse"]["field"] == "duplicate_group"
    assert "collapse" not in to_request(Search("x", with_duplicates=True))


def test_filters() -> None:
    request = to_request(Search("x", "nl", "Q7747", date(2021, 1, 1), date(2021, 12, 31)))
    assert request["query"]["bool"]["filter"] == [
        {"term": {"language.code": "nl"}},
        {"term": {"entities.id": "Q7747"}},
        {"range": {"published_at": {"gte": "2021-01-01", "lte": "2021-12-31||/d"}}},
    ]


def test_a_language_is_read_with_its_own_stemmer_only() -> None:
    fields = to_request(Search("x", "nl"))["query"]["bool"]["must"][0]["simple_query_string"]["fields"]
    assert fields == ["title^3", "text", "localized.dutch.title^3", "localized.dutch.text"]


def test_every_field_it_asks_for_is_mapped() -> None:
    properties: dict[str, Any] = mapping("articles")["properties"]
    for field in to_request(Search("x"))["query"]["bool"]["must"][0]["simple_query_string"]["fields"]:
        node: dict[str, Any] = {"properties": properties}
        for part in field.partition("^")[0].split("."):
            node = node["properties"][part]
        assert node["type"] == "text"


@pytest.mark.parametrize(
    "search",
    [Search(""), Search("  "), Search("x" * 3000), Search("x", None, None, date(2022, 1, 1), date(2021, 1, 1))],
)
def test_what_cannot_be_searched_is_said(search: Search) -> None:
    with pytest.raises(SearchError, match=r"\.$"):
        to_request(search)
