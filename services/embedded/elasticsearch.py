"""Installs, configures and runs Elasticsearch as one local process.

If the launcher of the server is killed, it leaves the server behind. So the server is started as a daemon with a pid
file, and `python -m services.embedded.elasticsearch FOLDER` holds it. The holding process adopts a server that is
already running, ends when the server ends, and stops it on SIGTERM.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from services.embedded.artifacts import Artifact
from services.embedded.errors import StackError
from services.embedded.java import Java
from services.embedded.plugin import build_plugin

JVM_OPTIONS = """-Xms512m
-Xmx512m
-XX:TieredStopAtLevel=1
"""
"""512 MB is enough here. Only the quick compiler is used: in the first minutes on two cores, the other one took more
CPU than all our services together (docs/adr/0004)."""
UNPRIVILEGED_ID = 1000
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 30
LAUNCH_FILE = "launch.json"
SETTINGS = """cluster.name: dragoman
node.name: embedded
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: {transport_port}
path.data: {data}
path.logs: {logs}
cluster.routing.allocation.disk.threshold_enabled: false
action.auto_create_index: false
xpack.security.enabled: false
"""


def install(archive: Artifact, compiler: Path, cache: Path, java: Java) -> Path:
    """Unpack the server next to the cache (only once) and build the analyzer plugin. Returns the server's folder."""
    server = cache.parent / f"elasticsearch-{archive.version}"
    with FileLock(cache.parent / "install.lock"):
        if not (server / "bin" / "elasticsearch").is_file():
            _unpack(archive.path(cache), server)
        build_plugin(server, archive.version, compiler, java)
    return server


def _unpack(archive: Path, server: Path) -> None:
    work = server.with_suffix(".part")
    shutil.rmtree(work, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(work)
        (root,) = work.iterdir()
        for program in (root / "bin").iterdir():
            program.chmod(0o755)
        shutil.rmtree(server, ignore_errors=True)
        root.rename(server)
    except OSError as error:
        raise StackError(f"Elasticsearch cannot be unpacked into {server}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Elasticsearch:
    """The folders and ports of this Elasticsearch."""

    server: str
    java_home: str
    folder: str
    port: int
    transport_port: int

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid_file(self) -> Path:
        """The file with the pid of the running server."""
        return Path(self.folder) / "elasticsearch.pid"

    def command(self) -> list[str]:
        """The command of the process that holds the server."""
        return [sys.executable, "-P", "-m", "services.embedded.elasticsearch", self.folder]

    def configure(self) -> None:
        """Write the configuration, and `launch.json` for the holding process."""
        folder = Path(self.folder)
        config, data, logs = folder / "config", folder / "data", folder / "logs"
        for path in (config / "jvm.options.d", data, logs):
            path.mkdir(parents=True, exist_ok=True)
        for name in ("jvm.options", "log4j2.properties"):
            shutil.copy(Path(self.server) / "config" / name, config / name)
        (config / "jvm.options.d" / "dragoman.options").write_text(JVM_OPTIONS, encoding="utf8")
        settings = SETTINGS.format(
            port=self.port, transport_port=self.transport_port, data=json.dumps(str(data)), logs=json.dumps(str(logs))
        )
        (config / "elasticsearch.yml").write_text(settings, encoding="utf8")
        (folder / LAUNCH_FILE).write_text(json.dumps(asdict(self)), encoding="utf8")

    def launch(self) -> None:
        """Start the server as a daemon. Returns when it answers. Raises StackError if it does not start."""
        prefix = drop_root(Path(self.folder)) if os.geteuid() == 0 else []
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ES_", "JAVA"))},
            "ES_JAVA_HOME": self.java_home,
            "ES_PATH_CONF": str(Path(self.folder) / "config"),
            "ES_TMPDIR": str(self._temporary_folder()),
        }
        self.pid_file.unlink(missing_ok=True)
        command = [*prefix, f"{self.server}/bin/elasticsearch", "-d", "-p", str(self.pid_file)]
        run = subprocess.run(command, env=environment, timeout=START_TIMEOUT_SECONDS, check=False)
        if run.returncode:
            raise StackError(f"Elasticsearch ended with exit code {run.returncode} while starting.")

    def _temporary_folder(self) -> Path:
        path = Path(self.folder) / "tmp"
        path.mkdir(exist_ok=True)
        return path

    def process(self) -> psutil.Process | None:
        """The running server, or None. A pid that now belongs to another program is ignored."""
        try:
            process = psutil.Process(int(self.pid_file.read_text(encoding="ascii")))
            return process if any(self.folder in part for part in process.cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None


def drop_root(folder: Path) -> list[str]:
    """The prefix that runs a command as a user other than root, because Elasticsearch refuses to run as root."""
    unshare = ["unshare", "--user", f"--map-user={UNPRIVILEGED_ID}", f"--map-group={UNPRIVILEGED_ID}"]
    if _works([*unshare, "true"]):
        return unshare
    setpriv = ["setpriv", f"--reuid={UNPRIVILEGED_ID}", f"--regid={UNPRIVILEGED_ID}", "--clear-groups"]
    for path in (folder, *folder.rglob("*")):
        os.chown(path, UNPRIVILEGED_ID, UNPRIVILEGED_ID, follow_symlinks=False)
    if not _works([*setpriv, "ls", str(folder)]):
        raise StackError(
            f"Elasticsearch does not run as root, user namespaces are off here, and no other user can reach {folder}. "
            "Run as an ordinary user, or set DRAGOMAN_HOME to a folder that every user can enter."
        )
    return setpriv


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        return False


def read_launch(folder: Path) -> Elasticsearch:
    """The server that `configure` wrote down in its folder. OSError, ValueError or TypeError when there is none."""
    return Elasticsearch(**json.loads((folder / LAUNCH_FILE).read_text(encoding="utf8")))


def find_server(home: Path) -> psutil.Process | None:
    """The running server of a home, or None. It is no child of the supervisor, so it can outlive it."""
    try:
        return read_launch(home / "elasticsearch").process()
    except (OSError, ValueError, TypeError):
        return None


def hold(server: Elasticsearch) -> int:
    """Run the server, or adopt a running one, until it ends (exit code 1) or SIGTERM arrives (0)."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if server.process() is None:
        try:
            server.launch()
        except (StackError, subprocess.TimeoutExpired) as error:
            print(error, file=sys.stderr)
            return 1
    process = server.process()
    while process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE and not stopping:
        time.sleep(0.2)
    if not stopping or process is None:
        print("Elasticsearch ended by itself.", file=sys.stderr)
        return 1
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(hold(read_launch(Path(sys.argv[1]))))
