"""The five seed articles through everything, as a user drives it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, SEEDS, Stack, start

SEEDS_GOLD = ROOT / "benchmarks" / "quality" / "seeds-gold.json"
GOLD: dict[str, Any] = json.loads(SEEDS_GOLD.read_text(encoding="utf8"))["docs"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A stack of its own: the decisions on five articles depend on what else is there."""
    home = Path(tempfile.mkdtemp(prefix="dragoman-seeds-"))
    try:
        yield start(home)
    finally:
        Stack(home).run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def documents(stack: Stack) -> dict[str, dict[str, Any]]:
    assert "5 searchable, 0 dead" in stack.run("replay", str(SEEDS), "--source-id", "seeds", "--wait").stdout
    return seed_documents(stack)


def seed_documents(stack: Stack) -> dict[str, dict[str, Any]]:
    hits = stack.json("search", "*", "--limit", "1000", "--duplicates")["hits"]
    return {hit["article"]["guid"]: hit["article"] for hit in hits if hit["article"]["source_id"] == "seeds"}


@pytest.mark.parametrize("name", GOLD)
def test_the_document_agrees_with_the_gold(documents: dict[str, dict[str, Any]], name: str) -> None:
    document, gold = documents[name], GOLD[name]
    assert document["language"]["code"] == gold["lang"]
    assert (document["published_at"] or "")[:10] == (gold["published"] or "")
    assert set(gold["entities"]) <= {entity["id"] for entity in document["entities"]}
    assert document["duplicate_of"] is None


def test_five_stories(documents: dict[str, dict[str, Any]]) -> None:
    assert len({document["story_id"] for document in documents.values()}) == 5


def test_replaying_again_changes_nothing(stack: Stack, documents: dict[str, dict[str, Any]]) -> None:
    again = stack.run("replay", str(SEEDS), "--source-id", "seeds", "--wait", "--loop", "2")
    assert "10 messages confirmed, 5 articles" in again.stdout
    assert seed_documents(stack) == documents
    status = stack.json("status")
    assert status["books"]["balanced"]
    assert status["books"]["superseded"] >= 10


@pytest.mark.usefixtures("documents")
def test_dutch_words_find_the_dutch_article_through_stemming(stack: Stack) -> None:
    """`bezoeken` and `gesprek` are not in it; `bezoek` and `gesprekken` are."""
    found = stack.json("search", "bezoeken gesprek", "--language", "nl")
    assert [hit["article"]["guid"] for hit in found["hits"]] == ["001_57afb0cad2fcb8c3.txt"]
    assert "<em>" in found["hits"][0]["highlights"][0]


@pytest.mark.usefixtures("documents")
def test_filters_and_ranking(stack: Stack) -> None:
    found = stack.json("search", "*", "--entity", "Q485207", "--from", "2022-01-01", "--to", "2022-12-31")
    assert [hit["article"]["guid"] for hit in found["hits"]] == ["004_f0902b6a500e1174.txt"]
    ranked = stack.json("search", "peacemaker")
    assert ranked["hits"][0]["article"]["guid"] == "002_05a3f57faac5768a.txt"


@pytest.mark.parametrize("query", ['"', "((", "a AND", "~", "title:", "*:*", "\\"])
def test_odd_queries_never_end_in_a_stack_trace(stack: Stack, query: str) -> None:
    result = stack.run("search", query, check=False)
    assert result.returncode in (0, 2)
    assert "Traceback" not in result.stderr
