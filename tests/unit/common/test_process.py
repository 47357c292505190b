"""How a service ends: with a sentence and the exit code of what is wrong, and never with a secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.common.exits import UnusableProcessError
from services.common.process import run_process
from tests.conftest import ROOT

SERVICES = ("worker", "dedup", "indexer", "producer", "archive")


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


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DRAGOMAN_KAFKA_PASSWORD_FILE", "/nowhere/secret", "DRAGOMAN_KAFKA_PASSWORD_FILE=/nowhere/secret: No such"),
        ("DRAGOMAN_KAFKA_SECURITY_PROTOCOL", "SASL_SSL", "SASL_SSL needs DRAGOMAN_KAFKA_USERNAME"),
    ],
)
def test_a_wrong_setting_ends_every_service_with_78(
    tmp_path: Path, service: str, variable: str, value: str, sentence: str
) -> None:
    environment = {"PATH": "/usr/bin:/bin", "DRAGOMAN_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env={**environment, "DRAGOMAN_KAFKA_PASSWORD": "hush-hush", variable: value}
        if variable.endswith("PROTOCOL")
        else {**environment, variable: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 78, ended.stderr
    said = ended.stdout + ended.stderr
    assert sentence in said
    assert "Traceback" not in said
    assert "hush-hush" not in said
