"""Elasticsearch is unpacked once, configured, started as a daemon, and held until it ends or is told to."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from services.embedded import elasticsearch
from services.embedded.artifacts import Artifact
from services.embedded.credentials import make_credentials
from services.embedded.elasticsearch import Elasticsearch, drop_root, hold, install
from services.embedded.errors import StackError
from services.embedded.java import Java
from services.embedded.plugin import NAME

JAVA = Java(Path("/java"), 21)
DAEMON = """#!/bin/sh
echo "$ES_JAVA_HOME|$ES_PATH_CONF|$ES_TMPDIR|$ES_JAVA_OPTS|$@" > "$ES_PATH_CONF/../asked"
tail -f "$ES_PATH_CONF/elasticsearch.yml" > /dev/null 2>&1 &
until tr '\\0' ' ' < "/proc/$!/cmdline" | grep -q "^tail"; do sleep 0.01; done
echo $! > "$3"
"""
"""As the real launcher, it returns when the daemon runs: right after the fork that is still a shell."""


def zipped(path: Path, *names: str) -> Artifact:
    """A server's archive in the cache; its programs are not executable, as in a zip."""
    with zipfile.ZipFile(path / "server.zip", "w") as file:
        for name in names:
            file.writestr(f"elasticsearch-9.9.9/{name}", "#!/bin/sh\n")
    data = (path / "server.zip").read_bytes()
    made = Artifact("org.example", "elasticsearch", "9.9.9", "zip", hashlib.sha256(data).hexdigest(), len(data))
    made.path(path / "maven").parent.mkdir(parents=True)
    made.path(path / "maven").write_bytes(data)
    return made


def with_plugin(server: Path, *_: object) -> None:
    """The plugin is built elsewhere."""
    (server / "plugins" / NAME).mkdir(parents=True, exist_ok=True)


def test_the_server_is_unpacked_once_beside_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elasticsearch, "build_plugin", with_plugin)
    archive = zipped(tmp_path, "bin/elasticsearch", "bin/elasticsearch-env", "lib/lucene.jar")
    server = install(archive, tmp_path / "ecj.jar", tmp_path / "maven", JAVA)
    assert server == tmp_path / "elasticsearch-9.9.9"
    assert all(os.access(program, os.X_OK) for program in (server / "bin").iterdir())
    assert (server / "plugins" / NAME).is_dir()
    assert not list(tmp_path.glob("*.part"))
    archive.path(tmp_path / "maven").unlink()
    assert install(archive, tmp_path / "ecj.jar", tmp_path / "maven", JAVA) == server


def test_what_was_half_unpacked_before_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elasticsearch, "build_plugin", with_plugin)
    archive = zipped(tmp_path, "bin/elasticsearch")
    for rest in ("elasticsearch-9.9.9/lib/old.jar", "elasticsearch-9.9.part/lib/old.jar"):
        (tmp_path / rest).parent.mkdir(parents=True)
        (tmp_path / rest).write_text("")
    server = install(archive, tmp_path / "ecj.jar", tmp_path / "maven", JAVA)
    assert (server / "bin" / "elasticsearch").is_file()
    assert not (server / "lib").exists()


def test_a_disk_that_fills_up_while_unpacking_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    archive = zipped(tmp_path, "bin/elasticsearch")
    monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(StackError, match=r"cannot be unpacked into .*: No space left on device"):
        install(archive, tmp_path / "ecj.jar", tmp_path / "maven", JAVA)
    assert not list(tmp_path.glob("elasticsearch-*"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elasticsearch]:
    """A configured server whose program starts a `tail` as its daemon; what still runs is killed."""
    monkeypatch.setattr(elasticsearch, "drop_root", lambda _: [])
    unpacked = tmp_path / "server"
    (unpacked / "bin").mkdir(parents=True)
    (unpacked / "config").mkdir()
    for name in ("jvm.options", "log4j2.properties"):
        (unpacked / "config" / name).write_text(f"the server's {name}")
    program(unpacked, DAEMON)
    monkeypatch.setattr(Elasticsearch, "_make_certificate", lambda *_: None)
    made = Elasticsearch(str(unpacked), "/java", str(tmp_path / "home"), 9201, 9301)
    made.configure(make_credentials(tmp_path))
    yield made
    left = made.process()
    if left is not None:
        left.kill()


@pytest.mark.parametrize("name", ["config", "data", "logs"])
def test_root_writes_through_no_link_of_the_user_of_the_folder(
    server: Elasticsearch, tmp_path: Path, name: str
) -> None:
    """The folder may belong to another user of the machine."""
    folder = Path(server.folder) / name
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path)
    with pytest.raises(StackError, match="is a symbolic link"):
        server.configure(make_credentials(tmp_path))


def test_a_link_in_place_of_a_file_is_replaced_and_not_followed(server: Elasticsearch, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("root")
    for name in ("elasticsearch.yml", "users", "jvm.options"):
        path = Path(server.folder) / "config" / name
        path.unlink()
        path.symlink_to(tmp_path / "passwd")
    server.configure(make_credentials(tmp_path))
    assert (tmp_path / "passwd").read_text() == "root"


def program(server: Path, text: str) -> None:
    path = server / "bin" / "elasticsearch"
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def handlers() -> Iterator[None]:
    """`hold` takes the signals for itself; they are given back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def at_each_look(monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> None:
    """While `hold` would sleep, this happens instead."""
    monkeypatch.setattr(elasticsearch, "time", SimpleNamespace(sleep=lambda _: what()))


def test_a_configuration_has_the_ports_the_folders_and_the_servers_own_options(server: Elasticsearch) -> None:
    config = Path(server.folder) / "config"
    settings = (config / "elasticsearch.yml").read_text()
    assert "http.port: 9201\ntransport.port: 9301" in settings
    assert f'path.data: "{server.folder}/data"' in settings
    assert (config / "jvm.options").read_text() == "the server's jvm.options"
    assert "-Xmx512m" in (config / "jvm.options.d" / "dragoman.options").read_text()
    assert server.url == "http://127.0.0.1:9201"
    assert server.command() == [sys.executable, "-P", "-m", "services.embedded.elasticsearch", server.folder]


def test_the_holding_process_reads_the_same_server_from_its_launch_file(server: Elasticsearch) -> None:
    launch = json.loads((Path(server.folder) / elasticsearch.LAUNCH_FILE).read_text())
    assert Elasticsearch(**launch) == server


def test_the_server_starts_with_our_java_and_nobody_elses_options(
    server: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ES_JAVA_OPTS", "-Xmx8g")
    server.launch()
    home = Path(server.folder)
    asked = (home / "asked").read_text().strip().split("|")
    assert asked == ["/java", str(home / "config"), str(home / "tmp"), "", f"-d -p {home}/elasticsearch.pid"]
    assert server.process() is not None


def test_a_server_that_does_not_come_up_is_said(
    server: Elasticsearch, capsys: pytest.CaptureFixture[str], handlers: None
) -> None:
    del handlers
    program(Path(server.server), "#!/bin/sh\nexit 78\n")
    server.pid_file.write_text("1")
    with pytest.raises(StackError, match="exit code 78"):
        server.launch()
    assert not server.pid_file.exists()
    assert hold(server) == 1
    assert "exit code 78" in capsys.readouterr().err


@pytest.mark.usefixtures("handlers")
def test_sigterm_stops_the_server_and_is_a_good_end(server: Elasticsearch, monkeypatch: pytest.MonkeyPatch) -> None:
    at_each_look(monkeypatch, lambda: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(elasticsearch, "STOP_TIMEOUT_SECONDS", 0.1)
    assert hold(server) == 0
    assert server.process() is None


@pytest.mark.usefixtures("handlers")
def test_a_server_that_ends_by_itself_is_a_bad_end(
    server: Elasticsearch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def kill() -> None:
        running = server.process()
        if running is not None:
            running.kill()

    at_each_look(monkeypatch, kill)
    assert hold(server) == 1
    assert "ended by itself" in capsys.readouterr().err


@pytest.mark.usefixtures("handlers")
def test_a_server_that_runs_already_is_adopted_and_killed_where_it_does_not_stop(
    server: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = "trap '' TERM; echo ready; while :; do read line; done"
    with subprocess.Popen(
        ["/bin/sh", "-c", stubborn, server.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        server.pid_file.write_text(str(running.pid))
        program(Path(server.server), "#!/bin/sh\nexit 78\n")
        at_each_look(monkeypatch, lambda: signal.raise_signal(signal.SIGTERM))
        monkeypatch.setattr(elasticsearch, "STOP_TIMEOUT_SECONDS", 0.05)
        assert hold(server) == 0
        assert psutil.Process(running.pid).wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("text", ["", "x", "999999999"])
def test_a_pid_file_without_a_process_is_no_server(server: Elasticsearch, text: str) -> None:
    server.pid_file.write_text(text)
    assert server.process() is None


def test_root_takes_a_user_namespace_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elasticsearch, "_works", lambda _: True)
    assert drop_root(tmp_path) == ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


def test_a_folder_that_nobody_else_can_enter_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Path] = []
    monkeypatch.setattr(elasticsearch, "_works", lambda _: False)
    monkeypatch.setattr(os, "chown", lambda path, *_, **__: given.append(path))
    (tmp_path / "data").mkdir()
    with pytest.raises(StackError, match="DRAGOMAN_HOME to a folder that every user can enter"):
        drop_root(tmp_path)
    assert given == [tmp_path, tmp_path / "data"]


def test_a_program_that_is_not_there_does_not_work() -> None:
    assert not elasticsearch._works(["/nowhere/setpriv"])
    assert not elasticsearch._works(["false"])
    assert elasticsearch._works(["true"])
