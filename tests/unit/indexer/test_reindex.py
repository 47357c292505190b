"""When and how aliases are swapped, and which index belongs to which grouping."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from services.common.signals import undisturbed
from services.indexer.indices import NOT_MERGED, grouping_of, index_name, write_alias
from services.indexer.reindex import Counts, find_problems, swap_actions
from services.indexer.settings import IndexerSettings


@pytest.mark.parametrize("version", [1, 2, 31])
@pytest.mark.parametrize("namespace", ["", "news", "x-v1"])
@pytest.mark.parametrize("stamp", ["", ".20260102t030405678"])
def test_an_index_says_which_grouping_it_holds(version: int, namespace: str, stamp: str) -> None:
    settings = IndexerSettings(namespace=namespace, grouping_version=version)
    assert grouping_of(index_name(settings, "articles") + stamp) == version


def test_every_grouping_has_a_write_alias_of_its_own() -> None:
    names = [write_alias(IndexerSettings(namespace="d", grouping_version=version), "stories") for version in (1, 2)]
    assert names == ["d.stories-write", "d.stories-write.v2"]


def counts(articles: int = 0, stories: int = 0) -> Counts:
    made = Counts()
    made.documents = {"articles": set(map(str, range(articles))), "stories": set(map(str, range(stories)))}
    return made


def test_a_whole_index_has_no_problems() -> None:
    made = {"articles": 3, "stories": 1}
    assert list(find_problems(counts(3, 1), set(), made, made)) == []
    assert list(find_problems(counts(3, 1), set(), {}, made)) == []


def test_a_lost_document_is_a_problem() -> None:
    (problem,) = find_problems(counts(3, 1), set(), {}, {"articles": 2, "stories": 1})
    assert problem == "the new index of articles has 2 documents, and 3 were written"


def test_readers_who_would_see_less_are_a_problem_but_for_tombstones() -> None:
    made, seen = {"articles": 3, "stories": 0}, {"articles": 4}
    found = counts(3)
    (problem,) = find_problems(found, set(), seen, made)
    assert problem == "readers see 4 articles now, and the topic holds 3"
    found.tombstones.append("articles.grouped/0/7")
    assert list(find_problems(found, set(), seen, made)) == []


def test_a_rejected_message_is_a_problem_unless_it_is_a_dead_letter() -> None:
    found = counts()
    found.rejected = {"articles.grouped/0/1": "no", "articles.grouped/0/2": "no"}
    made = {"articles": 0, "stories": 0}
    assert list(find_problems(found, {"articles.grouped/0/1"}, {}, made)) == ["1 messages could not be indexed"]
    assert list(find_problems(found, set(found.rejected), {}, made)) == []


def test_a_swap_is_one_request_that_insists_on_what_it_saw() -> None:
    behind = {"stories": ["old"], "stories-write": []}
    options = {"stories": {"filter": NOT_MERGED}}
    assert swap_actions(behind, {"stories": "new", "stories-write": "new"}, options) == [
        {"remove": {"index": "old", "alias": "stories", "must_exist": True}},
        {"add": {"index": "new", "alias": "stories", "is_write_index": True, "filter": NOT_MERGED}},
        {"add": {"index": "new", "alias": "stories-write", "is_write_index": True}},
    ]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Sets Python's own handler, because a process that was started in the background may ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_waits_for_the_swap_and_works_again_after_it() -> None:
    with undisturbed():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
