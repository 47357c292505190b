"""One real supervisord with small programs: started, seen, stopped, and nothing left."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.embedded.errors import StackError
from services.embedded.supervisor import Program, Supervisor, last_lines

SLEEPER = Program("sleeper", ["sh", "-c", "exec sleep 600"], priority=1)
GREETER = Program("greeter", ["sh", "-c", 'echo "$GREETING"; exec sleep 600'], 2, {"GREETING": "100% hello"})


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path)
    yield made
    made.stop()


def test_programs_run_when_they_are_asked_to_and_all_end_with_the_supervisor(supervisor: Supervisor) -> None:
    supervisor.write_config([SLEEPER, GREETER])
    supervisor.start(outlive_caller=False)
    assert supervisor.is_running()
    assert {state.name: (state.state, state.pid) for state in supervisor.states()} == {
        "sleeper": ("stopped", None),
        "greeter": ("stopped", None),
    }
    supervisor.start_program("greeter")
    states = {state.name: state for state in supervisor.states()}
    sleeping, greeting = states["sleeper"], states["greeter"]
    assert (sleeping.pid, greeting.state in {"starting", "running"}) == (None, True)
    assert greeting.pid is not None
    own = supervisor.pid()
    assert own is not None
    assert psutil.Process(greeting.pid).ppid() == own
    supervisor.stop()
    assert not psutil.pid_exists(own)
    assert not psutil.pid_exists(greeting.pid)
    assert not supervisor.is_running()
    assert supervisor.states() == []
    assert supervisor.pid() is None


def test_a_supervisor_that_does_not_start_says_why(supervisor: Supervisor) -> None:
    supervisor.write_config([Program("x", ["true"], 1)])
    supervisor._config.write_text("[supervisord]\nlogfile=/nowhere/at/all/log\n")
    with pytest.raises(StackError, match=r"(?s)does not start:.*nowhere"):
        supervisor.start(outlive_caller=True)


def test_what_a_killed_supervisor_leaves_behind_is_found_and_ended(supervisor: Supervisor) -> None:
    """A process that ignores the death of its parent, as Elasticsearch does: its launcher forgets the signal."""
    ignoring = Program("deaf", ["setpriv", "--pdeathsig", "clear", "--", "sleep", "600"], 1)
    supervisor.write_config([ignoring])
    supervisor.start(outlive_caller=False)
    supervisor.start_program("deaf")
    deadline = time.monotonic() + 10
    while not (left := supervisor.leftovers()) and time.monotonic() < deadline:
        time.sleep(0.05)
    (deaf,) = left
    pid = supervisor.pid()
    assert pid is not None
    time.sleep(0.3)  # setpriv has become sleep by then
    psutil.Process(pid).kill()
    psutil.Process(pid).wait(10)
    assert deaf.is_running()
    assert supervisor.stop_leftovers() == ["deaf"]
    assert not deaf.is_running()
    assert supervisor.stop_leftovers() == []


def test_a_log_that_cannot_be_written_ends_no_supervisor(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full is a disk that is always full; the program writes to it through the supervisor."""
    chatty = Program("chatty", ["sh", "-c", "while true; do echo hello; sleep 0.05; done"], 1)
    monkeypatch.setattr(supervisor, "log_path", lambda _: Path("/dev/full"))
    supervisor.write_config([chatty])
    (supervisor.log_folder / "supervisord.out").symlink_to("/dev/full")
    monkeypatch.setattr("services.embedded.supervisor.last_lines", lambda _: "")  # /dev/full has no end
    supervisor.start(outlive_caller=False)
    supervisor.start_program("chatty")
    time.sleep(1.5)
    (state,) = supervisor.states()
    assert (supervisor.is_running(), state.state) == (True, "running")


def test_stopping_what_does_not_run_does_nothing(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    supervisor.stop()
    assert (supervisor.is_running(), supervisor.states(), supervisor.pid()) == (False, [], None)


def test_the_end_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"first\n" + b"line \xff\n" * 12)
    assert last_lines(tmp_path / "log") == "\n".join(["line �"] * 12)
    assert last_lines(tmp_path / "log", 1) == "line �"
    assert last_lines(tmp_path / "none") == "(no log)"


def test_a_socket_is_never_put_into_a_folder_that_others_can_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    long = tmp_path / ("x" * 150)
    socket = Supervisor(long)._socket
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    socket.parent.chmod(0o755)
    with pytest.raises(StackError, match="not a private folder"):
        Supervisor(long)
