"""The committed mutants fit the code and say what they break."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.mutants.__main__ import FOLDER, ROOT, Mutant, Verdict, describe, read_mutant

PATCHES = sorted(FOLDER.glob("*.patch"))


def test_there_are_mutants() -> None:
    assert len(PATCHES) >= 15


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.stem)
def test_a_patch_says_what_it_breaks_and_applies(path: Path) -> None:
    mutant = read_mutant(path)
    assert mutant.breaks
    assert all((ROOT / tests).exists() for tests in mutant.tests)
    subprocess.run(["git", "apply", "--check", str(path)], cwd=ROOT, check=True)


def test_a_patch_without_headlines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.patch"
    path.write_text("--- a/x\n+++ b/x\n")
    with pytest.raises(ValueError, match="must begin with"):
        read_mutant(path)


def test_the_first_failing_test_is_named() -> None:
    printed = "F\nFAILED tests/unit/a.py::test_x - assert 1\nFAILED tests/unit/b.py::test_y\n2 failed"
    assert describe(printed, Verdict.KILLED) == "tests/unit/a.py::test_x"
    assert describe("1\n2\n3\n4\n5\n6", Verdict.SURVIVED).splitlines() == ["2", "3", "4", "5", "6"]
    assert Mutant("a", "b", ("c",), Path("d")).tests == ("c",)
