"""The right Java is found wherever it is, and none is a sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.embedded import java
from services.embedded.errors import StackError
from services.embedded.java import find_java


def fake_java(home: Path, version: str) -> Path:
    """A program that says its version as java does, on standard error."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    return home


def test_the_newest_that_fits_is_taken_wherever_it_is(tmp_path: Path) -> None:
    old = fake_java(tmp_path / "path" / "jdk-17", "17.0.15")
    fake_java(tmp_path / "jvm" / "jdk-21", "21.0.2")
    newest = fake_java(tmp_path / "jvm" / "jdk-25", "25")
    environment = {"PATH": str(old / "bin"), "JAVA_HOME": str(old)}
    assert find_java(environment, [str(tmp_path / "jvm")]).home == newest


def test_the_chosen_one_is_taken_although_there_is_a_newer(tmp_path: Path) -> None:
    chosen = fake_java(tmp_path / "a", "21.0.1")
    fake_java(tmp_path / "jvm" / "b", "25")
    found = find_java({"DRAGOMAN_JAVA_HOME": str(chosen)}, [str(tmp_path / "jvm")])
    assert (found.home, found.major) == (chosen, 21)


@pytest.mark.parametrize("version", ["17.0.15", "1.8.0_402"])
def test_a_chosen_java_that_is_too_old_is_said(tmp_path: Path, version: str) -> None:
    chosen = fake_java(tmp_path / "a", version)
    with pytest.raises(StackError, match="Java 21 or newer is needed"):
        find_java({"DRAGOMAN_JAVA_HOME": str(chosen)}, [])


def test_no_java_at_all_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cjdk, asked last, cannot download: its cache is a file here and its index unreachable."""
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    monkeypatch.setenv("CJDK_CACHE_DIR", str(blocked))
    monkeypatch.setenv("CJDK_INDEX_URL", "http://127.0.0.1:9/index.json")
    old = fake_java(tmp_path / "jvm" / "jdk-17", "17.0.15")
    with pytest.raises(StackError, match="apt-get install") as caught:
        find_java({"PATH": "/nowhere"}, [str(old.parent)])
    assert "Java 17" in str(caught.value)
    assert java.MINIMUM == 21
