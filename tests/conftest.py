"""What every test may use: articles by hand, and one real stack for the tests that need it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.article import ContentType, EnrichedArticle, RawArticle
from services.producer.identity import article_id_of, content_hash_of

ROOT = Path(__file__).parents[1]
SEEDS = ROOT / "seeds" / "articles"
NOW = datetime(2023, 6, 1, 12, tzinfo=UTC)
DRAGOMAN = Path(sys.executable).with_name("dragoman")
os.environ.setdefault("DRAGOMAN_SERVER_COMPILER", "quick")  # the stacks of tests end before the other one pays


@pytest.fixture(scope="session")
def raw_article() -> Callable[..., RawArticle]:
    """Makes a raw article from its content; everything else has a default."""

    def make(content: str, *, guid: str = "1.txt", **fields: Any) -> RawArticle:
        values: dict[str, Any] = {
            "article_id": article_id_of("test", guid, None),
            "source_id": "test",
            "guid": guid,
            "content_type": ContentType.TEXT,
            "fetched_at": NOW,
            "content_hash": content_hash_of(content, None, None, None, None),
            "revision": 1_685_620_800,
        }
        return RawArticle(content=content, **(values | fields))

    return make


@pytest.fixture(scope="session")
def enriched(raw_article: Callable[..., RawArticle]) -> Callable[..., EnrichedArticle]:
    """Enriches a text with the real stages, without vectors."""
    from services.worker.stages import enrich, stage_slice

    def make(content: str, **fields: Any) -> EnrichedArticle:
        return enrich(raw_article(content, **fields), stage_slice((), vectors=False))

    return make


@pytest.fixture(scope="session")
def seed_texts() -> dict[str, str]:
    """The five seed articles by file name."""
    return {path.name: path.read_text(encoding="utf8") for path in sorted(SEEDS.iterdir())}


@dataclass
class Stack:
    """A running stack of its own, driven through the command line as a user does."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run `dragoman …`; a failure shows what it said."""
        result = subprocess.run(
            [str(DRAGOMAN), *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment, "DRAGOMAN_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and result.returncode:
            logs = "\n".join(
                f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in self.home.glob("logs/*.log")
            )
            pytest.fail(f"dragoman {' '.join(arguments)}: {result.returncode}\n{result.stdout}{result.stderr}\n{logs}")
        return result

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and read what it prints."""
        import json

        return json.loads(self.run(*arguments, "--json").stdout)

    def documents(self, index: str) -> dict[str, dict[str, Any]]:
        """Every document of an index, by id, as Elasticsearch has it now."""
        from services.common.elastic import make_client
        from services.common.settings import ElasticsearchSettings

        client = make_client(ElasticsearchSettings(home=self.home))
        try:
            client.indices.refresh(index=index)
            hits = client.search(index=index, size=10_000)["hits"]["hits"]
        finally:
            client.close()
        found = {hit["_id"]: hit["_source"] for hit in hits}
        assert len(found) == len(hits), "no id twice"
        return found


def start(home: Path, *arguments: str, **environment: str) -> Stack:
    """Start a stack in this home."""
    stack = Stack(home, dict(environment))
    stack.run("up", "--detach", *arguments)
    return stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """One stack for all tests that do not break it; stopped also when they fail."""
    home = Path(tempfile.mkdtemp(prefix="dragoman-test-"))
    running = Stack(home)
    try:
        yield start(home)
    finally:
        running.run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def settings_of(stack: Stack) -> Callable[..., Any]:
    """Makes a service's settings that point at the running stack, as its commands find it."""

    def make(settings: type[Any], **values: Any) -> Any:
        return settings(home=stack.home, **values)

    return make
