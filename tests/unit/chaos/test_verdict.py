"""The oracle of the chaos tests: what it counts as lost, doubled, different or buried."""

from __future__ import annotations

from typing import Any

from tests.chaos.evidence import Evidence, Letter
from tests.chaos.verdict import find_buried, find_differing, find_differing_stories, find_doubled, find_lost, judge


def document(article_id: str, **fields: Any) -> dict[str, Any]:
    values = {"revision": 5, "content_hash": "h", "story_id": article_id, "duplicate_of": None, "decision_seq": 0}
    return {"article_id": article_id, "source_id": "s", "guid": article_id, **values, **fields}


def story(story_id: str, articles: int, duplicates: int = 0, merged_into: str | None = None) -> dict[str, Any]:
    return {"story_id": story_id, "articles": articles, "duplicates": duplicates, "merged_into": merged_into}


def letter(place: str, key: str | None, revision: int | None = None) -> Letter:
    return Letter(place, key, revision, "worker no_text")


def test_an_article_in_its_newest_version_is_not_lost() -> None:
    assert find_lost(Evidence(accepted={"a": (5, "h")}, articles=[document("a")]), {}) == set()


def test_a_missing_article_an_older_version_and_other_content_are_lost() -> None:
    accepted = {"a": (5, "h"), "b": (6, "h"), "c": (5, "other")}
    assert find_lost(Evidence(accepted=accepted, articles=[document("b"), document("c")]), {}) == {"a", "b", "c"}


def test_a_letter_covers_its_revision_and_older_ones() -> None:
    evidence = Evidence(
        accepted={"a": (5, "h"), "b": (5, "h")}, letters=[letter("t/0/1", "a", 5), letter("t/0/2", "b", 4)]
    )
    assert find_lost(evidence, {}) == {"b"}


def test_a_letter_without_a_revision_covers_all() -> None:
    assert find_lost(Evidence(accepted={"a": (5, "h")}, letters=[letter("t/0/1", "a")]), {}) == set()


def test_junk_needs_a_letter() -> None:
    evidence = Evidence(junk={"articles.raw/0/1", "articles.raw/0/2"}, letters=[letter("articles.raw/0/1", None)])
    assert find_lost(evidence, {}) == {"articles.raw/0/2"}


def test_a_promise_that_reached_neither_kafka_nor_the_ledger_is_lost() -> None:
    evidence = Evidence(accepted={"a": (5, "h")}, articles=[document("a")])
    assert find_lost(evidence, {"a": 5, "b": 5}) == {"b"}


def test_two_documents_of_one_id_or_one_entry_or_one_story_are_doubled() -> None:
    articles = [document("a"), document("a"), document("b", guid="1"), document("c", guid="1"), document("d")]
    found = find_doubled(articles, [story("x", 1), story("x", 1)])
    assert dict(found) == {"a": 1, "b": 1, "x": 1}


def test_one_guid_of_two_sources_is_not_doubled() -> None:
    assert not find_doubled([document("a", guid="1"), document("b", guid="1", source_id="other")], [])


def test_a_decision_differs_in_the_index_or_on_kafka() -> None:
    expected: dict[str, tuple[str, str | None, int]] = {"a": ("a", None, 0), "b": ("a", "a", 0), "c": ("c", None, 0)}
    articles = [document("a"), document("b"), document("c")]
    evidence = Evidence(articles=articles, grouped={"c": ("a", None, 1)}, expected=expected, changelog=expected)
    assert find_differing(evidence) == {"b", "c"}


def test_a_row_that_dedup_could_not_restore_differs() -> None:
    expected: dict[str, tuple[str, str | None, int]] = {"a": ("a", None, 0), "b": ("b", None, 0), "c": ("c", None, 0)}
    evidence = Evidence(expected=expected, changelog={"a": ("a", None, 0), "b": ("a", None, 1)})
    assert find_differing(evidence) == {"b", "c"}


def test_nothing_differs_when_the_order_is_not_known() -> None:
    evidence = Evidence(articles=[document("a")], stories=[story("a", 9)])
    assert find_differing(evidence) == set()
    assert find_differing_stories(evidence) == set()


def test_a_story_is_missing_has_other_counts_or_should_be_empty() -> None:
    stories = [story("b", 2), story("c", 1), story("d", 1), story("e", 0, merged_into="c")]
    evidence = Evidence(stories=stories, expected_stories={"a": (1, 0), "b": (3, 0), "c": (1, 0)})
    assert find_differing_stories(evidence) == {"a", "b", "d"}


def test_only_what_is_new_since_the_last_round_counts() -> None:
    before = judge(Evidence(accepted={"a": (5, "h")}))
    after = judge(Evidence(accepted={"a": (5, "h"), "b": (5, "h")}, letters=[letter("t/0/1", "x")]))
    new = after.since(before)
    assert (new.accepted, new.lost, list(new.letters)) == ({"b"}, {"b"}, ["t/0/1"])


def test_a_letter_is_buried_unless_its_place_or_key_may_die() -> None:
    letters = {place: letter(place, key) for place, key in (("t/0/1", "a"), ("t/0/2", "b"), ("t/0/3", None))}
    assert [item.place for item in find_buried(letters, {"b", "t/0/3"})] == ["t/0/1"]
