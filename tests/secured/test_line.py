"""The whole line on a cluster with TLS and logins: every client connects, a wrong password waits, nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DRAGOMAN, ROOT, SEEDS
from tests.secured.servers import PASSWORD, Cluster

SERVICES = ("worker", "dedup", "indexer")
WRONG = "wrong-and-secret"


class Line:
    """Services and commands with one environment."""

    def __init__(self, home: Path, variables: Mapping[str, str]) -> None:
        self.home = home
        self.variables = {"DRAGOMAN_HOME": str(home), "DRAGOMAN_VECTORS": "false", **variables}

    def environment(self, **more: str) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
        return {**own, **self.variables, **more}

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(DRAGOMAN), *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            cwd=ROOT,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    @contextmanager
    def service(self, name: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """One service. It is ended by its pid."""
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"services.{name}"],
                env={**self.environment(**more), "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                cwd=self.home,
            )
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()

    def wait_for(self, name: str, text: str) -> None:
        """Wait until a service has logged something."""
        deadline = time.monotonic() + 60
        while text not in self.log(name).read_text(encoding="utf8"):
            assert time.monotonic() < deadline, self.log(name).read_text(encoding="utf8")[-3000:]
            time.sleep(0.2)


def make_line(cluster: Cluster, folder: Path, listener: str) -> Line:
    """A line whose secrets are in files, as in Kubernetes."""
    secret = folder / "password"
    secret.write_text(f"{PASSWORD}\n")
    variables = {**cluster.kafka(listener), **cluster.elasticsearch()}
    for name in ("DRAGOMAN_KAFKA_PASSWORD", "DRAGOMAN_ELASTICSEARCH_PASSWORD"):
        if variables.pop(name, None):
            variables[f"{name}_FILE"] = str(secret)
    return Line(folder, {**variables, "DRAGOMAN_NAMESPACE": f"line-{listener.lower()}"})


@pytest.mark.parametrize("listener", ["TLS", "BOTH"])
def test_every_client_works_on_a_secured_cluster(cluster: Cluster, tmp_path: Path, listener: str) -> None:
    line = make_line(cluster, tmp_path, listener)
    line.run("setup")
    with line.service("worker"), line.service("dedup"), line.service("indexer"):
        assert "5 searchable, 0 dead" in line.run("replay", str(SEEDS), "--wait").stdout
        (hit, *_) = json.loads(line.run("search", "nuclear reactors", "--json").stdout)["hits"]
        assert hit["article"]["article_id"]
        assert line.run("verify").returncode == 0
        status = json.loads(line.run("status", "--json").stdout)
        assert (status["problems"], status["client_file"]) == ([], None)
        counted = json.loads(line.run("es", f"{line.variables['DRAGOMAN_NAMESPACE']}.articles/_count").stdout)
        assert counted["count"] == 5
    for name in SERVICES:
        assert PASSWORD not in line.log(name).read_text(encoding="utf8")


def test_a_wrong_password_waits_and_buries_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Each service says once what is wrong and goes on waiting. With the right password everything is there."""
    line = make_line(cluster, tmp_path, "BOTH")
    line.variables["DRAGOMAN_NAMESPACE"] = "line-wrong"
    line.run("setup")
    line.run("replay", str(SEEDS))
    with (
        line.service("worker", DRAGOMAN_KAFKA_PASSWORD=WRONG) as worker,
        line.service("indexer", DRAGOMAN_ELASTICSEARCH_PASSWORD=WRONG) as indexer,
    ):
        line.wait_for("worker", "Kafka refuses this service; waiting for a person")
        line.wait_for("indexer", "Elasticsearch refuses this service; waiting for a person")
        assert worker.poll() is None
        assert indexer.poll() is None
    told: dict[str, Any] = {name: line.log(name).read_text(encoding="utf8") for name in ("worker", "indexer")}
    assert "DRAGOMAN_KAFKA_PASSWORD" in told["worker"]
    assert "DRAGOMAN_ELASTICSEARCH_PASSWORD" in told["indexer"]
    assert all(WRONG not in text and PASSWORD not in text for text in told.values())
    with line.service("worker"), line.service("dedup"), line.service("indexer"):
        again = line.run("replay", str(SEEDS), "--wait")
        assert "5 searchable, 0 dead" in again.stdout
    assert json.loads(line.run("dead", "list", "--json").stdout) == []
