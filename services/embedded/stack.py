"""`up` and `down`: runs all steps in order. If a step fails, nothing is left running."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil
from filelock import FileLock, Timeout
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from services.common.exits import EXIT_TEMPORARY
from services.common.private_files import PRIVATE_FILE, PRIVATE_FOLDER, close_folder, only_for_us, write_private
from services.common.settings import CLIENT_FILE, ENDPOINTS_FILE, HEADER_FILE, STACK_FILE
from services.embedded import artifacts, elasticsearch, java
from services.embedded.artifacts import Artifact
from services.embedded.credentials import (
    KAFKA_MECHANISM,
    KAFKA_USER,
    OPERATOR,
    ROLES,
    Credentials,
    make_credentials,
)
from services.embedded.elasticsearch import Elasticsearch
from services.embedded.errors import StackError
from services.embedded.kafka import Kafka, login, make_user
from services.embedded.settings import EmbeddedSettings
from services.embedded.state import Stack, read_stack
from services.embedded.supervisor import ProcessState, Program, Supervisor, last_lines

SERVERS = ("kafka", "elasticsearch")
PRODUCER = "producer"
"""The service that collects feeds and accepts pushed articles: `services.producer`."""
NEEDED_BYTES = 700 * 1024**2
"""Space for the unpacked server and the first data and logs of Kafka and Elasticsearch."""
START_SECONDS = 120
FAILED_STATES = {"fatal", "exited", "unknown", "backoff"}
START_ATTEMPTS = 3
"""A starting process that got more than this many pids has failed.

Supervisor starts a process again at once when it ran for longer than a second, so its end may never be seen.
"""


class Reporter(Protocol):
    """Shows progress."""

    def step(self, text: str) -> None:
        """A step begins."""

    def download(self, artifact: Artifact, received: int) -> None:
        """A download has grown."""


def service_names(workers: int, *, archive: bool = False) -> list[str]:
    """The process names of the services, in the order in which they start."""
    more = ["archive"] if archive else []
    return [*(f"worker-{number}" for number in range(1, workers + 1)), "dedup", "indexer", *more, PRODUCER]


def up(
    settings: EmbeddedSettings,
    reporter: Reporter,
    prepare: Callable[[Stack], None],
    *,
    max_message_bytes: int,
    services: list[str],
    detach: bool,
    ingest_port: int = 0,
) -> Stack:
    """Start the servers, `prepare` topics and indices, start the services. After a StackError nothing is running."""
    supervisor = Supervisor(settings.home)
    with _exclusive(settings.home):
        if supervisor.is_running():
            raise AlreadyRunningError(supervisor.states())
        if left := supervisor.stop_leftovers():
            reporter.step(f"Ended what a killed supervisor left behind: {', '.join(left)}")
        _close(settings.home)
        server_java = java.find_java()
        stack, kafka, search, credentials = _configure(
            settings, reporter, server_java, max_message_bytes, services, ingest_port
        )
        with only_for_us():
            supervisor.write_config(_programs(settings, kafka, search, stack, credentials))
        try:
            supervisor.start(outlive_caller=detach)
            _start_servers(supervisor, reporter, stack, credentials)
            reporter.step("Creating topics and index templates")
            prepare(stack)
            reporter.step(f"Starting {', '.join(stack.metrics_ports)}")
            for name in stack.metrics_ports:
                supervisor.start_program(name)
            for name, port in stack.metrics_ports.items():
                _wait(supervisor, name, lambda port=port: _is_healthy(port))  # type: ignore[misc]
        except BaseException:
            supervisor.stop()
            raise
    return stack


class AlreadyRunningError(StackError):
    """The stack of this home is already running. `states` lists its processes."""

    def __init__(self, states: list[ProcessState]) -> None:
        running = ", ".join(f"{state.name} ({state.state})" for state in states)
        super().__init__(f"Already running: {running}. `dragoman status` shows more, `dragoman down` stops it.")
        self.states = states
        self.is_whole = all(state.state in {"running", "starting"} for state in states)


def down(home: Path) -> list[str]:
    """Stop only the processes that `up` started, by pid. Returns the names of those that were running."""
    supervisor = Supervisor(home)
    names = [state.name for state in supervisor.states() if state.pid]
    supervisor.stop()
    orphan = elasticsearch.find_server(home)
    if orphan is not None:
        orphan.terminate()
        psutil.wait_procs([orphan], timeout=30)
        names.append("elasticsearch (orphaned)")
    return names


@contextmanager
def _exclusive(home: Path) -> Iterator[None]:
    try:
        home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{home} cannot be made: {error.strerror}. Set DRAGOMAN_HOME to another folder.") from error
    lock = FileLock(home / "up.lock", timeout=0, mode=PRIVATE_FILE)
    try:
        with lock:
            yield
    except Timeout as error:
        raise StackError(f"Another `dragoman up` is running in {home}.") from error


def _close(home: Path) -> None:
    try:
        close_folder(home)
    except OSError as error:
        raise StackError(
            f"{home} cannot be closed to other users: {error.strerror}. Set DRAGOMAN_HOME to a folder of your own."
        ) from error


def _configure(
    settings: EmbeddedSettings,
    reporter: Reporter,
    server_java: java.Java,
    max_message_bytes: int,
    services: list[str],
    ingest_port: int,
) -> tuple[Stack, Kafka, Elasticsearch, Credentials]:
    cache = settings.cache or artifacts.cache_folder()
    reporter.step("Checking downloads")
    lock = artifacts.read_lock()
    wanted = artifacts.missing(lock, cache)
    _check_room(settings.home, NEEDED_BYTES)
    _check_room(cache.parent, sum(artifact.size for artifact in wanted) + NEEDED_BYTES)
    if wanted:
        artifacts.fetch(wanted, cache, reporter.download)
    server, jars = install(lock, cache, server_java)
    stack = _choose_ports(settings, services, ingest_port)
    options = (java.QUICK_COMPILER,) if settings.server_compiler == "quick" else ()
    kafka = Kafka(
        server_java, jars, settings.home / "kafka", stack.kafka_port, stack.controller_port, max_message_bytes, options
    )
    search = Elasticsearch(
        str(server),
        str(server_java.home),
        str(settings.home / "elasticsearch"),
        stack.elasticsearch_port,
        stack.transport_port,
    )
    reporter.step("Configuring Kafka and Elasticsearch")
    with only_for_us():
        credentials = make_credentials(settings.home)
        kafka.configure(credentials.broker)
        search.configure(credentials, options)
    _write_json(settings.home / ENDPOINTS_FILE, endpoints_of(stack, credentials))
    _write_json(settings.home / CLIENT_FILE, clients_of(stack, credentials))
    header = "".join(f"{name}: {value}\n" for name, value in credentials.headers.items())
    write_private(settings.home / HEADER_FILE, header)
    values = {name: getattr(stack, name) for name in Stack.__dataclass_fields__}
    _write_json(settings.home / STACK_FILE, values)
    return stack, kafka, search, credentials


def install(lock: Sequence[Artifact], cache: Path, server_java: java.Java) -> tuple[Path, tuple[Path, ...]]:
    """Unpack what was downloaded. Returns Elasticsearch's folder and Kafka's jars."""
    by_name = {artifact.name: artifact for artifact in lock}
    archive, compiler = by_name["elasticsearch"], by_name["ecj"]
    server = elasticsearch.install(archive, compiler.path(cache), cache, server_java)
    return server, tuple(artifact.path(cache) for artifact in lock if artifact not in (archive, compiler))


def endpoints_of(stack: Stack, credentials: Credentials) -> dict[str, object]:
    """The settings with which every command and service reaches the servers."""
    return {
        "kafka_bootstrap": stack.kafka_bootstrap,
        "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_sasl_mechanism": KAFKA_MECHANISM,
        "kafka_username": KAFKA_USER,
        "kafka_password": credentials.kafka,
        "elasticsearch_url": stack.elasticsearch_url,
        "elasticsearch_username": OPERATOR,
        "elasticsearch_password": credentials.elasticsearch[OPERATOR],
    }


def clients_of(stack: Stack, credentials: Credentials) -> dict[str, object]:
    """What other programs need: URL and headers of Elasticsearch, and arguments of kafka-python."""
    return {
        "elasticsearch": {
            "url": stack.elasticsearch_url,
            "headers": credentials.headers,
            "ca": None,
        },
        "kafka": {
            "bootstrap_servers": stack.kafka_bootstrap,
            **login(KAFKA_MECHANISM, KAFKA_USER, credentials.kafka),
        },
    }


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    write_private(path, json.dumps(values, indent=1))


def _check_room(folder: Path, needed: int) -> None:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise StackError(
            f"The disk of {folder} has {free / 1e6:,.0f} MB free, but {needed / 1e6:,.0f} MB are needed. "
            "Free some space, or set DRAGOMAN_HOME and DRAGOMAN_CACHE to another disk."
        )


def _choose_ports(settings: EmbeddedSettings, services: list[str], ingest_port: int = 0) -> Stack:
    """Fixed ports must be free. The others are the ports of the last run if they are still free, else any free port."""
    last = read_stack(settings.home) or Stack(0, 0, 0, 0, {})
    taken: set[int] = set()

    def choose(fixed: int, previous: int, setting: str) -> int:
        if fixed and not _is_free(fixed):
            raise StackError(f"Port {fixed} is taken by another process. Set {setting} to another port, or to 0.")
        port = fixed or (previous if previous and previous not in taken and _is_free(previous) else _free_port(taken))
        taken.add(port)
        return port

    return Stack(
        kafka_port=choose(settings.kafka_port, last.kafka_port, "DRAGOMAN_KAFKA_PORT"),
        controller_port=choose(0, last.controller_port, ""),
        elasticsearch_port=choose(settings.elasticsearch_port, last.elasticsearch_port, "DRAGOMAN_ELASTICSEARCH_PORT"),
        transport_port=choose(0, last.transport_port, ""),
        metrics_ports={name: choose(0, last.metrics_ports.get(name, 0), "") for name in services},
        ingest_port=choose(ingest_port, last.ingest_port, "DRAGOMAN_INGEST_PORT"),
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port(taken: set[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def _programs(
    settings: EmbeddedSettings, kafka: Kafka, search: Elasticsearch, stack: Stack, credentials: Credentials
) -> list[Program]:
    root = str(Path(__file__).parents[2])
    programs = [
        Program("kafka", kafka.command(), priority=10, stop_seconds=30),
        Program("elasticsearch", search.command(), priority=20, stop_seconds=40, environment={"PYTHONPATH": root}),
    ]
    for name, port in stack.metrics_ports.items():
        service = name.partition("-")[0]
        environment = {
            "PYTHONPATH": root,
            "PYTHONUNBUFFERED": "1",
            "DRAGOMAN_HOME": str(settings.home),
            "DRAGOMAN_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
            "DRAGOMAN_ELASTICSEARCH_URL": stack.elasticsearch_url,
            "DRAGOMAN_INSTANCE": name,
            "DRAGOMAN_METRICS_PORT": str(port),
        }
        if service in ROLES:
            environment["DRAGOMAN_ELASTICSEARCH_USERNAME"] = service
            environment["DRAGOMAN_ELASTICSEARCH_PASSWORD_FILE"] = str(credentials.elasticsearch_file(service))
        if name == PRODUCER:
            environment["DRAGOMAN_INGEST_PORT"] = str(stack.ingest_port)
        command = [sys.executable, "-P", "-m", f"services.{service}"]
        programs.append(Program(name, command, priority=100, environment=environment))
    return programs


def _start_servers(supervisor: Supervisor, reporter: Reporter, stack: Stack, credentials: Credentials) -> None:
    reporter.step("Starting Kafka and Elasticsearch")
    for name in SERVERS:
        supervisor.start_program(name)
    _wait(supervisor, "kafka", lambda: _kafka_answers(stack, credentials))
    health = f"{stack.elasticsearch_url}/_cluster/health"
    _wait(supervisor, "elasticsearch", lambda: _answers(health, credentials.headers))


def _wait(supervisor: Supervisor, name: str, is_ready: Callable[[], bool]) -> None:
    """Wait for one process. If it ends or does not become ready, StackError holds the end of its log."""
    deadline = time.monotonic() + START_SECONDS
    pids: set[int] = set()
    while not is_ready():
        state = next((state for state in supervisor.states() if state.name == name), None)
        if state is not None and state.pid:
            pids.add(state.pid)
        failed = state is None or has_failed(state) or len(pids) > START_ATTEMPTS
        if failed or time.monotonic() > deadline:
            what = "ended immediately" if failed else f"was not ready after {START_SECONDS} s"
            tail = last_lines(supervisor.log_path(name))
            raise StackError(f"{name} {what}. The end of {supervisor.log_path(name)}:\n{tail}")
        time.sleep(0.1)


def has_failed(state: ProcessState) -> bool:
    """Whether a starting process has ended. A process that ended itself because it stalled does not count."""
    return state.state in FAILED_STATES and not (state.state == "exited" and state.exit_status == EXIT_TEMPORARY)


def _kafka_answers(stack: Stack, credentials: Credentials) -> bool:
    """Whether the user of all clients can log in. It is made where it is missing."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", stack.kafka_port)):
            return False
    try:
        make_user(stack.kafka_bootstrap, credentials)
        arguments: Any = clients_of(stack, credentials)["kafka"]
        KafkaAdminClient(**arguments, bootstrap_timeout_ms=3000).close()
    except KafkaError:
        return False
    return True


def _is_healthy(port: int) -> bool:
    return _answers(f"http://127.0.0.1:{port}/healthz")


def _answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
