"""`dragoman demo`, `eval`, `collect`, `group` and the entry point: what they hand on, and how they end."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from services.common.settings import Settings
from services.producer.ledger.store import DamagedStoreError
from tests.fakes import FakeElasticsearch

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]
entry: Any = import_module("services.cli.main")  # the package's `main` is its function


# --- demo -------------------------------------------------------------------------------------------------------------


@dataclass
class Demo:
    """What the demo did, in order, with the home that it did it in; starting may fail."""

    done: list[tuple[str, Any]] = field(default_factory=list)
    fails: bool = False

    def start(self, **options: Any) -> None:
        self.done.append(("start", options))
        if self.fails:
            raise SystemExit(1)

    def replay(self, paths: list[str], **options: Any) -> None:
        self.done.append(("replay", (paths, options["wait"])))

    def down(self, home: Path) -> list[str]:
        self.done.append(("down", home))
        return []


@pytest.fixture
def demo(
    monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path, elastic: FakeElasticsearch, example: Example
) -> Demo:
    """A checkout with seeds, and a stack that has two articles at once."""
    del home
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRAGOMAN_NAMESPACE", "real")
    for name in ("v2-opened", "v2-duplicate"):
        elastic.put("articles-v2", name, example("articles.grouped", name))
    elastic.aliases["articles"] = {"articles-v2": True}
    fake = Demo()
    monkeypatch.setattr("services.cli.stack.start_stack", fake.start)
    monkeypatch.setattr("services.cli.replay.replay", fake.replay)
    monkeypatch.setattr("services.embedded.stack.down", fake.down)
    return fake


def test_the_demo_shows_articles_and_searches_and_stops_everything(dragoman: Run, demo: Demo, home: Path) -> None:
    result = dragoman("demo")
    assert result.exit_code == 0
    (_, started), (_, replayed), (_, stopped) = demo.done
    assert [name for name, _ in demo.done] == ["start", "replay", "down"]
    assert (started["detach"], replayed[1]) == (False, True)
    assert stopped != home
    assert not stopped.exists()
    assert "Read back from Elasticsearch" in result.stdout
    assert result.stdout.count("Lavrov bezoekt China") >= 2
    for words in (
        "nl 1.00",
        "2021-03-19",
        "Sergey Lavrov (Q58217)",
        "5c7ba90a",
        '$ dragoman search "nuclear reactors"',
    ):
        assert words in result.stdout
    assert '$ dragoman search "bezoeken gesprek" --language nl' in result.stdout
    assert "Everything was stopped." in result.stderr


def test_the_demo_keeps_apart_from_a_real_stack(dragoman: Run, demo: Demo) -> None:
    dragoman("demo")
    ((_, stopped),) = [step for step in demo.done if step[0] == "down"]
    assert os.environ["DRAGOMAN_HOME"] == str(stopped)
    assert "DRAGOMAN_NAMESPACE" not in os.environ


def test_a_demo_that_does_not_start_stops_what_it_started(dragoman: Run, demo: Demo) -> None:
    demo.fails = True
    result = dragoman("demo")
    assert result.exit_code == 1
    assert [name for name, _ in demo.done] == ["start", "down"]
    assert "• Stopping everything" in result.stderr


def test_the_demo_replays_the_seeds_that_come_with_it_from_any_folder(dragoman: Run, demo: Demo) -> None:
    dragoman("demo")
    ((paths, waits),) = [step for name, step in demo.done if name == "replay"]
    assert waits
    assert sorted(path.name[:3] for path in Path(paths[0]).iterdir()) == ["000", "001", "002", "003", "004"]


def test_the_demo_takes_another_folder(dragoman: Run, demo: Demo, tmp_path: Path) -> None:
    result = dragoman("demo", "--seeds", str(tmp_path / "nowhere"))
    assert (result.exit_code, demo.done) == (2, [])
    assert result.stderr == f"There is no folder {tmp_path / 'nowhere'}.\n"


# --- eval -------------------------------------------------------------------------------------------------------------


MEASURING = """import json, pathlib, sys
print("the table", flush=True)
pathlib.Path(sys.argv[2]).write_text(json.dumps({"figures": {"kept": 0.98765432, "dates": 1.0}}))
"""


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout whose benchmarks take no time."""
    quality = tmp_path / "checkout" / "benchmarks" / "quality"
    quality.mkdir(parents=True)
    (quality / "__init__.py").touch()
    (quality.parent / "__init__.py").touch()
    (quality / "__main__.py").write_text(MEASURING)
    monkeypatch.setattr("services.cli.evaluate.CHECKOUT", tmp_path / "checkout")
    return quality


@pytest.mark.usefixtures("checkout")
def test_eval_prints_a_table_or_figures(dragoman: Run, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert dragoman("eval").exit_code == 0
    assert capfd.readouterr().out == "the table\n"
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("checkout")
def test_eval_publishes_figures_in_the_home(dragoman: Run, home: Path) -> None:
    result = dragoman("eval", "--publish")
    (file,) = home.iterdir()
    assert json.loads(file.read_text())["figures"] == {"kept": 0.98765432, "dates": 1.0}
    assert "as dragoman_quality" in result.stderr


def test_a_measurement_that_fails_is_said(dragoman: Run, checkout: Path) -> None:
    (checkout / "__main__.py").write_text("import sys; sys.exit(3)")
    result = dragoman("eval")
    assert (result.exit_code, "The measurement failed" in result.stderr) == (3, True)


def test_eval_needs_a_checkout(dragoman: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("services.cli.evaluate.CHECKOUT", tmp_path)
    result = dragoman("eval")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "run it in a checkout" in result.stderr


# --- collect ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "is_taken"), [(0, False), (75, True), (69, False)])
def test_collect_hands_its_options_on_and_ends_as_the_collector(
    dragoman: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, *, is_taken: bool
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("services.producer.app.main", lambda settings: seen.append(settings) or code)
    file = tmp_path / "feeds.yaml"
    result = dragoman("collect", "--feeds", str(file), "--ingest-port", "8099")
    assert result.exit_code == code
    assert [(one.feeds, one.ingest_port) for one in seen] == [(file, 8099)]
    assert "Collecting the feeds of" in result.stderr
    assert ("Another collector works on this store" in result.stderr) is is_taken


# --- group ------------------------------------------------------------------------------------------------------------


def test_group_reads_and_writes_streams_and_names_bad_lines(dragoman: Run, example: Example) -> None:
    article = json.dumps(example("articles.enriched", "v2-one-line"))
    result = dragoman("group", "-i", "-", "-o", "-", stdin=f"\n{article}\n{{broken\n".encode())
    assert result.exit_code == 1
    (grouped,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert grouped["story_id"] == grouped["article_id"] == json.loads(article)["article_id"]
    assert result.stderr.startswith("line 3: ")
    assert len(result.stderr.splitlines()) == 1


def test_group_says_what_it_cannot_write(dragoman: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("")
    result = dragoman("group", "-i", str(source), "-o", str(tmp_path / "none" / "out.jsonl"))
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path / 'none' / 'out.jsonl'} cannot be written: No such file or directory.\n"


# --- the entry point --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 0)])
def test_what_a_person_does_ends_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def command() -> None:
        raise error

    monkeypatch.setattr(entry, "app", command)
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == code


def test_what_makes_a_process_unusable_is_a_sentence_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def command() -> None:
        raise DamagedStoreError(tmp_path / "producer.sqlite", "file is not a database")

    monkeypatch.setattr(entry, "app", command)
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == 78
    assert "producer.sqlite is damaged (file is not a database). Put a copy of it back" in capsys.readouterr().err


def test_a_store_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def command() -> None:
        raise sqlite3.OperationalError("Could not decode to UTF-8 column 'content_hash'")

    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    monkeypatch.setattr(entry, "app", command)
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == 78
    assert f"The store {tmp_path / 'producer.sqlite'} cannot be read: Could not decode" in capsys.readouterr().err


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DRAGOMAN_LOG_LEVEL", "LOUD")
    monkeypatch.setattr(entry, "app", Settings)
    with pytest.raises(SystemExit) as caught:
        entry.main()
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("A setting is wrong: ")
    assert "log_level" in said.lower()
    assert "docs/configuration.md" in said


def test_a_command_that_succeeds_ends_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "app", lambda: None)
    entry.main()
