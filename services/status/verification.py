"""Compares the ledger with the index and the dead letters, article by article."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from elasticsearch import Elasticsearch

from services.common.dead_letters import dead_articles, read_letters
from services.common.elastic import make_client
from services.common.settings import ElasticsearchSettings

CHUNK = 1000


@dataclass(slots=True)
class Verification:
    """The result. `different` articles are indexed at another revision or with another content hash."""

    articles: int = 0
    indexed: int = 0
    dead: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            "articles": self.articles,
            "indexed": self.indexed,
            "dead": self.dead,
            "missing": self.missing,
            "different": self.different,
        }


def verify_ledger(settings: ElasticsearchSettings, ledger: Iterable[tuple[str, int, str]]) -> Verification:
    """Check that every (article id, revision, content hash) of the ledger is indexed exactly so, or dead."""
    dead: dict[str, int] = {}
    for article_id, revision in dead_articles(settings, read_letters(settings)):
        dead[article_id] = max(revision, dead.get(article_id, 0))
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
