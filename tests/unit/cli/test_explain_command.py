"""`dragoman explain`: the decision that is stored, and the comparison that dedup makes."""

from __future__ import annotations

import io
import json
import urllib.error
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from services.cli import explain
from tests.fakes import FakeElasticsearch

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]
FIRE, COPY, FLOOD, SPLICE = (f"{digit * 8}-0000-5000-8000-{digit * 12}" for digit in "abcd")
PARTS = [{"feature": "keys", "value": 1.5, "score": 2.25}, {"feature": "new_one", "value": 0, "score": -0.5}]
COPIED = {
    "level": "rewrite",
    "shingle_containment": 0.5,
    "word_containment": 0.75,
    "shared_facts": 4,
    "missing_facts": 1,
    "shared": ["4,500", "Utrecht"],
    "missing": ["Oslo"],
}
JOINED = {
    "opened": False,
    "nearest": FIRE,
    "shared": ["Utrecht"],
    "numbers": ["4,500"],
    "gap_days": 1.25,
    "parts": PARTS,
    "threshold": 0.5,
    "runner_up": FLOOD,
    "runner_up_score": 0.1,
    "margin": 1.4,
}


@pytest.fixture
def news(elastic: FakeElasticsearch, example: Example) -> FakeElasticsearch:
    """A fire that opened its story, a copy that joined it, a flood that missed it, and a splice that was moved."""
    opened = {"opened": True, "nearest": None}
    missed = {**JOINED, "opened": True, "margin": 0.2, "gap_days": None}
    moved = {**JOINED, "moved_by": f"merge of {FIRE}", "vetoes": [f"{FLOOD}: split"], "margin": None}
    fields: dict[str, dict[str, Any]] = {
        FIRE: {"title": "Fire", "story_reason": opened, "duplicate_group": FIRE},
        COPY: {
            "title": "Copy [2]",
            "story_reason": JOINED,
            "story_score": 1.75,
            "duplicate_group": FIRE,
            "duplicate_of": FIRE,
            "duplicate_score": 0.5,
            "duplicate_reason": COPIED,
        },
        FLOOD: {"title": "Flood", "story_reason": missed, "story_id": FLOOD, "duplicate_group": FLOOD},
        SPLICE: {
            "title": None,
            "headline": "A splice.",
            "text": "A splice.",
            "story_reason": moved,
            "duplicate_group": SPLICE,
            "supersedes": COPY,
            "duplicate_links": [{"article_id": FLOOD, "shingle_containment": 0.25}],
        },
    }
    for number, (one, values) in enumerate(fields.items()):
        stated = {"article_id": one, "guid": f"guid {number}", "url": None, "story_id": FIRE, "duplicate_links": []}
        elastic.put("articles-v2", one, example("articles.grouped", "v2-opened") | stated | values)
    elastic.aliases["articles"] = {"articles-v2": True}
    elastic.indices["stories"] = type(elastic.indices["articles-v2"])()
    return elastic


@pytest.fixture
def dedup(monkeypatch: pytest.MonkeyPatch, home: Path) -> Callable[[Any], list[str]]:
    """A dedup at DRAGOMAN_DEDUP_URL that answers with this, or raises it. Returns the URLs that were asked for."""
    del home

    def serve(answer: Any) -> list[str]:
        asked: list[str] = []

        def open_url(url: str, timeout: float) -> io.BytesIO:
            assert timeout > 0
            asked.append(url)
            if isinstance(answer, Exception):
                raise answer
            return io.BytesIO(json.dumps(answer).encode())

        monkeypatch.setenv("DRAGOMAN_DEDUP_URL", "http://dedup:9100/")
        monkeypatch.setattr("urllib.request.urlopen", open_url)
        return asked

    return serve


def compared(**fields: Any) -> dict[str, Any]:
    values = {"duplicate": None, "duplicate_veto": None, "shingle_containment": 0.25, "score": 0.75, "threshold": 0.5}
    return {**values, "gap_days": 0.5, "parts": PARTS, "shared": ["Utrecht"], "notes": ["a note"]} | fields


# --- one article ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("news")
def test_json_of_a_decision(dragoman: Run) -> None:
    report = json.loads(dragoman("explain", COPY, "--json").stdout)
    assert report == {
        "article_id": COPY,
        "title": "Copy [2]",
        "duplicate_of": FIRE,
        "duplicate_score": 0.5,
        "duplicate_reason": COPIED,
        "duplicate_links": [],
        "supersedes": None,
        "story_id": FIRE,
        "story_score": 1.75,
        "story_reason": JOINED,
        "grouping_version": 1,
        "titles": {FIRE: "Fire", FLOOD: "Flood"},
    }


@pytest.mark.usefixtures("news")
def test_a_copy_that_joined_tells_of_what_and_why(dragoman: Run) -> None:
    said = [line.rstrip() for line in dragoman("explain", "guid 1").stdout.splitlines()]
    assert said[:10] == [
        "Copy [2]",
        "A rewrite of: Fire",
        "  50% of the word pairs, 75% of the words, 4 shared facts, 1 missing facts",
        "  shared facts: 4,500, Utrecht",
        "  missing facts: Oslo",
        "Joined story aaaaaaaa with a score of 1.75. Nearest article:",
        "  Fire",
        "  shared names: Utrecht",
        "  shared numbers: 4,500",
        "  1.2 days between the stated dates",
    ]
    table = [line.split() for line in said[10:13]]
    assert table[0] == ["evidence", "value", "adds"]
    assert table[1] == ["names", "and", "entities", "1.50", "+2.25"]
    assert table[2] == ["new_one", "0.00", "-0.50"]
    assert said[13] == "Next story: Flood. It lost by 1.40."


@pytest.mark.usefixtures("news")
def test_an_article_without_neighbours_opened_its_story(dragoman: Run) -> None:
    assert dragoman("explain", FIRE[:8]).stdout.splitlines() == [
        "Fire",
        "Opened its story: no article in the window shares a rare name, number or word with it.",
    ]


@pytest.mark.usefixtures("news")
def test_a_story_that_was_missed_is_told_with_the_distance(dragoman: Run) -> None:
    said = dragoman("explain", FLOOD).stdout
    assert "Opened its story: the nearest one missed the threshold of 0.5 by 0.20. Nearest:\n  Fire\n" in said
    assert "  no dates to compare\n" in said
    assert "Next story" not in said


@pytest.mark.usefixtures("news")
def test_what_was_moved_superseded_linked_and_vetoed_is_told_by_titles(dragoman: Run) -> None:
    said = dragoman("explain", SPLICE).stdout.splitlines()
    assert said[0] == "A splice."
    for line in (
        "A later version of the agency's own text: Copy [2]",
        "Shares 25% of the shorter text with: Flood",
        "Is in story aaaaaaaa by a merge of aaaaaaaa “Fire”",
        "Next story: Flood.",
        "Not taken: story cccccccc “Flood”: split",
    ):
        assert line in said


@pytest.mark.usefixtures("news")
def test_an_unknown_article_is_refused(dragoman: Run) -> None:
    for arguments in (["nothing"], [FIRE, "nothing"]):
        result = dragoman("explain", *arguments)
        assert result.exit_code == 2
        assert "No article has the id, guid or URL 'nothing'." in result.stderr


# --- two articles -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("news")
def test_json_of_a_comparison(dragoman: Run, dedup: Callable[[Any], list[str]]) -> None:
    asked = dedup(compared())
    report = json.loads(dragoman("explain", FIRE, COPY, "--json").stdout)
    assert asked == [f"http://dedup:9100/explain?one={FIRE}&other={COPY}"]
    assert report == {
        "articles": [FIRE, COPY],
        "titles": ["Fire", "Copy [2]"],
        "same_story": True,
        "same_group": True,
        "compared": compared(),
        "problem": None,
        "stored": [{"article_id": FIRE, "opened": True, "nearest": None}, {"article_id": COPY, **JOINED}],
    }


@pytest.mark.parametrize(
    ("answer", "lines"),
    [
        (
            {},
            [
                "Not copies: both have 25% of the shorter text's word pairs.",
                "As a pair they score 0.75, enough by themselves (0.5).",
            ],
        ),
        (
            {"duplicate_veto": "numbers differ", "score": 0.25},
            [
                "Not copies: both have 25% of the shorter text's word pairs, but numbers differ.",
                "As a pair they score 0.25, not enough by themselves (0.5).",
            ],
        ),
        ({"duplicate": COPIED}, ["A rewrite of: each other", "Note: a note", "  shared names: Utrecht"]),
    ],
)
@pytest.mark.usefixtures("news")
def test_a_comparison_is_told(
    dragoman: Run, dedup: Callable[[Any], list[str]], answer: dict[str, Any], lines: list[str]
) -> None:
    dedup(compared(**answer))
    said = dragoman("explain", FIRE, COPY).stdout.splitlines()
    assert said[:3] == ["Fire", "Copy [2]", "They are in the same story and in the same group of copies."]
    assert set(lines) <= set(said)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (urllib.error.HTTPError("u", 404, "no", Message(), None), "One of the articles has left the window of dedup"),
        (urllib.error.HTTPError("u", 500, "no", Message(), None), "Dedup at http://dedup:9100 answers 500."),
        (OSError("refused"), "Dedup at http://dedup:9100 does not answer."),
    ],
)
@pytest.mark.usefixtures("news")
def test_where_dedup_has_no_answer_what_is_stored_is_told(
    dragoman: Run, dedup: Callable[[Any], list[str]], answer: Exception, sentence: str
) -> None:
    dedup(answer)
    result = dragoman("explain", COPY, FLOOD)
    assert result.exit_code == 0
    assert result.stderr.startswith(sentence)
    assert result.stderr.endswith("The stored reasons:\n")
    said = result.stdout.splitlines()
    assert said[2] == "They are in two different stories."
    assert {"bbbbbbbb:", "cccccccc:", "  shared names: Utrecht"} <= set(said)


@pytest.mark.usefixtures("news")
def test_without_an_address_it_says_which_setting_is_missing(dragoman: Run) -> None:
    report = json.loads(dragoman("explain", FIRE, FLOOD, "--json").stdout)
    assert report["problem"] == "The address of dedup is not known: set DRAGOMAN_DEDUP_URL. The stored reasons:"
    assert (report["compared"], report["same_story"], report["same_group"]) == (None, False, False)


@pytest.mark.usefixtures("home")
def test_dedup_of_the_local_stack_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.status.metrics_urls", lambda _: {"dedup": "http://127.0.0.1:7/metrics"})
    assert explain.dedup_address() == "http://127.0.0.1:7"
    monkeypatch.setenv("DRAGOMAN_DEDUP_URL", "http://dedup/")
    assert explain.dedup_address() == "http://dedup"
