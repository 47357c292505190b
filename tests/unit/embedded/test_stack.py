"""Ports, rooms and folders: what is wrong is said before anything is started."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.common.settings import STACK_FILE
from services.embedded import elasticsearch, stack
from services.embedded.errors import StackError
from services.embedded.settings import EmbeddedSettings
from services.embedded.state import read_stack
from services.embedded.supervisor import SOCKET_PATH_LIMIT, Program, Supervisor

SERVICES = ["worker-1", "dedup"]


def test_a_fixed_port_that_is_taken_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"Port {port} is taken.*DRAGOMAN_KAFKA_PORT"):
            stack._choose_ports(EmbeddedSettings(home=tmp_path, kafka_port=port), SERVICES)


def test_free_ports_are_distinct_and_stay_the_same_next_time(tmp_path: Path) -> None:
    settings = EmbeddedSettings(home=tmp_path)
    first = stack._choose_ports(settings, SERVICES)
    ports = [first.kafka_port, first.controller_port, first.elasticsearch_port, first.transport_port]
    ports += first.metrics_ports.values()
    assert len(set(ports)) == len(ports) == 6
    stack._write_json(tmp_path / STACK_FILE, {name: getattr(first, name) for name in stack.Stack.__dataclass_fields__})
    assert stack._choose_ports(settings, SERVICES) == first


def test_a_broken_state_file_is_no_stack(tmp_path: Path) -> None:
    for text in ("", "[]", '{"kafka_port": 1}', "{"):
        (tmp_path / STACK_FILE).write_text(text)
        assert read_stack(tmp_path) is None


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(StackError, match="MB free"):
        stack._check_room(tmp_path / "not" / "there", 1000)


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="DRAGOMAN_HOME"), stack._exclusive(tmp_path / "file" / "home"):
        pass


def test_two_ups_at_once_are_one(tmp_path: Path) -> None:
    with stack._exclusive(tmp_path), pytest.raises(StackError, match="is running in"), stack._exclusive(tmp_path):
        pass


def test_a_stranger_with_the_recorded_pid_is_never_stopped(tmp_path: Path) -> None:
    server = elasticsearch.Elasticsearch(str(tmp_path), "/java", str(tmp_path / "unlikely"), 1, 2)
    (tmp_path / "unlikely").mkdir()
    server.pid_file.write_text(str(os.getpid()))
    assert server.process() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_user_namespaces_becomes_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    real = elasticsearch._works
    monkeypatch.setattr(elasticsearch, "_works", lambda command: command[0] != "unshare" and real(command))
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        home = Path(name)
        (home / "server" / "data").mkdir(parents=True)
        assert elasticsearch.drop_root(home / "server")[0] == "setpriv"
        assert (home / "server" / "data").stat().st_uid == elasticsearch.UNPRIVILEGED_ID
        assert (home.stat().st_uid, home.stat().st_mode & 0o777) == (os.geteuid(), 0o711)


def test_a_long_home_still_gets_a_socket(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / ("x" * 150))
    assert len(os.fsencode(supervisor._socket)) < SOCKET_PATH_LIMIT


def test_commands_and_values_survive_the_configuration_file(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    program = Program("x", ["/a b/java", "-Dx=100%"], 1, {"DRAGOMAN_HOME": "/a%b"})
    supervisor.write_config([program])
    text = (tmp_path / "supervisord.conf").read_text()
    assert "'/a b/java' -Dx=100%%" in text
    assert 'DRAGOMAN_HOME="/a%%b"' in text
