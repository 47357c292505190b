"""The wheel in a fresh environment, from a folder that is no checkout: alone, with `embedded`, and with `vectors`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
ARTICLES = [
    {"guid": "1", "content": "Xi Jinping will visit Russia next week, the Kremlin said on Friday.\n" * 3},
    {"guid": "2", "content": "De minister sprak maandag in Berlijn met Angela Merkel over de handel.\n" * 3},
]
PIN = re.compile(r"^([a-z0-9._-]+==\S+)((?: ; [^\\]+)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment, and a folder to work in."""

    python: Path
    folder: Path
    wheel: Path
    constraints: Path

    def install(self, *requirements: str) -> None:
        command = [str(UV), "pip", "install", "--quiet", "--python", str(self.python), "-c", str(self.constraints)]
        subprocess.run([*command, *requirements], check=True, cwd=self.folder, timeout=900)

    def requirement(self, extra: str) -> str:
        return f"dragoman[{extra}] @ {self.wheel.as_uri()}"

    def run(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run `dragoman …` as its user does: nothing of this checkout is on the path."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("DRAGOMAN_", "PYTHON", "VIRTUAL"))
        }
        return subprocess.run(
            [str(self.python.with_name("dragoman")), *arguments],
            cwd=self.folder,
            env=environment | {"DRAGOMAN_HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def pinned(lock: str) -> str:
    """The pins of a hash-locked file, without its hashes: a wheel that was just built has none."""
    return "\n".join("".join(match.groups()) for line in lock.splitlines() if (match := PIN.match(line)))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (built,) = folder.glob("dragoman-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel alone."""
    folder = tmp_path_factory.mktemp("elsewhere")
    constraints = folder / "constraints.txt"
    constraints.write_text(pinned((ROOT / "requirements" / "dev.txt").read_text(encoding="utf8")))
    subprocess.run([str(UV), "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], check=True)
    made = Environment(folder / "venv" / "bin" / "python", folder, wheel, constraints)
    made.install(str(wheel))
    # a folder of the same name where the user works must not be taken for ours
    (folder / "services").mkdir()
    (folder / "services" / "__init__.py").write_text("raise RuntimeError('the wrong services')")
    (folder / "raw.jsonl").write_text("".join(json.dumps(article) + "\n" for article in ARTICLES))
    return made


def test_only_what_runs_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {"schemas", "seeds", "services", "dragoman-0.1.0.dist-info"}
    assert {"schemas/py.typed", "services/py.typed", "seeds/feeds.yaml"} <= names
    assert sum(name.startswith("seeds/articles/") for name in names) == 5
    assert not [
        name for name in names if "/examples/" in name or (name.endswith((".lock", ".pyc")) and "seeds" in name)
    ]


def test_the_wheel_alone_enriches_and_groups(environment: Environment) -> None:
    enriched = environment.run("enrich", "-i", "raw.jsonl", "-o", "enriched.jsonl")
    assert enriched.returncode == 0, enriched.stderr
    first, second = (json.loads(line) for line in (environment.folder / "enriched.jsonl").read_text().splitlines())
    assert (first["language"]["code"], second["language"]["code"]) == ("en", "nl")
    assert "Q15031" in {entity["id"] for entity in first["entities"]}
    assert first["embedding"] is None
    grouped = environment.run("group", "-i", "enriched.jsonl", "-o", "grouped.jsonl")
    assert grouped.returncode == 0, grouped.stderr
    assert len((environment.folder / "grouped.jsonl").read_text().splitlines()) == 2


def test_without_the_encoder_it_says_so_once_and_how_to_add_it(environment: Environment) -> None:
    result = environment.run("enrich", "-i", "raw.jsonl", "-o", "enriched.jsonl")
    assert result.stderr.count("the encoder is not installed") == 1
    assert environment.requirement("vectors") in result.stderr
    quiet = environment.run("enrich", "--no-vectors", "-i", "raw.jsonl", "-o", "enriched.jsonl")
    assert quiet.stderr == ""


@pytest.mark.parametrize("command", [("up",), ("up", "--detach"), ("down",), ("demo",)])
def test_what_needs_the_embedded_stack_names_its_packages(environment: Environment, command: tuple[str, ...]) -> None:
    """The sentence names the file that this was installed from, and never a bare `dragoman` of an index."""
    result = environment.run(*command)
    assert (result.returncode, result.stdout) == (78, "")
    assert "Traceback" not in result.stderr
    for package in ("cjdk", "jgo", "platformdirs", "requests", "supervisor"):
        assert package in result.stderr
    assert environment.requirement("embedded") in result.stderr
    assert not re.search(r"pip install dragoman(\s|$)", result.stderr)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("--version",), 0, "0.1.0"),
        (("--help",), 0, "multilingual"),
        (("feeds", "list"), 0, "bbc-world"),
        (("status",), 3, ""),
        (("search", "x"), 2, "Elasticsearch does not answer"),
        (("dead", "list"), 1, "Kafka at 127.0.0.1:9092 does not answer"),
        (("entities", "find", "Merkel"), 0, "Q567"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_the_clients_run_and_say_what_is_not_there(
    environment: Environment, command: tuple[str, ...], code: int, words: str
) -> None:
    result = environment.run(*command)
    assert result.returncode == code, result.stderr
    assert words in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def check_that_vectors_are(environment: Environment, *, on: bool) -> None:
    """In a stack of this environment's own: `status` says whether the workers make vectors, and documents have them."""
    try:
        up = environment.run("up", "--detach", "--workers", "1")
        assert up.returncode == 0, up.stderr
        replay = environment.run("replay", "raw.jsonl", "--wait")
        assert "2 searchable, 0 dead" in replay.stdout, replay.stderr
        assert json.loads(environment.run("status", "--json").stdout)["vectors"] is on
        log = (environment.folder / "home" / "logs" / "worker-1.log").read_text()
        assert log.count("running without vectors") == (0 if on else 1)
    finally:
        environment.run("down")


def test_with_embedded_it_starts_everything_and_runs_the_demo(environment: Environment) -> None:
    environment.install(environment.requirement("embedded"))
    check_that_vectors_are(environment, on=False)
    demo = environment.run("demo", timeout=600)
    assert demo.returncode == 0, demo.stderr
    assert "Xi Jinping" in demo.stdout
    assert "Everything was stopped" in demo.stderr


def test_with_vectors_articles_have_an_embedding(environment: Environment) -> None:
    environment.install(environment.requirement("vectors"))
    result = environment.run("enrich", "-i", "raw.jsonl", "-o", "enriched.jsonl")
    assert (result.returncode, result.stderr) == (0, "")
    lines = (environment.folder / "enriched.jsonl").read_text().splitlines()
    assert all(json.loads(line)["embedding"] for line in lines)
