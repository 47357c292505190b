"""Committed files are made again and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check
from tools.check import Artefact, contents, differences, make_again


def test_a_file_that_changed_is_new_or_is_gone_differs() -> None:
    assert differences({"a": b"1", "b": b"2", "c": b"3"}, {"a": b"1", "b": b"0", "d": b"4"}) == ["b", "c", "d"]


def test_folders_are_compared_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "A.json").write_bytes(b"{}")
    (tmp_path / "page.md").write_bytes(b"#")
    found = contents(tmp_path, ("json", "page.md", "nowhere.md"))
    assert found == {"json/A.json": b"{}", "page.md": b"#"}


@pytest.mark.parametrize(("written", "stale"), [("'new'", ["page.md"]), ("'old'", []), (None, ["page.md"])])
def test_a_tool_that_writes_something_else_or_nothing_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str | None, stale: list[str]
) -> None:
    for name in ("root", "copy"):
        (tmp_path / name / "tools").mkdir(parents=True)
        (tmp_path / name / "page.md").write_text("old")
        (tmp_path / name / "tools" / "__init__.py").touch()
        line = f"pathlib.Path('page.md').write_text({written})" if written else "pass"
        (tmp_path / name / "tools" / "page.py").write_text(f"import pathlib\n{line}\n")
    monkeypatch.setattr(check, "ROOT", tmp_path / "root")
    assert make_again(Artefact("page", ("page.md",)), tmp_path / "copy", tmp_path) == stale
