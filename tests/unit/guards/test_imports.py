"""The import contracts see each kind of import that they forbid: planted in a copy of the tree, all at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLANTED = {
    "a service imports commands": ("services/producer/identity.py", "services.cli"),
    "another service imports commands": ("services/dedup/edits.py", "services.cli.output"),
    "a service imports what makes data": ("services/producer/settings.py", "tools.schemas"),
    "a service imports what measures": ("services/status/books.py", "benchmarks.corpus"),
    "what measures imports what makes": ("benchmarks/quality/scores.py", "tools.figures"),
    "a service imports another": ("services/indexer/bulk.py", "services.dedup.settings"),
    "search imports the embedded stack": ("services/search/search.py", "services.embedded.state"),
    "common imports a stage": ("services/common/lag.py", "services.language"),
    "records import a service": ("schemas/base.py", "services.common.settings"),
    "a stage imports an HTTP client": ("services/language/identify.py", "requests"),
    "a stage imports a database": ("services/language/__init__.py", "sqlite3"),
    "a stage imports sockets": ("services/extraction/extract.py", "socket"),
    "a stage imports Kafka": ("services/fingerprint/sketch.py", "kafka"),
    "a stage imports another": ("services/normalizer/lines.py", "services.entities"),
    "the ledger imports feeds": ("services/producer/ledger/store.py", "services.producer.feeds.state"),
    "a source imports HTTP": ("services/producer/sources/base.py", "services.producer.fetch.client"),
    "the replay imports feeds": ("services/producer/replay/pace.py", "services.producer.feeds.schedule"),
    "settings import the ledger": ("services/producer/settings.py", "services.producer.ledger.store"),
}


def dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the contracts say of a copy with every forbidden import in it."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("schemas", "services", "tools", "benchmarks"):
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "data", "examples", "json")
        )
    shutil.copy(ROOT / "pyproject.toml", copy)
    for path, module in PLANTED.values():
        with (copy / path).open("a", encoding="utf8") as file:
            file.write(f"\nimport {module}\n")
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    run = subprocess.run(lint, cwd=copy, capture_output=True, text=True, check=False)
    assert run.returncode == 1, "the contracts kept with forbidden imports in the tree"
    return run.stdout


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_import_is_refused(report: str, kind: str) -> None:
    path, module = PLANTED[kind]
    top = module if module.startswith(("services", "tools", "benchmarks")) else module.partition(".")[0]
    lines = [line for line in report.splitlines() if f"{dotted(path)} -> {top}" in line]
    assert lines, f"{kind}: {dotted(path)} -> {module} is not in the report"
