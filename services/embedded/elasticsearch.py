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
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock

from services.common.private_files import PRIVATE_FILE, write_private
from services.embedded.artifacts import Artifact
from services.embedded.credentials import Credentials, roles_file, users_file, users_roles_file
from services.embedded.errors import StackError
from services.embedded.java import QUICK_COMPILER, Java
from services.embedded.plugin import build_plugin

JVM_OPTIONS = ("-Xms512m", "-Xmx512m")
"""512 MB is enough here."""
UNPRIVILEGED_ID = 1000
TRAVERSABLE = 0o711
"""A home that another user may enter, to reach the folder that is its own."""
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 30
LAUNCH_FILE = "launch.json"
TRANSPORT_STORE, TRANSPORT_CERTIFICATE = "transport.p12", "transport.pem"
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
xpack.security.enabled: true
xpack.security.autoconfiguration.enabled: false
xpack.security.enrollment.enabled: false
xpack.security.http.ssl.enabled: false
xpack.security.transport.ssl.enabled: true
xpack.security.transport.ssl.verification_mode: certificate
xpack.security.transport.ssl.client_authentication: required
xpack.security.transport.ssl.keystore.path: {transport}
xpack.security.transport.ssl.keystore.password: {transport_password}
xpack.security.transport.ssl.certificate_authorities: {transport_certificate}
xpack.security.authc.realms.file.file.order: 0
xpack.security.authc.realms.native.native.enabled: false
"""
"""Users are those of the file realm, so that no index must be there before somebody can log in. HTTP is on loopback,
where only root reads the traffic of others. The port for other nodes has no passwords: it believes what a node says of
its user, so it speaks only with who has the one certificate of this home."""


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

    def configure(self, credentials: Credentials, jvm_options: tuple[str, ...] = ()) -> None:
        """Write the configuration with its users, and `launch.json` for the holding process."""
        folder = Path(self.folder)
        config, data, logs = folder / "config", folder / "data", folder / "logs"
        for path in (folder, config, config / "jvm.options.d", data, logs):
            if path.is_symlink():  # the folder may belong to another user, and root writes into it
                raise StackError(f"{path} is a symbolic link. Remove it.")
            path.mkdir(parents=True, exist_ok=True)
        for name in ("jvm.options", "log4j2.properties"):
            write_private(config / name, (Path(self.server) / "config" / name).read_text(encoding="utf8"))
        options = "".join(f"{option}\n" for option in (*JVM_OPTIONS, *jvm_options))
        write_private(config / "jvm.options.d" / "dragoman.options", options)
        store, certificate = config / TRANSPORT_STORE, config / TRANSPORT_CERTIFICATE
        self._make_certificate(store, certificate, credentials.transport_file)
        settings = SETTINGS.format(
            port=self.port,
            transport_port=self.transport_port,
            data=json.dumps(str(data)),
            logs=json.dumps(str(logs)),
            transport=json.dumps(str(store)),
            transport_password=json.dumps(credentials.transport),
            transport_certificate=json.dumps(str(certificate)),
        )
        write_private(config / "elasticsearch.yml", settings)
        write_private(config / "users", users_file(credentials.elasticsearch))
        write_private(config / "users_roles", users_roles_file())
        write_private(config / "roles.yml", roles_file())
        write_private(folder / LAUNCH_FILE, json.dumps(asdict(self)))

    def _make_certificate(self, store: Path, certificate: Path, password_file: Path) -> None:
        """Make a key for the port for other nodes, and its certificate, which alone is trusted. Once, in a second."""
        made = [path.stat().st_mtime_ns for path in (store, certificate) if path.is_file()]
        if len(made) == 2 and min(made) > password_file.stat().st_mtime_ns:
            return
        for path in (store, certificate):
            path.unlink(missing_ok=True)
        of_store = ("-alias", "node", "-keystore", str(store), "-storepass:file", str(password_file))
        kind = ("-storetype", "PKCS12", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "3650")
        self._keytool("-genkeypair", *of_store, *kind, "-dname", "CN=dragoman")
        self._keytool("-exportcert", *of_store, "-rfc", "-file", str(certificate))

    def _keytool(self, *arguments: str) -> None:
        command = [str(Path(self.java_home) / "bin" / "keytool"), f"-J{QUICK_COMPILER}", *arguments]
        try:
            made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except OSError as error:
            raise StackError(f"{command[0]} cannot be run: {error.strerror}. It belongs to every Java.") from error
        if made.returncode:
            raise StackError(f"No certificate can be made for Elasticsearch: {(made.stdout + made.stderr)[-500:]}")

    def launch(self) -> None:
        """Start the server as a daemon. Returns when it answers. Raises StackError if it does not start."""
        temporary = Path(self.folder) / "tmp"
        temporary.mkdir(exist_ok=True)
        prefix = drop_root(Path(self.folder)) if os.geteuid() == 0 else []
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ES_", "JAVA"))},
            "ES_JAVA_HOME": self.java_home,
            "ES_PATH_CONF": str(Path(self.folder) / "config"),
            "ES_TMPDIR": str(temporary),
        }
        self.pid_file.unlink(missing_ok=True)
        command = [*prefix, f"{self.server}/bin/elasticsearch", "-d", "-p", str(self.pid_file)]
        run = subprocess.run(command, env=environment, timeout=START_TIMEOUT_SECONDS, check=False)
        if run.returncode:
            raise StackError(f"Elasticsearch ended with exit code {run.returncode} while starting.")
        with suppress(OSError):  # its launcher lets the group read it
            (Path(self.folder) / "config" / "elasticsearch.keystore").chmod(PRIVATE_FILE)

    def process(self) -> psutil.Process | None:
        """The running server, or None. A pid that now belongs to another program is ignored."""
        try:
            process = psutil.Process(int(self.pid_file.read_text(encoding="ascii")))
            return process if any(self.folder in part for part in process.cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None


def drop_root(folder: Path) -> list[str]:
    """The prefix that runs a command as a user other than root, because Elasticsearch refuses to run as root.

    Where that is another user of the machine, `folder` becomes its own. It can enter the home, and list nothing there.
    """
    unshare = ["unshare", "--user", f"--map-user={UNPRIVILEGED_ID}", f"--map-group={UNPRIVILEGED_ID}"]
    if _works([*unshare, "true"]):
        return unshare
    setpriv = ["setpriv", f"--reuid={UNPRIVILEGED_ID}", f"--regid={UNPRIVILEGED_ID}", "--clear-groups"]
    folder.parent.chmod(TRAVERSABLE)
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
