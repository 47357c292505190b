"""How a service ends: with a sentence and the exit code of what is wrong, and never with a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.common.exits import UnusableProcessError
from services.common.process import run_process
from tests.conftest import ROOT


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (69, 69)])
def test_the_code_of_the_service_is_that_of_the_process(returned: int | None, code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        run_process(lambda: returned)
    assert ended.value.code == code


def test_what_a_person_can_mend_is_no_traceback() -> None:
    def fail() -> int:
        raise UnusableProcessError(71, "no memory")

    with pytest.raises(SystemExit) as ended:
        run_process(fail)
    assert ended.value.code == 71


def run(service: str, home: Path, **variables: str) -> tuple[int, str]:
    """The exit code of a service, and all that it said."""
    environment = {"PATH": os.defpath, "DRAGOMAN_HOME": str(home), "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", f"services.{service}"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("service", ["worker", "dedup", "indexer", "producer", "archive"])
def test_a_secret_that_is_not_there_ends_every_service_with_78(tmp_path: Path, service: str) -> None:
    code, said = run(service, tmp_path, DRAGOMAN_KAFKA_PASSWORD_FILE="/nowhere/secret")
    assert code == 78, said
    assert "DRAGOMAN_KAFKA_PASSWORD_FILE=/nowhere/secret: No such file" in said
    assert "Traceback" not in said


def test_a_wrong_setting_is_told_without_the_others(tmp_path: Path) -> None:
    variables = {"DRAGOMAN_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "DRAGOMAN_KAFKA_PASSWORD": "hush-hush"}
    code, said = run("indexer", tmp_path, **variables)
    assert code == 78, said
    assert "SASL_SSL needs DRAGOMAN_KAFKA_USERNAME" in said
    assert "Traceback" not in said
    assert "hush-hush" not in said
