"""The whole line on a cluster with TLS and logins: every client connects, a wrong password waits, nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, SEEDS, Stack
from tests.processes import end
from tests.secured.servers import PASSWORD, Cluster

SERVICES = ("worker", "dedup", "indexer")
WRONG = "wrong-and-secret"


class Line(Stack):
    """Services that nobody supervises, and the commands, on servers of somebody else."""

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    @contextmanager
    def service(self, name: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """One service. It is ended by its pid."""
        self.log(name).parent.mkdir(exist_ok=True)
        own = {"DRAGOMAN_HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"services.{name}"],
                env={**os.environ, **self.environment, **own, **more},
                stdout=log,
                stderr=log,
                cwd=self.home,
            )
            try:
                yield process
            finally:
                end(process)

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
    variables |= {"DRAGOMAN_NAMESPACE": f"line-{listener.lower()}", "DRAGOMAN_VECTORS": "false"}
    return Line(folder, variables)


@pytest.mark.parametrize("listener", ["TLS", "BOTH"])
def test_every_client_works_on_a_secured_cluster(cluster: Cluster, tmp_path: Path, listener: str) -> None:
    line = make_line(cluster, tmp_path, listener)
    line.run("setup")
    with line.service("worker"), line.service("dedup"), line.service("indexer"):
        assert "5 searchable, 0 dead" in line.run("replay", str(SEEDS), "--wait").stdout
        (hit, *_) = line.json("search", "nuclear reactors")["hits"]
        assert hit["article"]["article_id"]
        assert line.run("verify").returncode == 0
        status = line.json("status")
        assert (status["problems"], status["client_file"]) == ([], None)
        counted = json.loads(line.run("es", f"{line.environment['DRAGOMAN_NAMESPACE']}.articles/_count").stdout)
        assert counted["count"] == 5
    for name in SERVICES:
        assert PASSWORD not in line.log(name).read_text(encoding="utf8")


def test_a_wrong_password_waits_and_buries_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Each service says once what is wrong and goes on waiting. With the right password everything is there."""
    line = make_line(cluster, tmp_path, "BOTH")
    line.environment["DRAGOMAN_NAMESPACE"] = "line-wrong"
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
    assert line.json("dead", "list") == []
