"""Nothing that differs from the committed list is ever used: real HTTP, a real Maven layout, real damage."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jgo.maven import MavenContext

from services.embedded import artifacts
from services.embedded.artifacts import Artifact, fetch, is_good, missing, read_lock
from services.embedded.errors import StackError

CONTENT = b"a jar" * 1000


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder and keeps silent."""

    def log_message(self, *_: object) -> None:
        """Requests are no news."""


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Maven repository on loopback, used instead of the public one; its folder."""
    folder = tmp_path / "remote"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(artifacts, "MavenContext", partial(MavenContext, remote_repos={"test": url}))
    yield folder
    server.shutdown()
    server.server_close()


@pytest.fixture
def artifact(remote: Path) -> Artifact:
    made = Artifact("org.example", "thing", "1.0", "jar", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    path = made.path(remote)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return made


def quiet(_: Artifact, __: int) -> None:
    """Progress is no news."""


def test_what_is_missing_is_fetched_and_then_cached(artifact: Artifact, remote: Path, tmp_path: Path) -> None:
    cache, seen = tmp_path / "cache", []
    assert missing((artifact,), cache) == (artifact,)
    fetch((artifact,), cache, lambda one, size: seen.append((one.name, size)))
    assert artifact.path(cache).read_bytes() == CONTENT
    assert seen[-1] == ("thing", len(CONTENT))
    artifact.path(remote).unlink()
    assert missing((artifact,), cache) == ()


DAMAGE = {"cut off": CONTENT[:100], "tampered with": b"b jar" * 1000}


@pytest.mark.parametrize("data", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_fetched_again(artifact: Artifact, tmp_path: Path, data: bytes) -> None:
    cache = tmp_path / "cache"
    artifact.path(cache).parent.mkdir(parents=True)
    artifact.path(cache).write_bytes(data)
    assert missing((artifact,), cache) == (artifact,)
    fetch((artifact,), cache, quiet)
    assert is_good(artifact, cache)


@pytest.mark.parametrize(("name", "data"), DAMAGE.items(), ids=DAMAGE)
def test_a_damaged_download_is_refused_and_not_kept(
    artifact: Artifact, remote: Path, tmp_path: Path, name: str, data: bytes
) -> None:
    artifact.path(remote).write_bytes(data)
    with pytest.raises(StackError, match="cut off" if name == "cut off" else "SHA-256"):
        fetch((artifact,), tmp_path / "cache", quiet)
    assert not artifact.path(tmp_path / "cache").exists()


def test_an_unreachable_repository_is_a_sentence(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {"test": "http://127.0.0.1:9"}
    monkeypatch.setattr(artifacts, "MavenContext", partial(MavenContext, remote_repos=nowhere))
    with pytest.raises(StackError, match=r"Could not fetch thing-1\.0\.jar"):
        fetch((artifact,), tmp_path / "cache", quiet)


def test_a_full_disk_is_a_sentence(artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(MavenContext):
        def project(self, *_: Any) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts, "MavenContext", FullDisk)
    with pytest.raises(StackError, match="disk is full"):
        fetch((artifact,), tmp_path / "cache", quiet)


def test_the_committed_list_names_what_the_stack_runs() -> None:
    lock = read_lock()
    names = {artifact.name: artifact for artifact in lock}
    assert {"kafka_2.13", "kafka-clients", "log4j-slf4j-impl", "elasticsearch", "ecj"} <= names.keys()
    assert names["kafka-clients"].version == names["kafka_2.13"].version
    assert names["elasticsearch"].packaging == "zip"
    assert all(len(artifact.sha256) == 64 and artifact.size > 0 for artifact in lock)
