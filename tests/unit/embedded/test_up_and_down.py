"""`up` does everything in order and leaves nothing running when a step fails; `down` stops only what is ours."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError

from services.common.settings import ElasticsearchSettings
from services.embedded import artifacts, elasticsearch, java, stack
from services.embedded.artifacts import Artifact
from services.embedded.credentials import make_credentials
from services.embedded.elasticsearch import Elasticsearch
from services.embedded.errors import StackError
from services.embedded.java import Java
from services.embedded.settings import EmbeddedSettings
from services.embedded.state import Stack, read_stack
from services.embedded.supervisor import ProcessState, Program

SERVICES = ["worker-1", "dedup", "producer"]
FORMATTER = "#!/bin/sh\nexit 0\n"


class FakeSupervisor:
    """Runs nothing; tells what it was asked. `dies` names a process that ends at once."""

    journal: list[str]
    programs: list[Program]
    running: dict[str, str]
    dies: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_config(self, programs: list[Program]) -> None:
        type(self).programs = programs

    def start(self, *, outlive_caller: bool) -> None:
        self.journal.append(f"supervisor, outliving: {outlive_caller}")

    def start_program(self, name: str) -> None:
        self.journal.append(name)
        self.running[name] = "fatal" if name == self.dies else "running"

    def is_running(self) -> bool:
        return bool(self.running)

    def states(self) -> list[ProcessState]:
        return [ProcessState(name, state, 1, 1.0, "") for name, state in self.running.items()]

    def stop_leftovers(self) -> list[str]:
        return []

    def stop(self) -> None:
        self.journal.append("stop")
        self.running.clear()

    def log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"


class Steps:
    """A reporter that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def step(self, text: str) -> None:
        self.told.append(text)

    def download(self, artifact: Artifact, received: int) -> None:
        self.told.append(f"{artifact.name} {received}")


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> type[FakeSupervisor]:
    fresh = {"journal": [], "programs": [], "running": {}, "dies": ""}
    for name, value in fresh.items():
        monkeypatch.setattr(FakeSupervisor, name, value, raising=False)
    monkeypatch.setattr(stack, "Supervisor", FakeSupervisor)
    monkeypatch.setattr(stack, "_kafka_answers", lambda *_: FakeSupervisor.running.get("kafka") == "running")
    monkeypatch.setattr(stack, "_answers", lambda *_: "fatal" not in FakeSupervisor.running.values())
    return FakeSupervisor


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedSettings:
    """A cache that holds all it needs, a Java, and an Elasticsearch that is unpacked already."""
    locked, cache = [], tmp_path / "cache" / "maven"
    for name, packaging in (("kafka_2.13", "jar"), ("elasticsearch", "zip"), ("ecj", "jar"), ("slf4j", "jar")):
        data = name.encode()
        one = Artifact("org.example", name, "1.0", packaging, hashlib.sha256(data).hexdigest(), len(data))
        one.path(cache).parent.mkdir(parents=True)
        one.path(cache).write_bytes(data)
        locked.append(one)
    for name in ("java", "keytool"):
        program = tmp_path / "java" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(FORMATTER)
        program.chmod(0o755)
    server = tmp_path / "cache" / "server"
    (server / "config").mkdir(parents=True)
    for name in ("jvm.options", "log4j2.properties"):
        (server / "config" / name).write_text("")
    monkeypatch.setattr(artifacts, "read_lock", lambda: tuple(locked))
    monkeypatch.setattr(java, "find_java", lambda: Java(tmp_path / "java", 21))
    monkeypatch.setattr(elasticsearch, "install", lambda *_: server)
    monkeypatch.setattr(stack, "NEEDED_BYTES", 1)
    return EmbeddedSettings(home=tmp_path / "home", cache=cache)


def up(settings: EmbeddedSettings, reporter: Steps, prepare: Any = lambda _: None, **options: Any) -> Stack:
    values = {"max_message_bytes": 1234, "services": SERVICES, "detach": True} | options
    return stack.up(settings, reporter, prepare, **values)


def test_servers_start_first_then_topics_are_made_then_services_start(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor]
) -> None:
    made = up(settings, Steps(), lambda one: supervisor.journal.append(f"topics on {one.kafka_bootstrap}"))
    assert supervisor.journal == [
        *("supervisor, outliving: True", "kafka", "elasticsearch", f"topics on {made.kafka_bootstrap}"),
        *SERVICES,
    ]


def test_every_step_is_reported(settings: EmbeddedSettings, supervisor: type[FakeSupervisor]) -> None:
    assert supervisor.running == {}
    steps = Steps()
    up(settings, steps)
    assert steps.told == [
        "Checking downloads",
        "Configuring Kafka and Elasticsearch",
        "Starting Kafka and Elasticsearch",
        "Creating topics and index templates",
        "Starting worker-1, dedup, producer",
    ]


def test_what_is_missing_is_fetched_first(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert supervisor.running == {}
    broker = artifacts.read_lock()[0]
    assert settings.cache is not None
    broker.path(settings.cache).unlink()
    monkeypatch.setattr(artifacts, "fetch", lambda wanted, _, report: [report(one, one.size) for one in wanted])
    steps = Steps()
    up(settings, steps)
    assert steps.told[1] == f"kafka_2.13 {broker.size}"


def test_later_commands_find_the_stack_and_its_endpoints(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor]
) -> None:
    assert supervisor.running == {}
    made = up(settings, Steps())
    assert read_stack(settings.home) == made
    found = ElasticsearchSettings(home=settings.home)
    assert found.kafka_bootstrap == f"127.0.0.1:{made.kafka_port}"
    assert found.elasticsearch_url == f"http://127.0.0.1:{made.elasticsearch_port}"
    kept = settings.home / "credentials"
    assert found.kafka_password.get_secret_value() == (kept / "kafka").read_text().strip()
    assert found.elasticsearch_password.get_secret_value() == (kept / "elasticsearch-operator").read_text().strip()
    assert made.ingest_url == f"http://127.0.0.1:{made.ingest_port}/articles"


def test_kafka_gets_every_jar_but_the_compiler_and_no_archive(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor]
) -> None:
    up(settings, Steps())
    broker = next(program for program in supervisor.programs if program.name == "kafka")
    jars = broker.command[broker.command.index("-cp") + 1].split(":")
    assert [Path(jar).name for jar in jars] == ["kafka_2.13-1.0.jar", "slf4j-1.0.jar"]


def test_services_learn_their_ports_and_only_the_producer_takes_pushes(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor]
) -> None:
    made = up(settings, Steps())
    programs = {program.name: program for program in supervisor.programs}
    worker, producer = programs["worker-1"], programs["producer"]
    assert list(worker.command[-2:]) == ["-m", "services.worker"]
    assert worker.environment["DRAGOMAN_METRICS_PORT"] == str(made.metrics_ports["worker-1"])
    assert worker.environment["DRAGOMAN_KAFKA_BOOTSTRAP"] == made.kafka_bootstrap
    assert producer.environment["DRAGOMAN_INGEST_PORT"] == str(made.ingest_port)
    assert "DRAGOMAN_INGEST_PORT" not in worker.environment
    assert "DRAGOMAN_ELASTICSEARCH_USERNAME" not in worker.environment
    assert producer.environment["DRAGOMAN_ELASTICSEARCH_USERNAME"] == "producer"
    password = Path(producer.environment["DRAGOMAN_ELASTICSEARCH_PASSWORD_FILE"])
    assert password == settings.home / "credentials" / "elasticsearch-producer"
    assert programs["kafka"].priority < programs["elasticsearch"].priority < worker.priority


@pytest.mark.parametrize("name", ["kafka", "elasticsearch", "worker-1"])
def test_a_process_that_ends_at_once_stops_all_and_shows_its_log(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor], name: str
) -> None:
    supervisor.dies = name
    settings.home.mkdir()
    (settings.home / f"{name}.log").write_text("why it died\n")
    with pytest.raises(StackError, match=rf"(?s){name} ended immediately.*why it died"):
        up(settings, Steps())
    assert (supervisor.journal[-1], supervisor.running) == ("stop", {})


def test_a_process_that_is_started_again_and_again_is_given_up_although_its_end_is_never_seen(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = iter(range(1, 1000))
    monkeypatch.setattr(stack, "START_SECONDS", 20)
    monkeypatch.setattr(stack, "_kafka_answers", lambda *_: False)
    monkeypatch.setattr(supervisor, "states", lambda _: [ProcessState("kafka", "running", next(pids), 1.0, "")])
    with pytest.raises(StackError, match="kafka ended immediately"):
        up(settings, Steps())
    assert next(pids) == stack.START_ATTEMPTS + 2


def test_a_process_that_never_answers_is_given_up(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "START_SECONDS", -1)
    monkeypatch.setattr(stack, "_kafka_answers", lambda *_: False)
    with pytest.raises(StackError, match="kafka was not ready"):
        up(settings, Steps())
    assert supervisor.running == {}


def test_ctrl_c_while_topics_are_made_stops_all(settings: EmbeddedSettings, supervisor: type[FakeSupervisor]) -> None:
    def interrupted(_: Stack) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        up(settings, Steps(), interrupted)
    assert supervisor.journal[-1] == "stop"


@pytest.mark.parametrize(("state", "is_whole"), [("running", True), ("fatal", False)])
def test_a_second_up_says_what_runs_and_whether_all_does(
    settings: EmbeddedSettings, supervisor: type[FakeSupervisor], state: str, *, is_whole: bool
) -> None:
    supervisor.running.update({"kafka": "running", "dedup": state})
    with pytest.raises(stack.AlreadyRunningError, match=rf"kafka \(running\), dedup \({state}\)") as caught:
        up(settings, Steps())
    assert caught.value.is_whole is is_whole
    assert supervisor.journal == []


def test_workers_are_numbered_and_start_before_dedup() -> None:
    assert stack.service_names(2) == ["worker-1", "worker-2", "dedup", "indexer", "producer"]


def test_down_tells_what_was_running(tmp_path: Path, supervisor: type[FakeSupervisor]) -> None:
    supervisor.running.update({"kafka": "running"})
    assert stack.down(tmp_path) == ["kafka"]
    assert stack.down(tmp_path) == []


@pytest.mark.usefixtures("supervisor")
def test_down_stops_a_server_whose_holder_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "elasticsearch"
    folder.mkdir()
    (folder / "log").write_text("")
    server = Elasticsearch("/server", "/java", str(folder), 1, 2)
    launch = {name: getattr(server, name) for name in Elasticsearch.__dataclass_fields__}
    (folder / elasticsearch.LAUNCH_FILE).write_text(json.dumps(launch))
    with subprocess.Popen(["tail", "-f", str(folder / "log")]) as orphan:
        server.pid_file.write_text(str(orphan.pid))
        assert stack.down(tmp_path) == ["elasticsearch (orphaned)"]
    assert server.process() is None


class Health(BaseHTTPRequestHandler):
    """Well at /healthz, unwell elsewhere."""

    def do_GET(self) -> None:
        """Answer by the path."""
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Requests are no news."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_only_a_good_answer_is_health(port: int) -> None:
    assert stack._is_healthy(port)
    assert not stack._answers(f"http://127.0.0.1:{port}/_cluster/health")
    assert not stack._is_healthy(9)


def test_kafka_answers_when_its_user_can_log_in_and_not_only_its_port(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    credentials = make_credentials(tmp_path)
    made: list[str] = []
    monkeypatch.setattr(stack, "make_user", lambda bootstrap, _: made.append(bootstrap))

    class Admin:
        is_up = False

        def __init__(self, **_: object) -> None:
            if not self.is_up:
                raise KafkaConnectionError

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(stack, "KafkaAdminClient", Admin)
    assert not stack._kafka_answers(Stack(9, 0, 0, 0, {}), credentials)
    assert made == []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        started = Stack(listener.getsockname()[1], 0, 0, 0, {})
        assert not stack._kafka_answers(started, credentials)
        monkeypatch.setattr(Admin, "is_up", True)
        assert stack._kafka_answers(started, credentials)
    assert made == [started.kafka_bootstrap] * 2
