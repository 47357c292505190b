"""When something is wrong at the start, `up` says so in a sentence, exits with 1, and leaves nothing running."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Stack


@pytest.fixture
def broken() -> Iterator[Stack]:
    home = Path(tempfile.mkdtemp(prefix="dragoman-broken-"))
    stack = Stack(home)
    yield stack
    stack.run("down", check=False)
    shutil.rmtree(home, ignore_errors=True)


def processes_of(stack: Stack) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if str(stack.home) in command:
            found.append(command[:200])
    return found


def fail(stack: Stack, *words: str) -> None:
    result = stack.run("up", "--detach", check=False)
    assert result.returncode == 1, result.stdout
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    assert processes_of(stack) == []


def test_a_server_that_dies_at_start_shows_the_end_of_its_log(broken: Stack) -> None:
    data = broken.home / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("this is no property file of Kafka's\n")
    fail(broken, "kafka ended immediately", "kafka.log")


def test_a_java_that_is_too_old_is_said(broken: Stack, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    program.chmod(0o755)
    broken.environment["DRAGOMAN_JAVA_HOME"] = str(tmp_path)
    fail(broken, "Java 21 or newer is needed")


def test_a_taken_port_is_said(broken: Stack, stack: Stack) -> None:
    port = stack.json("status")["elasticsearch_url"].rpartition(":")[2]
    broken.environment["DRAGOMAN_ELASTICSEARCH_PORT"] = port
    fail(broken, f"Port {port} is taken", "DRAGOMAN_ELASTICSEARCH_PORT")


def test_a_wrong_setting_is_said(broken: Stack) -> None:
    broken.environment["DRAGOMAN_PARTITIONS"] = "many"
    fail(broken, "partitions", "docs/configuration.md")


def test_a_service_that_cannot_start_takes_everything_down_again(broken: Stack) -> None:
    """Only dedup refuses this value, and only once it runs."""
    broken.environment["DRAGOMAN_WINDOW_DAYS"] = "-1"
    fail(broken, "dedup ended immediately", "window_days")
