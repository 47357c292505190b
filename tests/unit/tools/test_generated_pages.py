"""The configuration page and the JSON Schemas are made from the code, and a stale one is seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import check, configuration, index_reference, kibana, schemas


def test_the_committed_page_is_fresh() -> None:
    assert configuration.main(["--check"]) == 0


def test_every_setting_of_a_service_is_on_the_page_once() -> None:
    page = configuration.render()
    for _, settings, base in configuration.SECTIONS:
        for name in settings.model_fields.keys() - (base.model_fields.keys() if base else set()):
            assert page.count(f"| `DRAGOMAN_{name.upper()}` |") == 1, name
    assert "`DRAGOMAN_VECTORS` | `true`" in page
    assert "| `DRAGOMAN_HOME` | `.dragoman` |" in page


def test_a_stale_page_is_told_and_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "configuration.md"
    page.write_text("old")
    monkeypatch.setattr(configuration, "PAGE", page)
    assert configuration.main(["--check"]) == 1
    assert configuration.main([]) == 0
    assert page.read_text() == configuration.render()


def test_the_index_reference_is_fresh_and_names_every_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert index_reference.main(["--check"]) == 0
    page = index_reference.render()
    for line in ("| `event_at` | date |", "| `persons` | keyword | names of the persons |", "| `removed` | stored |"):
        assert line in page
    monkeypatch.setattr(index_reference, "PAGE", tmp_path / "page.md")
    assert index_reference.main(["--check"]) == 1
    assert index_reference.main([]) == 0
    assert index_reference.main(["--check"]) == 0


def test_the_objects_of_kibana_are_fresh_and_a_stale_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kibana.main(["--check"]) == 0
    monkeypatch.setattr(kibana, "FILE", tmp_path / "dragoman.ndjson")
    assert kibana.main(["--check"]) == 1
    assert kibana.main([]) == 0
    assert kibana.main(["--check"]) == 0
    kinds = [json.loads(line)["type"] for line in (tmp_path / "dragoman.ndjson").read_text().splitlines()]
    assert kinds == ["index-pattern"] * 3 + ["search"] + ["lens"] * len(kibana.PANELS) + ["map", "dashboard"]


def test_the_committed_schemas_are_fresh() -> None:
    assert schemas.main(["--check"]) == 0


def test_a_stale_schema_is_told_and_one_of_no_record_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "FOLDER", tmp_path / "json")
    assert schemas.main(["--check"]) == 1
    assert schemas.main([]) == 0
    (tmp_path / "json" / "Gone.json").write_text("{}")
    assert schemas.main(["--check"]) == 1
    assert schemas.main([]) == 0
    assert schemas.main(["--check"]) == 0
    assert not (tmp_path / "json" / "Gone.json").exists()
    assert json.loads((tmp_path / "json" / "RawArticle.json").read_text())["additionalProperties"] is False


@pytest.mark.parametrize(("found", "code"), [(["docs/page.md"], 1), ([], 0)])
def test_what_differs_fails_the_check_and_missing_sources_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, found: list[str], code: int
) -> None:
    again: Callable[..., Any] = lambda artefact, *_: found if artefact.module == "configuration" else []  # noqa: E731
    monkeypatch.setattr(check, "make_again", again)
    monkeypatch.setattr(check, "COPIED", ("seeds",))
    monkeypatch.setattr("sys.argv", ["check", str(tmp_path / "nowhere")])
    assert check.main() == code
    printed = capsys.readouterr().out
    assert "gazetteer        left out" in printed
    assert ("DIFFERS: docs/page.md" in printed) == bool(found)
