"""What a person sees: help with examples, sentences instead of stack traces, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services import __version__
from services.cli.main import app
from services.cli.status import exit_code

run = CliRunner().invoke
COMMANDS = [
    "up",
    "down",
    "status",
    "verify",
    "setup",
    "replay",
    "reindex",
    "collect",
    "search",
    "enrich",
    "group",
    "demo",
]
NO_SERVER = {"DRAGOMAN_KAFKA_BOOTSTRAP": "127.0.0.1:9", "DRAGOMAN_ELASTICSEARCH_URL": "http://127.0.0.1:9"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = run(app, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 5


@pytest.mark.parametrize(
    "command",
    [
        ["up"],
        ["replay"],
        ["reindex"],
        ["collect"],
        ["search"],
        ["enrich"],
        ["group"],
        ["dead", "replay"],
        *(["feeds", name] for name in ("list", "check", "test", "add", "pause", "resume", "import", "export")),
    ],
)
def test_help_has_examples(command: list[str]) -> None:
    assert "Example" in run(app, [*command, "--help"]).output


def test_version() -> None:
    assert run(app, ["--version"]).output.strip() == __version__


def test_nothing_running_is_said_with_its_own_exit_code() -> None:
    result = run(app, ["status"])
    assert result.exit_code == 3
    assert "dragoman up" in result.output
    assert run(app, ["down"]).output.strip() == "Nothing was running."


def test_status_json_has_its_keys_also_when_nothing_runs() -> None:
    report = json.loads(run(app, ["status", "--json"]).output)
    assert {"elasticsearch_url", "kafka_bootstrap", "services", "lag", "outcomes", "books"} <= report.keys()
    assert report["services"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["replay", "/nowhere"], 2, "does not exist"),
        (["search", ""], 2, "empty"),
        (["search", "x", "--from", "yesterday"], 2, "2021-03-19"),
        (["search", "x"], 2, "does not answer"),
        (["enrich", "--input", "/nowhere", "--output", "/nowhere/x"], 2, "cannot be read"),
        (["dead", "drop"], 2, "--all"),
        (["replay", "x.jsonl", "--rate", "1", "--speed", "1"], 2, "Use either --rate or --speed"),
        (["replay", "x.jsonl", "--columns", "body=content"], 2, "fields are guid"),
        (["replay", "kafka://127.0.0.1:9092"], 2, "kafka://host:port/topic"),
        (["feeds", "list", "--feeds", "/nowhere.yaml"], 2, "There is no feeds file"),
        (["feeds", "check", "--feeds", "/nowhere.yaml"], 2, "cannot be read"),
        (["feeds", "pause", "nope"], 2, "bbc-world"),
        (["feeds", "test", "ftp://x"], 2, "must begin with http"),
        (["feeds", "test", "http://127.0.0.1:9/"], 1, "not a public address"),
        (["feeds", "add", "https://user:word@x.org"], 1, "user and password"),
        (["feeds", "import", "/nowhere.opml"], 2, "cannot be read"),
    ],
)
def test_mistakes_end_in_a_sentence(
    arguments: list[str], code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in NO_SERVER.items():
        monkeypatch.setenv(name, value)
    result = run(app, arguments)
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback" not in result.output


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_enrich_and_group_on_files(home: Path) -> None:
    """A bad line is named, good lines come out in order, and the exit code tells."""
    text = "The council of Utrecht agreed on Monday to build 4,500 homes, mayor Sharon Dijksma said. " * 8
    source = write(
        home / "in.jsonl",
        {"guid": "a", "content": text},
        "{broken",
        {"guid": "b", "content": text + "More follows."},
        {"content": "no guid"},
        {"guid": "c", "content": "Something else entirely happened in Oslo.", "url": "ftp://x"},
    )
    enriched, grouped = home / "enriched.jsonl", home / "grouped.jsonl"
    result = run(app, ["enrich", "--no-vectors", "--input", str(source), "--output", str(enriched)])
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stderr.splitlines() if line.startswith("line")] == [
        "line 2",
        "line 4",
    ]
    assert [row["guid"] for row in read(enriched)] == ["a", "b", "c"]
    assert run(app, ["group", "--input", str(enriched), "--output", str(grouped)]).exit_code == 0
    first, second, _ = read(grouped)
    assert (first["duplicate_of"], second["duplicate_of"]) == (None, first["article_id"])
    assert second["story_id"] == first["story_id"]
    assert second["duplicate_reason"]


def report(**values: object) -> dict[str, object]:
    whole: dict[str, object] = {"services": [{"state": "running"}], "lag": {"t": 0}, "books": None, "problems": []}
    return whole | values


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, 0),
        ({"services": [{"state": "fatal"}]}, 4),
        ({"books": {"balanced": False}}, 4),
        ({"problems": ["Kafka does not answer"]}, 4),
        ({"services": [], "lag": {}}, 3),
        ({"services": []}, 0),
    ],
)
def test_exit_codes_of_status(values: dict[str, object], code: int) -> None:
    assert exit_code(report(**values)) == code


def test_verify_without_a_ledger_says_so(home: Path) -> None:
    result = run(app, ["verify"])
    assert (result.exit_code, "no ledger" in result.output) == (2, True)
    assert not list(home.glob("**/*.sqlite"))


OPML = """<opml version="2.0"><body><outline text="World"><outline text="BBC" xmlUrl="https://feeds.example.org/rss"/>
<outline text="Other" xmlUrl="https://other.example.org/rss"/></outline><outline text="Bad" xmlUrl="ftp://x"/></body></opml>"""


def test_feeds_are_imported_listed_paused_checked_and_exported(home: Path) -> None:
    """What a person does with a list of feeds, without a network."""
    opml, file = home / "in.opml", home / "feeds.yaml"
    opml.write_text(OPML)
    option = ["--feeds", str(file)]
    assert "Added 2 feeds" in run(app, ["feeds", "import", str(opml), "--tag", "mine", *option]).output
    assert "2 were there already" in run(app, ["feeds", "import", str(opml), *option]).output
    rows = json.loads(run(app, ["feeds", "list", "--json", *option]).output)
    assert [(row["id"], row["state"], row["tags"]) for row in rows] == [
        ("bbc", "new", ["mine", "World"]),
        ("other", "new", ["mine", "World"]),
    ]
    assert "Paused bbc" in run(app, ["feeds", "pause", "bbc", *option]).output
    assert "paused already" in run(app, ["feeds", "pause", "bbc", *option]).output
    assert "paused" in run(app, ["feeds", "list", *option]).output
    assert json.loads(run(app, ["feeds", "check", "--json", *option]).output)["feeds"] == 2
    assert "Wrote 2 feeds" in run(app, ["feeds", "export", str(home / "out.opml"), *option]).output
    assert "https://other.example.org/rss" in (home / "out.opml").read_text()
    file.write_text(file.read_text().replace("paused: true", "pausd: true"))
    broken = run(app, ["feeds", "check", *option])
    assert broken.exit_code == 2
    assert "did you mean paused" in broken.output
