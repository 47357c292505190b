"""Finds a Java version for both servers: Elasticsearch 9 needs 21, Kafka 4 needs 17."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.embedded.errors import StackError

MINIMUM = 21
QUICK_COMPILER = "-XX:TieredStopAtLevel=1"
"""The option for a server that ends soon: its code runs early, and never as fast as it could (docs/adr/0023)."""
INSTALL_FOLDERS = ("/usr/lib/jvm", "/usr/java", "/opt/java", "/opt", "~/.sdkman/candidates/java", "~/.jdks")
VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@dataclass(frozen=True, slots=True)
class Java:
    """A Java home and its major version."""

    home: Path
    major: int

    @property
    def executable(self) -> Path:
        """The `java` program."""
        return self.home / "bin" / "java"


def find_java(environ: Mapping[str, str] = os.environ, folders: Iterable[str] = INSTALL_FOLDERS) -> Java:
    """`DRAGOMAN_JAVA_HOME` if set, else the newest from `JAVA_HOME`, `PATH` and the usual folders, else from cjdk."""
    chosen = environ.get("DRAGOMAN_JAVA_HOME")
    if chosen:
        java = _probe(Path(chosen))
        if java is None or java.major < MINIMUM:
            found = "no Java" if java is None else f"Java {java.major}"
            raise StackError(f"DRAGOMAN_JAVA_HOME={chosen} holds {found}, but Java {MINIMUM} or newer is needed.")
        return java
    found_javas = [java for home in dict.fromkeys(_candidates(environ, folders)) if (java := _probe(home))]
    good = max((java for java in found_javas if java.major >= MINIMUM), key=lambda java: java.major, default=None)
    return good or _fetched_java(found_javas)


def _candidates(environ: Mapping[str, str], folders: Iterable[str]) -> Iterator[Path]:
    if environ.get("JAVA_HOME"):
        yield Path(environ["JAVA_HOME"])
    on_path = shutil.which("java", path=environ.get("PATH"))
    if on_path:
        yield Path(on_path).resolve().parent.parent
    for folder in folders:
        base = Path(folder).expanduser()
        if base.is_dir():
            yield from sorted(home.resolve() for home in base.iterdir() if (home / "bin" / "java").is_file())


def _probe(home: Path) -> Java | None:
    try:
        run = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = VERSION.search(run.stderr + run.stdout)
    return Java(home, int(match[1])) if match else None


def _fetched_java(found: list[Java]) -> Java:
    import cjdk  # imported only if no suitable Java is installed

    try:
        return Java(Path(cjdk.java_home(jdk=f"{MINIMUM}+", vendor="temurin-jre")), MINIMUM)
    except Exception as error:
        seen = ", ".join(f"Java {java.major} in {java.home}" for java in found) or "none at all"
        raise StackError(
            f"Elasticsearch needs Java {MINIMUM} or newer. Found: {seen}. None could be downloaded. "
            "Install one (Debian: apt-get install openjdk-21-jre-headless, or Temurin) or set DRAGOMAN_JAVA_HOME."
        ) from error
