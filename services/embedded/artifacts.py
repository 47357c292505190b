"""Downloads the files of the stack from Maven repositories. Only files with the committed SHA-256 are accepted."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from jgo.maven import MavenContext
from platformdirs import user_cache_path

from services.embedded.errors import StackError

LOCK_FILE = Path(__file__).with_name("artifacts.lock")
TRIES = 3
REQUEST_TIMEOUT_SECONDS = 60

Report = Callable[["Artifact", int], None]
"""Called during a download with the artifact and the number of bytes received so far."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of the lock: its Maven coordinates, packaging, SHA-256 and size in bytes."""

    group: str
    name: str
    version: str
    packaging: str
    sha256: str
    size: int

    def path(self, cache: Path) -> Path:
        """The path of the file in Maven's layout."""
        folder = cache / self.group.replace(".", "/") / self.name / self.version
        return folder / f"{self.name}-{self.version}.{self.packaging}"


def cache_folder() -> Path:
    """The user's cache folder. It respects `XDG_CACHE_HOME`."""
    return user_cache_path("dragoman") / "maven"


def read_lock(path: Path = LOCK_FILE) -> tuple[Artifact, ...]:
    """The committed list, in the order of the file."""
    rows = (line.split("\t") for line in path.read_text(encoding="utf8").splitlines() if line and line[0] != "#")
    return tuple(Artifact(g, n, v, p, sha, int(size)) for g, n, v, p, sha, size in rows)


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_good(artifact: Artifact, cache: Path) -> bool:
    """Whether the cached file exists and matches the lock."""
    path = artifact.path(cache)
    return path.is_file() and path.stat().st_size == artifact.size and sha256_of(path) == artifact.sha256


def missing(artifacts: tuple[Artifact, ...], cache: Path) -> tuple[Artifact, ...]:
    """The artifacts that must be fetched. Every cached file is hashed at every start."""
    return tuple(artifact for artifact in artifacts if not is_good(artifact, cache))


def fetch(artifacts: tuple[Artifact, ...], cache: Path, report: Report) -> None:
    """Fetch every artifact that is missing or wrong. Raises StackError if a file cannot be fetched as locked."""
    cache.mkdir(parents=True, exist_ok=True)
    context = MavenContext(repo_cache=cache, timeout=REQUEST_TIMEOUT_SECONDS)
    for artifact in artifacts:
        with _watched(artifact, cache, report):
            _fetch_one(context, artifact, cache)
        report(artifact, artifact.size)


def _fetch_one(context: MavenContext, artifact: Artifact, cache: Path) -> None:
    path = artifact.path(cache)
    problem = "?"
    for _ in range(TRIES):
        path.unlink(missing_ok=True)
        try:
            project = context.project(artifact.group, artifact.name)
            project.at_version(artifact.version).artifact(packaging=artifact.packaging).resolve()
        except OSError as error:
            if error.errno == errno.ENOSPC:
                path.unlink(missing_ok=True)
                raise StackError(
                    f"The disk is full: no room for {path.name} in {path.parent}. Free some space."
                ) from error
            problem = _reason(error)
            continue
        except Exception as error:  # noqa: BLE001 - jgo raises RuntimeError and ValueError if it cannot find a file
            problem = _reason(error)
            continue
        if is_good(artifact, cache):
            return
        size = path.stat().st_size if path.is_file() else 0
        path.unlink(missing_ok=True)
        problem = (
            f"the download was cut off ({size:,} of {artifact.size:,} bytes)"
            if size < artifact.size
            else "the file does not match services/embedded/artifacts.lock (SHA-256 differs)"
        )
    raise StackError(f"Could not fetch {path.name}: {problem}. Tried {TRIES} times. No part of it was kept.")


def _reason(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError):
        return "the Maven repository cannot be reached (is there a network?)"
    return f"{type(error).__name__}: {str(error)[:200]}"


@contextmanager
def _watched(artifact: Artifact, cache: Path, report: Report) -> Iterator[None]:
    """Report the size of the growing file twice per second, because jgo does not report progress."""
    done = threading.Event()
    folder = artifact.path(cache).parent

    def watch() -> None:
        while not done.wait(0.5):
            sizes = [file.stat().st_size for file in folder.glob(f"*{artifact.packaging}*") if file.exists()]
            report(artifact, max(sizes, default=0))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
