"""The verification classifies each article of the ledger: indexed, dead, missing or different."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import elasticsearch
import pytest

from services.status import verification
from services.status.verification import resend_stories, verify, verify_ledger, wait_for_stories
from tests.fakes import FakeProducer
from tests.unit.status.conftest import Installation, article_id


def verdict(installation: Installation, revision: int = 5, content_hash: str = "a") -> str:
    """The verdict on the first article, which has this revision in the ledger."""
    found = verify_ledger(installation.settings, [(article_id(1), revision, content_hash)])
    assert found.articles == 1
    counts = {"indexed": found.indexed, "dead": found.dead}
    counts |= {"missing": len(found.missing), "different": len(found.different)}
    assert sum(counts.values()) == 1
    return next(name for name, count in counts.items() if count)


def test_an_article_at_its_revision_with_its_hash_is_indexed(installation: Installation) -> None:
    installation.index(1, revision=5)
    assert verdict(installation) == "indexed"


def test_an_article_that_is_nowhere_is_missing(installation: Installation) -> None:
    installation.index(2, revision=5)
    assert verdict(installation) == "missing"


@pytest.mark.parametrize("revision", [4, 6])
def test_another_revision_is_different(installation: Installation, revision: int) -> None:
    installation.index(1, revision)
    assert verdict(installation, revision=5) == "different"


def test_another_hash_is_different(installation: Installation) -> None:
    installation.index(1, revision=5, content_hash="b")
    assert verdict(installation, content_hash="a") == "different"


def test_a_letter_of_the_revision_is_an_end(installation: Installation) -> None:
    installation.bury(article_id(1), revision=5)
    assert verdict(installation, revision=5) == "dead"


def test_a_letter_of_an_older_revision_leaves_the_article_missing(installation: Installation) -> None:
    installation.bury(article_id(1), revision=4)
    assert verdict(installation, revision=5) == "missing"


def test_the_newest_of_several_letters_counts(installation: Installation) -> None:
    """Letters are in the order in which they failed, which can differ from the order of revisions."""
    installation.bury(article_id(1), revision=5)
    installation.bury(article_id(1), revision=4)
    assert verdict(installation, revision=5) == "dead"


def test_a_letter_without_any_revision_covers_none(installation: Installation) -> None:
    installation.bury(article_id(1), revision=None)
    assert verdict(installation, revision=5) == "missing"


def test_an_update_that_died_over_an_indexed_article_is_dead(installation: Installation) -> None:
    installation.index(1, revision=4)
    installation.bury(article_id(1), revision=5)
    assert verdict(installation, revision=5) == "dead"


def test_a_letter_of_an_older_revision_excuses_no_older_document(installation: Installation) -> None:
    installation.index(1, revision=3)
    installation.bury(article_id(1), revision=4)
    assert verdict(installation, revision=5) == "different"


def test_an_article_that_died_and_was_replayed_is_indexed(installation: Installation) -> None:
    """Its letter may still exist. It only matters that the document is right."""
    installation.bury(article_id(1), revision=5)
    installation.index(1, revision=5)
    assert verdict(installation, revision=5) == "indexed"


def test_a_storys_letter_is_no_articles(installation: Installation) -> None:
    """A story has the id of the article that opened it."""
    installation.bury(article_id(1), revision=5, topic="news.stories")
    assert verdict(installation, revision=5) == "missing"


def test_a_letter_that_was_dropped_excuses_nothing(installation: Installation) -> None:
    installation.bury(article_id(1), revision=5)
    installation.kafka.append("news.articles.dead", b"news.articles.raw/0/0", None)
    assert verdict(installation, revision=5) == "missing"


def test_a_long_ledger_is_looked_up_in_chunks(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CHUNK", 2)
    for number in (0, 1, 3, 4):
        installation.index(number)
    installation.index(4, content_hash="b")
    installation.bury(article_id(2), revision=1)
    ledger = ((article_id(number), 1, "a") for number in range(7))
    assert verify_ledger(installation.settings, ledger).to_dict() == {
        "articles": 7,
        "indexed": 3,
        "dead": 1,
        "missing": [article_id(5), article_id(6)],
        "different": [article_id(4)],
        "stories": 0,
        "missing_stories": [],
    }
    asked = [content["ids"] for _, path, content in installation.server.requests if path.endswith("_mget")]
    assert [len(ids) for ids in asked] == [2, 2, 2, 1]


def test_the_index_is_refreshed_before_it_is_asked(installation: Installation) -> None:
    """An article that is written but not yet searchable is not missing."""
    verify_ledger(installation.settings, [(article_id(1), 1, "a")])
    paths = [path for _, path, _ in installation.server.requests]
    assert paths == ["/news.articles", "/news.articles/_refresh", "/news.articles/_mget"]


def test_an_empty_ledger_is_in_order(installation: Installation) -> None:
    found = verify_ledger(installation.settings, [])
    assert (found.articles, found.missing, found.different) == (0, [], [])


def test_without_elasticsearch_there_is_no_verdict(installation: Installation) -> None:
    installation.server.is_down = True
    with pytest.raises(elasticsearch.ConnectionError):
        verify_ledger(installation.settings, [(article_id(1), 1, "a")])


STORY, OTHER = article_id(100), article_id(101)


@pytest.fixture
def storied(installation: Installation) -> Installation:
    """An installation with the topic and the index of stories."""
    installation.kafka.make_topic("news.stories", partitions=2)
    installation.server.answer("PUT", "/news.stories-all", None)
    return installation


def send_story(installation: Installation, story_id: str, revision: int, partition: int = 0) -> None:
    """Put a message of a story into its topic."""
    value = json.dumps({"story_id": story_id, "revision": revision}).encode()
    installation.kafka.append("news.stories", story_id.encode(), value, partition=partition)


def missing_stories(installation: Installation) -> list[str]:
    return sorted(verify(installation.settings, []).missing_stories)


def test_a_story_must_be_indexed_at_its_last_revision(storied: Installation) -> None:
    send_story(storied, STORY, revision=4)
    send_story(storied, STORY, revision=5)
    send_story(storied, OTHER, revision=1, partition=1)
    assert missing_stories(storied) == sorted([STORY, OTHER])
    storied.server.put("news.stories-all", STORY, {"revision": 4})
    storied.server.put("news.stories-all", OTHER, {"revision": 1})
    assert missing_stories(storied) == [STORY]
    storied.server.put("news.stories-all", STORY, {"revision": 6})
    assert missing_stories(storied) == []


def test_a_story_that_an_article_names_must_exist(storied: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "CHUNK", 2)
    stories = [article_id(number) for number in range(200, 205)]
    for number, story_id in enumerate(stories):
        storied.server.put("news.articles", article_id(number), {"revision": 1, "story_id": story_id})
        storied.server.put("news.stories-all", story_id, {"revision": 1})
    assert missing_stories(storied) == []
    del storied.server.documents("news.stories-all")[stories[3]]
    storied.server.put("news.articles", article_id(9), {"revision": 1, "story_id": OTHER})
    assert OTHER in missing_stories(storied)


def test_a_dead_story_is_accounted_for(storied: Installation) -> None:
    send_story(storied, STORY, revision=5)
    storied.bury(STORY, revision=4, topic="news.stories")
    assert missing_stories(storied) == [STORY]
    storied.bury(STORY, revision=5, topic="news.stories")
    assert missing_stories(storied) == []


def test_poison_among_the_stories_is_passed_over(storied: Installation) -> None:
    storied.kafka.append("news.stories", b"x", b"no JSON")
    storied.kafka.append("news.stories", b"x", b"[]")
    storied.kafka.append("news.stories", b"x", None)
    assert verify(storied.settings, []).stories == 0


def test_missing_stories_are_sent_again_as_they_were(storied: Installation) -> None:
    send_story(storied, STORY, revision=4)
    send_story(storied, STORY, revision=5)
    send_story(storied, OTHER, revision=1)
    producer: Any = FakeProducer()
    assert resend_stories(storied.settings, producer, [STORY, article_id(300)]) == {STORY: 5}
    ((topic, key, value),) = producer.sent
    assert (topic, key, json.loads(value)["revision"]) == ("news.stories", STORY.encode(), 5)


def test_stories_are_waited_for_until_the_index_has_them(
    storied: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [3, 4, 5]

    def nap(_: float) -> None:
        storied.server.put("news.stories-all", STORY, {"revision": looks.pop(0)})

    monkeypatch.setattr(verification, "time", SimpleNamespace(monotonic=time.monotonic, sleep=nap))
    wait_for_stories(storied.settings, {STORY: 5}, patience_seconds=60)
    assert looks == []
    wait_for_stories(storied.settings, {OTHER: 1}, patience_seconds=0)
