"""Runs and restarts processes. This is a thin layer over Supervisor (supervisord), which does the work.

Every process gets SIGTERM when its parent dies (`setpriv --pdeathsig`), so a killed supervisor leaves no processes.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psutil
from supervisor.xmlrpc import SupervisorTransport

from services.common.private_files import only_for_us, write_private
from services.embedded.errors import StackError

START_RETRIES = 120
"""Failed starts in a row before Supervisor gives up. After each failed start the delay grows by one second."""
LEFTOVER_SECONDS = 40
"""Elasticsearch and Kafka end within this time when they are told to."""
SOCKET_PATH_LIMIT = 100
"""Maximum bytes of the path of a Unix socket, with a margin (sun_path has 108)."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running. Lower priorities start first and stop last."""

    name: str
    command: Sequence[str]
    priority: int
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: int = 20


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The state of one process: `state` is the word of Supervisor in lower case, `pid` is None while it is down.

    `exit_status` is the status of the last exit, 0 before the first exit.
    """

    name: str
    state: str
    pid: int | None
    uptime_seconds: float
    description: str
    exit_status: int = 0


class Supervisor:
    """The supervisord of one `DRAGOMAN_HOME`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log_folder = folder / "logs"
        self._config = folder / "supervisord.conf"
        self._socket = _socket_path(folder)
        self._started: subprocess.Popen[bytes] | None = None

    def write_config(self, programs: Sequence[Program]) -> None:
        """Write supervisord's configuration. It takes effect at the next start."""
        self.log_folder.mkdir(parents=True, exist_ok=True)
        lines = [
            "[unix_http_server]",
            f"file={_escape(str(self._socket))}",
            "chmod=0700",
            "[supervisord]",
            f"logfile={_escape(str(self.log_folder / 'supervisord.log'))}",
            f"pidfile={_escape(str(self.folder / 'supervisord.pid'))}",
            "logfile_maxbytes=5MB",
            "logfile_backups=1",
            *(["user=root"] if os.geteuid() == 0 else []),
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for program in programs:
            lines += self._section(program)
        write_private(self._config, "\n".join(lines) + "\n")

    def _section(self, program: Program) -> list[str]:
        command = shlex.join(["setpriv", "--pdeathsig", "TERM", "--", *program.command])
        environment = ",".join(f'{name}="{_escape(value)}"' for name, value in program.environment.items())
        return [
            f"[program:{program.name}]",
            f"command={_escape(command)}",
            f"environment={environment}",
            "autostart=false",
            "autorestart=true",
            "startsecs=1",
            f"startretries={START_RETRIES}",
            f"stopwaitsecs={program.stop_seconds}",
            "stopasgroup=false",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_escape(str(self.log_path(program.name)))}",
            "stdout_logfile_maxbytes=20MB",
            "stdout_logfile_backups=2",
            f"priority={program.priority}",
        ]

    def start(self, *, outlive_caller: bool) -> None:
        """Start supervisord and wait until it answers."""
        prefix = [] if outlive_caller else ["setpriv", "--pdeathsig", "TERM", "--"]
        command = [*prefix, sys.executable, "-P", "-m", "services.embedded.supervisord", "-n", "-c", str(self._config)]
        with only_for_us(), (self.log_folder / "supervisord.out").open("ab") as output:
            process = self._started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        deadline = time.monotonic() + 20
        while not self.is_running():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = last_lines(self.log_folder / "supervisord.out")
                raise StackError(f"The supervisor does not start:\n{tail}")
            time.sleep(0.05)

    def is_running(self) -> bool:
        """Whether this home's supervisord answers."""
        try:
            return bool(self._rpc().getState()["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error):
            return False

    def pid(self) -> int | None:
        """The supervisor's own pid."""
        try:
            return int(cast("int", self._rpc().getPID()))
        except (OSError, xmlrpc.client.Error):
            return None

    def states(self) -> list[ProcessState]:
        """Every process, in the order of the configuration. Empty if the supervisor does not run."""
        try:
            found = cast("list[dict[str, Any]]", self._rpc().getAllProcessInfo())
        except (OSError, xmlrpc.client.Error):
            return []
        return [
            ProcessState(
                name=item["name"],
                state=str(item["statename"]).lower(),
                pid=item["pid"] or None,
                uptime_seconds=float(max(0, item["now"] - item["start"])) if item["pid"] else 0.0,
                description=item["spawnerr"] or item["description"],
                exit_status=item["exitstatus"],
            )
            for item in found
        ]

    def start_program(self, name: str) -> None:
        """Start one process without waiting for it."""
        self._rpc().startProcess(name, False)

    def stop(self) -> None:
        """Stop the services, then the servers, then supervisord. Returns when all processes have ended."""
        pid = self.pid() or (self._started.pid if self._started else None)
        if pid is None or not psutil.pid_exists(pid):
            return
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        process.terminate()
        try:
            process.wait(90)
        except psutil.TimeoutExpired:
            process.kill()
        _, alive = psutil.wait_procs(children, timeout=10)
        for child in alive:
            child.kill()
        self._socket.unlink(missing_ok=True)

    def leftovers(self) -> list[psutil.Process]:
        """The processes of an earlier supervisor of this home that was killed. They may be ending."""
        url = f"unix://{self._socket}"
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.uids().real == os.getuid() and process.environ().get("SUPERVISOR_SERVER_URL") == url:
                    found.append(process)
        return found

    def stop_leftovers(self) -> list[str]:
        """End what an earlier supervisor left behind, and wait for it. Returns the names."""
        found = self.leftovers()
        names = []
        for process in found:
            with suppress(psutil.Error):
                names.append(process.environ().get("SUPERVISOR_PROCESS_NAME", process.name()))
                process.terminate()
        _, alive = psutil.wait_procs(found, timeout=LEFTOVER_SECONDS)
        for process in alive:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=10)
        return sorted(set(names))

    def log_path(self, name: str) -> Path:
        """The log of one process."""
        return self.log_folder / f"{name}.log"

    def _rpc(self) -> Any:
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def last_lines(path: Path, count: int = 12) -> str:
    """The end of a log."""
    try:
        return "\n".join(path.read_text(encoding="utf8", errors="replace").splitlines()[-count:])
    except OSError:
        return "(no log)"


def _socket_path(folder: Path) -> Path:
    path = folder / "supervisor.sock"
    if len(os.fsencode(path)) < SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    private = Path(tempfile.gettempdir()) / f"dragoman-{os.geteuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    found = private.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077 or not stat.S_ISDIR(found.st_mode):
        raise StackError(
            f"{private} is not a private folder of this user. Set DRAGOMAN_HOME to a folder with a shorter path."
        )
    return private / f"{digest}.sock"


def _escape(value: str) -> str:
    return value.replace("%", "%%")
