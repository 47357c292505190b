"""`dragoman search`: what a person and a script see of the hits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from services.cli.search import headline, show
from services.search.search import Hit, SearchResult
from tests.fakes import FakeElasticsearch

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]


@pytest.fixture
def news(elastic: FakeElasticsearch, example: Example) -> FakeElasticsearch:
    """An article of 2021 and its copy, and another one without a date or a title."""
    opened, copy = (example("articles.grouped", name) for name in ("v2-opened", "v2-duplicate"))
    other = example("articles.grouped", "v2-opened", title=None, text="A fire [in] Oslo.", published_at=None)
    other |= {"language": {"code": "en"}, "entities": [], "duplicate_group": "x", "fetched_at": "2020-01-01T00:00:00Z"}
    for number, source in enumerate((opened, copy, other)):
        elastic.put("articles-v2", f"a{number}", source | {"guid": str(number)})
    elastic.aliases["articles"] = {"articles-v2": True}
    return elastic


def guids(result: Any) -> list[str]:
    return [hit["article"]["guid"] for hit in json.loads(result.stdout)["hits"]]


@pytest.mark.usefixtures("news")
def test_json_has_the_total_and_the_hits(dragoman: Run) -> None:
    result = dragoman("search", "*", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found.keys() == {"total", "hits"}
    assert found["total"] == 2
    first, second = found["hits"]
    assert first.keys() == {"article", "score", "highlights", "duplicates"}
    assert (first["article"]["guid"], first["duplicates"], second["duplicates"]) == ("0", 1, 0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["*", "--duplicates"], ["0", "1", "2"]),
        (["*", "--limit", "1"], ["0"]),
        (["*", "--language", "en"], ["2"]),
        (["*", "--entity", "Q58217"], ["0"]),
        (["*", "--from", "2021-03-19"], ["0"]),
        (["*", "--from", "2021-03-20"], []),
        (["*", "--to", "2021-03-19"], ["0"]),
        (["*", "--to", "2021-03-18T12:00"], []),
        (["oslo"], ["2"]),
    ],
)
@pytest.mark.usefixtures("news")
def test_options_choose_the_hits(dragoman: Run, options: list[str], expected: list[str]) -> None:
    assert guids(dragoman("search", "--json", *options)) == expected


@pytest.mark.usefixtures("news")
def test_a_person_sees_title_facts_and_copies(dragoman: Run) -> None:
    assert dragoman("search", "*").stdout.splitlines() == [
        "2 found",
        "Lavrov bezoekt China",
        "  nl  2021-03-19  example  story 5c7ba90a  score 1.00  +1 duplicates",
        "A fire [in] Oslo.",
        "  en  -  example  story 5c7ba90a  score 1.00",
    ]
    assert "score 1.00  duplicate of 5c7ba90a" in dragoman("search", "*", "--duplicates").stdout


@pytest.mark.usefixtures("news")
def test_nothing_found_is_said(dragoman: Run) -> None:
    result = dragoman("search", "flood")
    assert (result.exit_code, result.stdout) == (0, "Nothing found.\n")


def test_highlights_stand_below_their_article(
    example: Example, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    hit = Hit(example("articles.grouped", "v2-opened"), 2.5, ("a <em>visit</em> [to] China",), 0)
    show(SearchResult(1, (hit,)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].endswith("score 2.50")
    assert lines[3:] == ["  … a visit [to] China …"]


def test_a_long_title_is_cut_between_words() -> None:
    assert headline({"title": None, "text": "word " * 40}, 20) == "word word word…"
    assert headline({"title": "Short", "text": "x"}) == "Short"
    assert headline({}) == ""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["x", "--from", "2022-01-01", "--to", "2021-01-01"], "--from 2022-01-01 is later than --to 2021-01-01."),
        (["x", "--to", "soon"], "--to 'soon' is not a date. Write it as 2021-03-19."),
        (["x"], "There is no index articles yet. Start the stack with `dragoman up`."),
    ],
)
@pytest.mark.usefixtures("elastic")
def test_what_cannot_be_searched_is_said(dragoman: Run, options: list[str], sentence: str) -> None:
    result = dragoman("search", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{sentence}\n")
