"""`dragoman feeds list|check|pause|import|export`: what the feeds file and the store say, without a network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cli.feeds import ago, ahead
from services.producer.feeds.state import ChildFeed, FeedState
from services.producer.fetch.client import Failure
from services.producer.ledger.store import SeenEntry, Store

Run = Callable[..., Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86400
FEEDS = """feeds:
  - id: good
    url: https://good.example.org/rss
    tags: [mine]
  - id: broken  # a comment
    url: https://broken.example.org/rss
  - id: quiet
    url: https://quiet.example.org/rss
  - id: off
    url: https://off.example.org/rss
    paused: true
  - id: many
    url: https://many.example.org/list.opml
    type: opml
"""


@pytest.fixture
def file(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A feeds file of five feeds."""
    del home
    path = tmp_path / "feeds.yaml"
    path.write_text(FEEDS)
    monkeypatch.setenv("DRAGOMAN_FEEDS", str(path))
    return path


@pytest.fixture
def collected(file: Path, home: Path) -> float:
    """What the collector knows of them: `good` brings news, `broken` fails, `quiet` fell silent, `many` is a list."""
    del file
    now = time.time()
    states = {
        "good": FeedState(
            format="rss",
            title="Good",
            last_success_at=now - 600,
            next_poll_at=now + 7200,
            moved_to="https://new.example.org/rss",
            notes=("one", "two", "three"),
        ),
        "broken": FeedState(error_streak=3, failure=Failure.NOT_FOUND, error="the server says 404 [gone]"),
        "quiet": FeedState(
            last_success_at=now - 600, last_new_at=now - 30 * DAY, gaps=(DAY,) * 9, next_poll_at=now - 5
        ),
        "many": FeedState(last_success_at=now, children=(ChildFeed(url="https://child.example.org/rss", tags=("t",)),)),
    }
    store = Store(home / "producer.sqlite")
    with store.transaction():
        for name, state in states.items():
            store.save_feed_state(name, state.model_dump_json())
        for number, age in enumerate((1, 2, 3, 4, 5, 6, 6.5, 9)):
            store.remember("good", str(number), SeenEntry("h", "a", None, 0), int(now - age * DAY))
    store.close()
    return now


# --- list -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("collected")
def test_list_json_has_every_feed_and_those_of_lists(dragoman: Run) -> None:
    rows = json.loads(dragoman("feeds", "list", "--json").stdout)
    assert [(row["id"].partition("/")[0], row["state"]) for row in rows] == [
        ("good", "ok"),
        ("broken", "failing"),
        ("quiet", "silent"),
        ("off", "paused"),
        ("many", "ok"),
        ("many", "new"),
    ]
    good, broken, quiet, off, _, child = rows
    assert good.keys() == {
        *("id", "place", "state", "format", "title", "interval", "learned_interval_seconds", "last_poll_at"),
        "last_success_at",
        *("next_poll_at", "last_new_at", "silent_since", "entries_a_day", "error_streak", "failure", "error"),
        *("moved_to", "notes", "tags"),
    }
    assert (good["entries_a_day"], good["tags"], good["interval"]) == (1.0, ["mine"], "auto")
    assert (broken["error_streak"], broken["failure"]) == (3, "not_found")
    assert quiet["silent_since"] == quiet["last_new_at"]
    assert off["next_poll_at"] is None
    assert (child["place"], child["tags"]) == ("https://child.example.org/rss", ["t"])


@pytest.mark.usefixtures("collected")
def test_list_tells_a_person_what_is_wrong(dragoman: Run) -> None:
    result = dragoman("feeds", "list")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in result.stdout.splitlines()}
    assert rows["good"] == "ok 10 min ago in 2 h 1 moved to https://new.example.org/rss; one; two"
    assert rows["broken"] == "failing - - 0 3 the server says 404 [gone]"
    assert rows["quiet"].startswith("silent 10 min ago now 0 nothing new since 30 d ago")
    assert rows["off"] == "paused - - 0"


@pytest.mark.usefixtures("collected")
def test_failing_shows_only_what_fails_or_is_silent(dragoman: Run) -> None:
    rows = json.loads(dragoman("feeds", "list", "--failing", "--json").stdout)
    assert [row["id"] for row in rows] == ["broken", "quiet"]


def test_nothing_to_list_is_said(dragoman: Run, file: Path) -> None:
    assert dragoman("feeds", "list", "--failing").stdout == "No feed fails or is silent.\n"
    file.write_text("feeds: []\n")
    assert dragoman("feeds", "list").stdout == f"No feeds in {file} yet.\n"


@pytest.mark.parametrize("command", [["list"], ["pause", "good"], ["export", "-"], ["test", "good"]])
def test_a_broken_file_is_refused_with_the_line(dragoman: Run, file: Path, command: list[str]) -> None:
    file.write_text(FEEDS.replace("paused: true", "pausd: true"))
    result = dragoman("feeds", *command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{file}:11: feeds.off.pausd: is unknown; did you mean paused?\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "2 h"), (129_599, "36 h"), (5 * DAY, "5 d")],
)
def test_spans_are_in_the_largest_fitting_unit(seconds: int, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == f"{words} ago"
    assert ahead(NOW + timedelta(seconds=seconds), NOW) == ("now" if seconds < 1 else f"in {words}")
    assert (ago(None, NOW), ahead(None, NOW), ahead(NOW - timedelta(days=1), NOW)) == ("-", "-", "now")


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_warns_of_variables_and_files_that_are_not_there(dragoman: Run, file: Path) -> None:
    file.write_text("feeds:\n  - id: a\n    url: https://x.org/${TOKEN_X}\n  - id: b\n    path: inbox\n")
    warnings = ["a: TOKEN_X is not set in this environment", f"b: {file.parent / 'inbox'} does not exist yet"]
    result = dragoman("feeds", "check")
    assert (result.exit_code, result.stdout) == (0, f"{file}: 2 feeds, no mistakes.\n")
    assert result.stderr.splitlines() == warnings
    assert json.loads(dragoman("feeds", "check", "--json").stdout) == {
        "file": str(file),
        "feeds": 2,
        "problems": [],
        "warnings": warnings,
    }


def test_check_json_names_line_and_field_of_a_mistake(dragoman: Run, file: Path) -> None:
    file.write_text("feeds:\n  - id: a\n    url: https://x.org/\n    interval: 15\n")
    result = dragoman("feeds", "check", "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    report = json.loads(result.stdout)
    (problem,) = report["problems"]
    assert (problem["file"], problem["line"], problem["field"]) == (str(file), 4, "feeds.a.interval")
    assert "write the unit too: 15s, 15m or 15h" in problem["message"]
    assert report["feeds"] == 0


# --- pause and resume -------------------------------------------------------------------------------------------------


def test_pause_and_resume_change_only_what_they_name(dragoman: Run, file: Path) -> None:
    result = dragoman("feeds", "pause", "broken", "off")
    assert (result.exit_code, result.stdout) == (0, "Paused broken.\n")
    assert result.stderr == "off: paused already.\n"
    assert (
        "  - id: broken  # a comment\n    url: https://broken.example.org/rss\n    paused: true\n" in file.read_text()
    )
    result = dragoman("feeds", "resume", "broken", "good")
    assert (result.stdout, result.stderr) == ("Resumed broken.\n", "good: not paused already.\n")
    assert file.read_text() == FEEDS


def test_an_unknown_feed_is_refused_and_nothing_is_written(dragoman: Run, file: Path) -> None:
    result = dragoman("feeds", "pause", "good", "nope")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "There is no feed 'nope'. There are: good, broken, quiet, off, many.\n"
    assert file.read_text() == FEEDS


@pytest.mark.usefixtures("collected")
def test_a_feed_of_a_list_is_not_paused_alone(dragoman: Run, file: Path) -> None:
    child = json.loads(dragoman("feeds", "list", "--json").stdout)[-1]["id"]
    result = dragoman("feeds", "pause", child)
    assert result.exit_code == 2
    assert result.stderr == f"{child} is in the list many. Pause or resume the whole list, or edit the list itself.\n"
    assert file.read_text() == FEEDS


def cannot_be_written(*_: object) -> Any:
    raise OSError(30, "Read-only file system")


@pytest.mark.usefixtures("file")
def test_a_file_that_cannot_be_written_ends_in_a_sentence(
    dragoman: Run, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in ("file", "admin"):
        monkeypatch.setattr(f"services.producer.feeds.{module}.edit_feeds", cannot_be_written)
    opml = tmp_path / "in.opml"
    opml.write_text(OPML)
    for command in (["pause", "good"], ["import", str(opml)]):
        result = dragoman("feeds", *command)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"{file} cannot be written: Read-only file system.\n"


# --- OPML -------------------------------------------------------------------------------------------------------------


OPML = """<opml version="2.0"><body><outline text="World">
<outline text="Good" xmlUrl="https://good.example.org/rss"/>
<outline text="Good" xmlUrl="https://other.example.org/rss"/>
<outline text="Secret" xmlUrl="https://user:word@x.example.org/rss"/>
</outline></body></opml>"""


def test_import_adds_what_is_new_and_names_what_it_leaves_out(dragoman: Run, file: Path, tmp_path: Path) -> None:
    opml = tmp_path / "in.opml"
    opml.write_text(OPML)
    result = dragoman("feeds", "import", str(opml), "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["added"], report["there_already"]) == (["good-2"], 1)
    (problem,) = report["problems"]
    assert "url holds a user or password" in problem
    assert file.read_text().startswith(FEEDS)
    again = dragoman("feeds", "import", str(opml))
    assert (again.exit_code, again.stdout) == (1, f"Added 0 feeds to {file}. 2 were there already.\n")
    assert again.stderr == f"left out: {problem}\n"


def test_import_refuses_what_is_no_opml(dragoman: Run, file: Path) -> None:
    result = dragoman("feeds", "import", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{file}: ")
    assert file.read_text() == FEEDS


def test_import_into_a_broken_file_changes_nothing(dragoman: Run, file: Path, tmp_path: Path) -> None:
    file.write_text("feeds: 7\n")
    opml = tmp_path / "in.opml"
    opml.write_text(OPML)
    assert dragoman("feeds", "import", str(opml)).exit_code == 2
    assert file.read_text() == "feeds: 7\n"


def test_export_leaves_out_what_no_reader_could_fetch(dragoman: Run, file: Path, tmp_path: Path) -> None:
    file.write_text(FEEDS + "  - id: inbox\n    path: inbox\n")
    target = tmp_path / "out.opml"
    result = dragoman("feeds", "export", str(target))
    assert (result.exit_code, result.stdout) == (0, f"Wrote 5 feeds to {target}.\n")
    assert result.stderr == "1 were left out, because they have no URL that a reader could fetch.\n"
    assert dragoman("feeds", "export", "-").stdout == target.read_text()


@pytest.mark.usefixtures("file")
def test_export_says_what_it_cannot_write(dragoman: Run, tmp_path: Path) -> None:
    target = tmp_path / "none" / "out.opml"
    result = dragoman("feeds", "export", str(target))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{target} cannot be written: No such file or directory.\n"
