"""The stack under test: one temporary home, driven through the command line and its supervisor."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psutil

from services.common.settings import CLIENT_FILE, ElasticsearchSettings
from services.common.signals import undisturbed
from services.embedded.elasticsearch import find_server
from services.embedded.state import Stack, read_stack
from services.embedded.supervisor import Supervisor, last_lines
from tests.chaos.environment import COMMAND, ROOT, with_clock
from tests.processes import end

STOP_SECONDS = 60


class PipelineError(Exception):
    """The stack could not be started, or does not do what a class of faults needs."""


class Pipeline:
    """One stack in a home of its own. `code` is the folder of the code that runs it."""

    def __init__(self, home: Path | None = None, code: Path = ROOT, **environment: str) -> None:
        self.is_temporary = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix="dragoman-chaos-"))
        self.code = code
        self.variables = {"DRAGOMAN_VECTORS": "false", "DRAGOMAN_SERVER_COMPILER": "quick", **environment}
        self.supervisor = Supervisor(self.home)

    # --- the whole stack ----------------------------------------------------------------------------------------------

    def start(self, *arguments: str) -> Self:
        """Start it. PipelineError holds the end of what `up` printed."""
        run = self.run("up", "--detach", *arguments)
        if run.returncode:
            raise PipelineError(f"`up` ended with {run.returncode}: {run.stderr[-800:]}")
        return self

    def stop(self) -> None:
        """Stop it with `down`. Then end by pid what is left, which are only processes of this home."""
        with undisturbed():
            with suppress(subprocess.TimeoutExpired):
                self.run("down", timeout=180)
            for process in self.processes():
                with suppress(psutil.Error):
                    process.kill()

    def close(self) -> None:
        """Stop it, and remove a temporary home."""
        self.stop()
        if self.is_temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def processes(self) -> list[psutil.Process]:
        """Every process of this home but this one: it was started with the home, or names it in its command."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                mine = process.environ().get("DRAGOMAN_HOME") == str(self.home)
                named = any(str(self.home) in part for part in process.cmdline())
                if (mine or named) and process.pid != os.getpid():
                    found.append(process)
        return found

    # --- commands -----------------------------------------------------------------------------------------------------

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a process of this stack."""
        own = {"DRAGOMAN_HOME": str(self.home), "PYTHONPATH": str(self.code), **self.variables}
        return {**os.environ, **own, **more}

    def command(self, *arguments: str, clock: int = 0) -> list[str]:
        """The command line `dragoman …`, with a clock that is wrong by some seconds."""
        return [sys.executable, "-P", "-c", with_clock(clock, COMMAND), *arguments]

    def run(self, *arguments: str, timeout: float = 400, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `dragoman …` to its end. A failure is not an error here."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.code,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            start_new_session=True,  # Ctrl-C ends this program, which then stops everything
        )

    @contextmanager
    def beside(self, *arguments: str, log: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run Python with these arguments beside the stack. At the end it gets SIGTERM, and after a while SIGKILL."""
        path = self.home / "logs" / f"{log}.log"
        with path.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", *arguments],
                cwd=self.code,
                env=self.environment(**more),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            end(process)

    # --- where things are ---------------------------------------------------------------------------------------------

    @property
    def settings(self) -> ElasticsearchSettings:
        """The settings that a service of this home has."""
        return ElasticsearchSettings(home=self.home)

    @property
    def ports(self) -> Stack:
        """The ports of the running stack."""
        ports = read_stack(self.home)
        if ports is None:
            raise PipelineError("the stack has never been started")
        return ports

    def search_request(self, method: str, path: str, body: object = None) -> Any:
        """Send one request to Elasticsearch, and return its JSON."""
        data = None if body is None else json.dumps(body).encode()
        known = json.loads((self.home / CLIENT_FILE).read_text(encoding="utf8"))["elasticsearch"]
        headers = {"Content-Type": "application/json", **known["headers"]}
        request = urllib.request.Request(known["url"] + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    def unhealthy(self) -> list[str]:
        """The services that do not run or do not answer 200 on /healthz."""
        ports = self.ports.metrics_ports
        down = [state.name for state in self.supervisor.states() if state.state != "running"]
        return down + [name for name, port in ports.items() if name not in down and not _answers(port)]

    def exits(self) -> Counter[str]:
        """How often each process has ended without being told to, since the home was made."""
        text = (self.home / "logs" / "supervisord.log").read_text(encoding="utf8", errors="replace")
        return Counter(re.findall(r"exited: ([a-z0-9-]+)", text))

    def end_of_log(self, name: str, characters: int = 600) -> str:
        """The end of a log, without the paths of this machine."""
        text = last_lines(self.home / "logs" / f"{name}.log", 4)[-characters:]
        return text.replace(str(self.home), "$DRAGOMAN_HOME").replace(str(self.code), ".")

    # --- single processes ---------------------------------------------------------------------------------------------

    def pids(self) -> dict[str, int]:
        """The pids of the processes that run, by name."""
        return {state.name: state.pid for state in self.supervisor.states() if state.pid}

    def pid(self, name: str, seconds: float = 15) -> int:
        """The pid of a process. It may be between two starts, so this waits for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if pid := self.pids().get(name):
                return pid
            time.sleep(0.1)
        raise PipelineError(f"{name} does not run")

    def family(self, name: str) -> list[psutil.Process]:
        """A process with its children. The server of Elasticsearch is no child of the process that holds it."""
        found: list[psutil.Process] = []
        with suppress(psutil.Error):
            process = psutil.Process(self.pid(name))
            found = [process, *process.children(recursive=True)]
        server = find_server(self.home) if name == "elasticsearch" else None
        with suppress(psutil.Error):
            found += [server, *server.children(recursive=True)] if server is not None else []
        return found

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and its children, the children first."""
        for process in reversed(self.family(name)):
            with suppress(psutil.Error):
                process.send_signal(number)

    def kill(self, name: str) -> None:
        """End a process with kill -9. The supervisor starts it again."""
        self.signal(name, signal.SIGKILL)

    def stop_service(self, name: str) -> None:
        """Stop a process, and wait until it is stopped."""
        deadline = time.monotonic() + STOP_SECONDS
        while name in self.pids() or self._state(name) not in {"stopped", "fatal"}:
            if time.monotonic() > deadline:
                raise PipelineError(f"{name} does not stop")
            with suppress(OSError, xmlrpc.client.Error):
                self.supervisor._rpc().stopProcess(name, True)
            time.sleep(0.1)

    def start_service(self, name: str) -> None:
        """Start a stopped process, without waiting until it is ready."""
        with suppress(OSError, xmlrpc.client.Error):
            self.supervisor.start_program(name)

    def _state(self, name: str) -> str:
        return next((state.state for state in self.supervisor.states() if state.name == name), "unknown")

    @contextmanager
    def stopped(self, *names: str) -> Iterator[None]:
        """These processes are stopped inside the block."""
        try:
            for name in names:
                self.stop_service(name)
            yield
        finally:
            for name in names:
                self.start_service(name)

    @contextmanager
    def away(self, name: str) -> Iterator[None]:
        """This process is killed with kill -9, and not started again inside the block."""
        self.kill(name)
        with self.stopped(name):
            yield

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """This process gets no CPU inside the block."""
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
