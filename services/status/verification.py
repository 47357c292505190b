"""Compares what was sent with the index and the dead letters: article by article, and story by story."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
from elasticsearch import Elasticsearch

from schemas.dead_letter import DeadLetter
from schemas.topics import STORIES
from services.common.dead_letters import dead_articles, dead_stories, read_letters
from services.common.elastic import EVERY_STORY, make_client, revisions_of
from services.common.producer import SafeProducer
from services.common.records import read_records
from services.common.settings import ElasticsearchSettings

CHUNK = 1000
POLL_SECONDS = 0.5


@dataclass(slots=True)
class Verification:
    """The result. `different` articles are indexed at another revision or with another content hash.

    `missing_stories` are not in the index at their last revision, although dedup sent it or an article names the story.
    """

    articles: int = 0
    indexed: int = 0
    dead: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    stories: int = 0
    missing_stories: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether everything that was sent is indexed or dead."""
        return not (self.missing or self.different or self.missing_stories)

    def to_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            "articles": self.articles,
            "indexed": self.indexed,
            "dead": self.dead,
            "missing": self.missing,
            "different": self.different,
            "stories": self.stories,
            "missing_stories": self.missing_stories,
        }


def verify(settings: ElasticsearchSettings, ledger: Iterable[tuple[str, int, str]]) -> Verification:
    """Check every article of the ledger, and every story that dedup has sent or that an indexed article names."""
    letters = list(read_letters(settings))
    found = verify_ledger(settings, ledger, letters)
    client = make_client(settings)
    try:
        wanted = sent_stories(settings)
        for story_id in named_stories(client, settings.name("articles")):
            wanted.setdefault(story_id, 0)
        dead = newest(dead_stories(settings, letters))
        found.stories = len(wanted)
        found.missing_stories = [
            story_id
            for story_id in absent_stories(client, settings.name(EVERY_STORY), wanted)
            if dead.get(story_id, 0) < max(1, wanted[story_id])
        ]
    finally:
        client.close()
    return found


def sent_stories(settings: ElasticsearchSettings) -> dict[str, int]:
    """The last revision of each story in the topic. The topic is compacted, so it has all of them."""
    return newest((story_id, revision) for story_id, revision, _ in story_messages(settings))


def story_messages(settings: ElasticsearchSettings) -> Iterator[tuple[str, int, bytes]]:
    """Id, revision and bytes of each message in the topic of stories."""
    for record in read_records(settings, STORIES):
        try:
            read = orjson.loads(record.value or b"")
            yield str(read["story_id"]), int(read["revision"]), record.value
        except (ValueError, KeyError, TypeError):
            continue  # poison: its dead letter accounts for it


def resend_stories(settings: ElasticsearchSettings, producer: SafeProducer, story_ids: Iterable[str]) -> dict[str, int]:
    """Send the last message of these stories again. Returns their revisions.

    A story without a message comes with the next of its articles.
    """
    wanted = set(story_ids)
    last: dict[str, tuple[int, bytes]] = {}
    for story_id, revision, value in story_messages(settings) if wanted else ():
        if story_id in wanted and revision >= last.get(story_id, (0, b""))[0]:
            last[story_id] = (revision, value)
    for story_id, (_, value) in last.items():
        producer.send(settings.topic(STORIES), story_id.encode(), value)
    producer.flush()
    return {story_id: revision for story_id, (revision, _) in last.items()}


def wait_for_stories(settings: ElasticsearchSettings, revisions: Mapping[str, int], patience_seconds: float) -> None:
    """Wait until the index has these stories at these revisions, or until the patience ends."""
    deadline = time.monotonic() + patience_seconds
    client = make_client(settings)
    try:
        while any(absent_stories(client, settings.name(EVERY_STORY), revisions)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    finally:
        client.close()


def named_stories(client: Elasticsearch, index: str) -> Iterator[str]:
    """The ids of all stories that articles name."""
    after: dict[str, Any] = {}
    while True:
        composite = {"size": CHUNK, "sources": [{"story": {"terms": {"field": "story_id"}}}], **after}
        answer: Any = client.search(index=index, size=0, aggs={"stories": {"composite": composite}})
        buckets = answer["aggregations"]["stories"]["buckets"]
        yield from (bucket["key"]["story"] for bucket in buckets)
        if len(buckets) < CHUNK:
            return
        after = {"after": answer["aggregations"]["stories"]["after_key"]}


def absent_stories(client: Elasticsearch, index: str, wanted: Mapping[str, int]) -> Iterator[str]:
    """The stories that the index does not have at their last revision."""
    ids = iter(wanted)
    while chunk := list(islice(ids, CHUNK)):
        revisions = revisions_of(client, index, chunk)
        for story_id in chunk:
            if revisions.get(story_id, -1) < wanted[story_id]:
                yield story_id


def newest(dead: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The largest revision of each id. Letters are in the order in which they failed."""
    revisions: dict[str, int] = {}
    for name, revision in dead:
        revisions[name] = max(revision, revisions.get(name, 0))
    return revisions


def verify_ledger(
    settings: ElasticsearchSettings, ledger: Iterable[tuple[str, int, str]], letters: Iterable[DeadLetter] | None = None
) -> Verification:
    """Check that every (article id, revision, content hash) of the ledger is indexed exactly so, or dead."""
    dead = newest(dead_articles(settings, read_letters(settings) if letters is None else letters))
    found = Verification()
    client = make_client(settings)
    index = settings.name("articles")
    lines = iter(ledger)
    try:
        client.indices.refresh(index=index)
        while chunk := list(islice(lines, CHUNK)):
            _verify_chunk(client, index, chunk, dead, found)
    finally:
        client.close()
    return found


def _verify_chunk(
    client: Elasticsearch, index: str, chunk: list[tuple[str, int, str]], dead: dict[str, int], found: Verification
) -> None:
    ids = [article_id for article_id, _, _ in chunk]
    answer: Any = client.mget(index=index, ids=ids, source_includes=["revision", "content_hash"])
    documents = {doc["_id"]: doc["_source"] for doc in answer["docs"] if doc.get("found")}
    for article_id, revision, content_hash in chunk:
        found.articles += 1
        document = documents.get(article_id)
        if document is None:
            if dead.get(article_id, 0) >= revision:
                found.dead += 1
            else:
                found.missing.append(article_id)
        elif document["revision"] < revision <= dead.get(article_id, 0):
            found.dead += 1
        elif document["revision"] != revision or document["content_hash"] != content_hash:
            found.different.append(article_id)
        else:
            found.indexed += 1
