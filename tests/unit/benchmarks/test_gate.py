"""What the gate makes of figures and limits; the figures themselves are measured by `make eval-gate`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.quality import gate
from benchmarks.quality.gate import PARTS, Limit, Seconds, judge, main, read_limits, to_json, to_sentences, to_table
from benchmarks.quality.stories.copies import EDITS, ORIGINAL, copy_rows

FLOOR = Limit("floor", 0.9, 0.905)
CEILING = Limit("ceiling", 1, 0)


def limits_file(folder: Path, text: str) -> Path:
    path = folder / "floors.toml"
    path.write_text(text, encoding="utf8")
    return path


def run_gate(monkeypatch: pytest.MonkeyPatch, path: Path, value: float, *arguments: str) -> int:
    """The exit code where the only part measures one figure."""
    monkeypatch.setattr(gate, "PARTS", {"clean": lambda: {"clean.kept": value}})
    monkeypatch.setattr(gate, "read_limits", lambda: read_limits(path))
    return main(arguments)


def test_limits_are_read_by_part_and_figure(tmp_path: Path) -> None:
    path = limits_file(
        tmp_path,
        '[clean]\n"kept" = { floor = 0.9, measured = 0.905 }\n[links]\n"read.wrong" = { ceiling = 1, measured = 0 }\n',
    )
    assert read_limits(path) == {"clean.kept": FLOOR, "links.read.wrong": CEILING}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{ measured = 1 }", "needs a floor or a ceiling"),
        ("{ floor = 1 }", "what was measured"),
        ("{ floor = 0, ceiling = 1, measured = 1 }", "floor, ceiling, measured"),
        ("{ flor = 1, measured = 1 }", "flor"),
        ("{ floor = 0.9, measured = 0.8 }", "wrong side of its floor"),
        ("{ ceiling = 1, measured = 2 }", "wrong side of its ceiling"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_figure(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"clean\.kept") as raised:
        read_limits(limits_file(tmp_path, f'[clean]\n"kept" = {line}\n'))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("value", "limit", "status"),
    [
        (0.9, FLOOR, "ok"),
        (0.8999, FLOOR, "FELL"),
        (1, CEILING, "ok"),
        (2, CEILING, "FELL"),
        (None, FLOOR, "missing"),
        (0.9, None, "no limit"),
    ],
)
def test_a_figure_on_its_limit_holds(value: float | None, limit: Limit | None, status: str) -> None:
    figures = {} if value is None else {"a": value}
    (verdict,) = judge(figures, {"a": limit} if limit else {})
    assert verdict.status == status


def test_sentences_name_what_fell_what_is_missing_and_what_is_new() -> None:
    verdicts = judge({"a": 0.5, "b": 2, "c": 0.95, "new": 1}, {"a": FLOOR, "b": CEILING, "c": FLOOR, "gone": FLOOR})
    assert to_sentences(verdicts) == [
        "2 figures fell: a (0.5, floor 0.9), b (2, ceiling 1).",
        "1 figure missing: gone.",
        "1 figure without a floor or a ceiling in floors.toml: new (1).",
    ]


def test_nothing_is_said_when_all_hold() -> None:
    assert to_sentences(judge({"a": 1}, {"a": FLOOR})) == []


def test_the_table_marks_what_fell() -> None:
    printed = io.StringIO()
    Console(file=printed, width=100).print(to_table(judge({"a": 0.5, "b": 0}, {"a": FLOOR, "b": CEILING})))
    first, second = printed.getvalue().splitlines()[-2:]
    assert first.split() == ["a", "0.5", "≥", "0.9", "0.905", "FELL"]
    assert second.split() == ["b", "0", "≤", "1", "0", "ok"]


def test_json_has_values_limits_and_seconds() -> None:
    content = json.loads(to_json(judge({"a": 0.5}, {"a": FLOOR}), {"clean": Seconds(2.0, 1.0)}))
    assert content == {
        "holds": False,
        "figures": {"a": {"value": 0.5, "floor": 0.9, "status": "FELL"}},
        "seconds": {"clean": {"wall": 2.0, "cpu": 1.0}},
    }


@pytest.mark.parametrize(("value", "code"), [(0.9, 0), (0.8, 1)])
def test_the_exit_code_is_1_when_a_figure_fell(
    value: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = limits_file(tmp_path, '[clean]\n"kept" = { floor = 0.9, measured = 0.905 }\n')
    assert run_gate(monkeypatch, path, value) == code
    assert ("clean.kept (0.8, floor 0.9)" in capsys.readouterr().err) == bool(code)


def test_limits_that_cannot_be_read_are_named_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_gate(monkeypatch, limits_file(tmp_path, '[clean]\n"kept" = { floor = 1 }\n'), 1.0) == 2
    printed = capsys.readouterr()
    assert "clean.kept" in printed.err
    assert printed.out == ""


def test_one_part_is_held_to_its_own_limits_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = '"kept" = { floor = 0.9, measured = 0.905 }\n'
    path = limits_file(tmp_path, f"[clean]\n{line}[cleaner]\n{line}")
    assert run_gate(monkeypatch, path, 1.0) == 1
    assert run_gate(monkeypatch, path, 1.0, "--only", "clean") == 0


def test_every_part_has_limits_and_every_limit_a_part() -> None:
    assert {name.partition(".")[0] for name in read_limits()} == set(PARTS)


def test_copies_are_the_same_again_of_every_kind_and_differ_from_their_original() -> None:
    rows = list(copy_rows(9, 2))
    assert rows == list(copy_rows(9, 2))
    assert {row["kind"] for row in rows} == {ORIGINAL, *EDITS}
    originals = {row["group"]: row["text"] for row in rows if row["kind"] == ORIGINAL}
    assert all(row["text"] != originals[row["group"]] for row in rows if row["kind"] != ORIGINAL)
