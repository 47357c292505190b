"""`dragoman entities`: what is known, why it was linked, and how it is renewed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app
from services.entities.gazetteer import load_gazetteer
from services.entities.wikidata import build_from_dump

SAMPLE = Path(__file__).parents[2] / "data" / "wikidata-sample.json"
TEXT = (
    "Yesterday the correspondents of Le Monde wrote that Barack Obama and Emmanuel Macron will meet in Paris, France."
)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "names.tsv.gz"
    build_from_dump(SAMPLE, path)
    return path


@pytest.fixture(autouse=True)
def small_gazetteer(names: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample's names, without touching the ones that other tests have loaded."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    small = load_gazetteer(names)
    monkeypatch.setattr("services.entities.linker.load_gazetteer", lambda *_: small)


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["entities", *arguments], input=text)


@pytest.mark.parametrize("command", ["show", "find", "explain", "build"])
def test_help_has_examples(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output


def test_show_has_the_entity_and_its_spellings_by_language() -> None:
    shown = json.loads(run("show", "Q3052772", "--json").stdout)
    assert (shown["name"], shown["type"], shown["country"], shown["roles"]) == (
        "Emmanuel Macron",
        "PER",
        "FR",
        ["president"],
    )
    assert shown["spellings"]["ru"] == ["Эмманюэль Макрон"]
    assert shown["spellings"]["*"] == ["E. Macron", "Emmanuel Macron"]
    lines = run("show", "Q90").stdout
    assert "48.8567" in lines
    assert "巴黎" in lines


def test_find_puts_the_name_itself_before_what_contains_and_resembles_it() -> None:
    found = json.loads(run("find", "united states", "--json").stdout)
    assert [(one["id"], one["score"]) for one in found] == [("Q30", 100.0)]
    assert [one["id"] for one in json.loads(run("find", "obama", "--json").stdout)] == ["Q76"]
    assert [one["id"] for one in json.loads(run("find", "Emanuel Makron", "--json").stdout)] == ["Q3052772"]
    assert "Q76" in run("find", "Obama", "--limit", "1").stdout


def test_explain_says_what_was_linked_and_why() -> None:
    found = json.loads(run("explain", TEXT, "--language", "en", "--date", "2016-04-01", "--json").stdout)
    assert found["language"]["code"] == "en"
    entities = {one["id"]: one for one in found["entities"]}
    assert {"Q142", "Q90", "Q76"} <= entities.keys()
    assert all(one["reasons"] for one in entities.values())
    assert isinstance(found["unlinked"], list)
    assert "Q142 France" in run("explain", TEXT).stdout


def test_explain_shows_what_was_not_linked() -> None:
    shown = run("explain", "Somebody called Mara Sanger was at home when the rain began to fall.", "--language", "en")
    assert shown.exit_code == 0
    assert "Nothing was linked." in shown.stdout
    assert "Not linked:" in shown.stdout
    assert "Q990002" in shown.stdout


def test_explain_reads_files_and_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "article.txt"
    path.write_text(TEXT, encoding="utf8")
    from_file = run("explain", str(path), "--json").stdout
    assert from_file == run("explain", "-", "--json", text=TEXT).stdout == run("explain", TEXT, "--json").stdout


def test_build_says_how_to_use_what_it_wrote(tmp_path: Path) -> None:
    result = run("build", "--wikidata", str(SAMPLE), "--output", str(tmp_path / "new.tsv.gz"))
    assert result.exit_code == 0, result.output
    assert "kept 8" in result.stdout
    assert "broken lines: 1" in result.stdout
    assert f"DRAGOMAN_GAZETTEER={tmp_path / 'new.tsv.gz'}" in result.stdout
    assert run("build", "--wikidata", str(SAMPLE)).exit_code == 0
    assert (tmp_path / "home" / "wikidata.tsv.gz").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "Q1"], 1, "entities find"),
        (["find", "Xqzzyw"], 1, "another spelling"),
        (["find", " "], 2, "empty"),
        (["explain", " "], 2, "empty"),
        (["explain", "/nowhere.txt"], 2, "cannot be read"),
        (["explain", "/"], 2, "cannot be read"),
        (["explain", "A text", "--date", "yesterday"], 2, "2021-03-19"),
        (["explain", "A text", "--language", "not a tag"], 2, "BCP 47"),
        (["build", "--wikidata", "/nowhere.json.gz"], 2, "There is no file"),
        (["build", "--wikidata", __file__], 2, "not a Wikidata JSON dump"),
        (["build", "--wikidata", str(SAMPLE), "--output", f"{__file__}/x"], 2, "cannot be read or written"),
        (["build"], 2, "--wikidata"),
    ],
)
def test_mistakes_end_in_a_sentence(arguments: list[str], code: int, words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("content", "words"), [(None, "There is no gazetteer"), (b"text", "cannot be read")])
def test_a_gazetteer_that_is_none_is_said(
    content: bytes | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other.tsv.gz"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("DRAGOMAN_GAZETTEER", str(path))
    monkeypatch.setattr("services.entities.linker.load_gazetteer", load_gazetteer)
    result = run("show", "Q90")
    assert result.exit_code == 2
    assert words in result.output
