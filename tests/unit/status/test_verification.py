"""The oracle tells each article of the ledger apart: indexed, dead, missing or different."""

from __future__ import annotations

import elasticsearch
import pytest

from services.status import verification
from services.status.verification import verify_ledger
from tests.unit.status.conftest import Desk, article_id


def verdict(desk: Desk, revision: int = 5, content_hash: str = "a") -> str:
    """What the oracle says of the first article, which the ledger has at this revision."""
    found = verify_ledger(desk.settings, [(article_id(1), revision, content_hash)])
    assert found.articles == 1
    counts = {"indexed": found.indexed, "dead": found.dead}
    counts |= {"missing": len(found.missing), "different": len(found.different)}
    assert sum(counts.values()) == 1
    return next(name for name, count in counts.items() if count)


def test_an_article_at_its_revision_with_its_hash_is_indexed(desk: Desk) -> None:
    desk.index(1, revision=5)
    assert verdict(desk) == "indexed"


def test_an_article_that_is_nowhere_is_missing(desk: Desk) -> None:
    desk.index(2, revision=5)
    assert verdict(desk) == "missing"


@pytest.mark.parametrize("revision", [4, 6])
def test_another_revision_is_different(desk: Desk, revision: int) -> None:
    desk.index(1, revision)
    assert verdict(desk, revision=5) == "different"


def test_another_hash_is_different(desk: Desk) -> None:
    desk.index(1, revision=5, content_hash="b")
    assert verdict(desk, content_hash="a") == "different"


def test_a_letter_of_the_revision_is_an_end(desk: Desk) -> None:
    desk.bury(article_id(1), revision=5)
    assert verdict(desk, revision=5) == "dead"


def test_a_letter_of_an_older_revision_leaves_the_article_missing(desk: Desk) -> None:
    desk.bury(article_id(1), revision=4)
    assert verdict(desk, revision=5) == "missing"


def test_the_newest_of_several_letters_counts(desk: Desk) -> None:
    """Letters lie in the order in which they failed, which is not that of the revisions."""
    desk.bury(article_id(1), revision=5)
    desk.bury(article_id(1), revision=4)
    assert verdict(desk, revision=5) == "dead"


def test_a_letter_without_a_revision_covers_all(desk: Desk) -> None:
    desk.bury(article_id(1), revision=None)
    assert verdict(desk, revision=5) == "dead"


def test_an_update_that_died_over_an_indexed_article_is_dead(desk: Desk) -> None:
    desk.index(1, revision=4)
    desk.bury(article_id(1), revision=5)
    assert verdict(desk, revision=5) == "dead"


def test_a_letter_of_an_older_revision_excuses_no_older_document(desk: Desk) -> None:
    desk.index(1, revision=3)
    desk.bury(article_id(1), revision=4)
    assert verdict(desk, revision=5) == "different"


def test_an_article_that_died_and_was_replayed_is_indexed(desk: Desk) -> None:
    """Its letter may still be there: what counts is that the document is right."""
    desk.bury(article_id(1), revision=5)
    desk.index(1, revision=5)
    assert verdict(desk, revision=5) == "indexed"


def test_a_storys_letter_is_no_articles(desk: Desk) -> None:
    """A story has the id of the article that opened it."""
    desk.bury(article_id(1), revision=5, topic="desk.stories")
    assert verdict(desk, revision=5) == "missing"


def test_a_letter_that_was_dropped_excuses_nothing(desk: Desk) -> None:
    desk.bury(article_id(1), revision=5)
    desk.kafka.append("desk.articles.dead", b"desk.articles.raw/0/0", None)
    assert verdict(desk, revision=5) == "missing"


def test_a_long_ledger_is_looked_up_in_chunks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CHUNK", 2)
    for number in (0, 1, 3, 4):
        desk.index(number)
    desk.index(4, content_hash="b")
    desk.bury(article_id(2), revision=1)
    ledger = ((article_id(number), 1, "a") for number in range(7))
    assert verify_ledger(desk.settings, ledger).to_dict() == {
        "articles": 7,
        "indexed": 3,
        "dead": 1,
        "missing": [article_id(5), article_id(6)],
        "different": [article_id(4)],
    }
    asked = [content["ids"] for _, path, content in desk.server.requests if path.endswith("_mget")]
    assert [len(ids) for ids in asked] == [2, 2, 2, 1]


def test_the_index_is_refreshed_before_it_is_asked(desk: Desk) -> None:
    """What is committed and not yet searchable is not missing."""
    verify_ledger(desk.settings, [(article_id(1), 1, "a")])
    paths = [path for _, path, _ in desk.server.requests]
    assert paths == ["/desk.articles", "/desk.articles/_refresh", "/desk.articles/_mget"]


def test_an_empty_ledger_is_in_order(desk: Desk) -> None:
    found = verify_ledger(desk.settings, [])
    assert (found.articles, found.missing, found.different) == (0, [], [])


def test_without_elasticsearch_there_is_no_verdict(desk: Desk) -> None:
    desk.server.is_down = True
    with pytest.raises(elasticsearch.ConnectionError):
        verify_ledger(desk.settings, [(article_id(1), 1, "a")])
