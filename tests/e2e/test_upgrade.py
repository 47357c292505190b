"""A home that version 0.1 has left: 45 articles, two of which a person has merged, and stories that were emptied.

`tests/upgrade/home-v1.tar.xz` was made by commit a1e0ec6 with `up --workers 1`, `replay seeds/articles`,
`replay` of `tests.articles.make_articles(40, seed=77)`, `stories merge` and `down`, without vectors.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.common.elastic import EVERY_STORY
from tests.conftest import ROOT, Stack

ARCHIVE = ROOT / "tests" / "upgrade" / "home-v1.tar.xz"
ARTICLES = 45


@pytest.fixture(scope="module")
def old_home() -> Iterator[Stack]:
    home = Path(tempfile.mkdtemp(prefix="dragoman-v1-"))
    stack = Stack(home, {"DRAGOMAN_VECTORS": "false"})
    try:
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(home, filter="data")
        yield stack
    finally:
        stack.run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


def test_a_home_of_version_1_goes_on_and_gets_the_new_fields(old_home: Stack, tmp_path: Path) -> None:
    said = old_home.run("up", "--detach", "--workers", "1").stderr
    assert "articles-v1 and stories-v1 were made by an earlier version" in said
    assert "dragoman reindex" in said
    before = old_home.documents("articles")
    assert len(before) == ARTICLES
    assert old_home.run("verify").returncode == 0

    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "new.txt").write_text(
        "The lighthouse of Utsira will be painted in June, the keeper said.", encoding="utf8"
    )
    assert "1 searchable" in old_home.run("replay", str(folder), "--wait").stdout
    (new,) = [article for name, article in old_home.documents("articles").items() if name not in before]
    assert new["headline"] == "The lighthouse of Utsira will be painted in June, the keeper said."

    report = old_home.json("reindex", "--delete-old")
    assert report["documents"]["articles"] == ARTICLES + 1
    after = old_home.documents("articles")
    assert after.keys() == {*before, new["article_id"]}
    for name, old in before.items():
        kept = ("revision", "decision_seq", "title", "text", "story_id", "duplicate_of", "published_at")
        assert {field: after[name][field] for field in kept} == {field: old[field] for field in kept}
        assert {"content", "paragraphs"} & after[name].keys() == set()
        assert after[name]["headline"]
        assert after[name]["event_at"]
    assert [line["text"] for line in old["paragraphs"] if not line["kept"]] == [
        line["text"] for line in after[name]["removed"]
    ]
    assert old_home.run("verify").returncode == 0
    check_edits(old_home, after)


def test_what_kafka_keeps_is_enriched_once_more(old_home: Stack) -> None:
    """The raw articles of the archive may be gone by now; the one that came after the upgrade is there."""
    before = old_home.documents("articles")
    (new,) = [article for article in before.values() if article["raw"]]
    assert old_home.run("raw", new["article_id"]).stdout.startswith("The lighthouse of Utsira")
    assert old_home.json("reenrich")["sent"] >= 1
    deadline = time.monotonic() + 90
    while (now := old_home.documents("articles"))[new["article_id"]]["enrichment"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    again = now[new["article_id"]]
    assert (again["revision"], again["decision_seq"]) == (new["revision"], new["decision_seq"] + 1)
    kept = ("story_id", "duplicate_of", "text", "headline", "content_hash")
    assert {name: again[name] for name in kept} == {name: new[name] for name in kept}
    assert again["raw"]["offset"] != new["raw"]["offset"] or again["raw"]["partition"] != new["raw"]["partition"]
    assert old_home.run("verify").returncode == 0
    trace = old_home.json("trace", new["article_id"])
    assert all(step["at"] for step in trace["steps"])
    assert set(trace["stages"]) == {"extraction", "language", "normalizer", "entities", "fingerprint"}


def check_edits(stack: Stack, articles: dict[str, dict[str, Any]]) -> None:
    """The merge of a person holds, and the story that it emptied leads to the other one."""
    (edit,) = stack.json("stories", "edits")
    stories = {articles[article_id]["story_id"] for article_id in edit["articles"]}
    assert len(stories) == 1
    shown, every = stack.documents("stories"), stack.documents(EVERY_STORY)
    emptied = {name: story for name, story in every.items() if story["merged_into"]}
    assert emptied
    assert shown.keys() == every.keys() - emptied.keys()
    (name,) = [name for name, story in emptied.items() if story["merged_into"] in stories]
    assert stack.json("stories", "show", name)["story_id"] in stories
