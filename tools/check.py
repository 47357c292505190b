"""Makes committed files again in a copy of the repository, and holds that they are the same, byte for byte.

    python -m tools.check [SOURCES]

SOURCES is the folder of the public lists that the gazetteer is made from (default: the shared data). Without it the
gazetteer is left out, and said so. Exit code 1 when a file differs.

Two kinds of file are not made again here. The weights of stories (`tools.story_weights`) and of names
(`tools.names.train`) take minutes, and their last digit depends on the processor: their manifests name every input by
its hash. Figures and pictures under `benchmarks/` and `docs/` are measurements.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
COPIED: Final = ("deploy", "docs", "schemas", "seeds", "services", "tools")
SHARED: Final = ROOT.parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Artefact:
    """Files that one module of `tools` makes; `needs_sources` where it reads the public lists."""

    module: str
    paths: tuple[str, ...]
    needs_sources: bool = False


ARTEFACTS: Final = (
    Artefact("schemas", ("schemas/json",)),
    Artefact("configuration", ("docs/configuration.md",)),
    Artefact("index_reference", ("docs/index-reference.md",)),
    Artefact("kibana", ("deploy/kibana/dragoman.ndjson",)),
    Artefact("calendar_names", ("services/normalizer/data/calendar.json",)),
    Artefact("downloads_lock", ("services/embedded/artifacts.lock",)),
    Artefact(
        "gazetteer",
        tuple(f"services/entities/data/{name}" for name in ("gazetteer.tsv.gz", "share-alike.tsv.gz", "manifest.json")),
        needs_sources=True,
    ),
)


def contents(root: Path, paths: Sequence[str]) -> dict[str, bytes]:
    """The bytes of files and of all files in folders, by their path below `root`."""
    found: dict[str, bytes] = {}
    for path in paths:
        place = root / path
        files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
        found |= {str(file.relative_to(root)): file.read_bytes() for file in files if file.exists()}
    return found


def differences(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """The paths of files that are not the same, or are only in one of the two."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def make_again(artefact: Artefact, copy: Path, sources: Path) -> list[str]:
    """Make the files of one artefact again in the copy; the paths of those that differ from the committed ones."""
    for path in contents(copy, artefact.paths):
        (copy / path).unlink()  # what is not written is then missing, and not the old file
    arguments = [str(sources)] if artefact.needs_sources else []
    subprocess.run([sys.executable, "-m", f"tools.{artefact.module}", *arguments], cwd=copy, check=True)
    return differences(contents(ROOT, artefact.paths), contents(copy, artefact.paths))


def main() -> int:
    """Make everything again that can be; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.check", description=__doc__.partition("\n")[0])
    parser.add_argument("sources", nargs="?", type=Path, default=SHARED, help="folder of the public lists")
    sources = parser.parse_args().sources.absolute()
    stale: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dragoman-artefacts-") as name:
        for folder in COPIED:
            shutil.copytree(ROOT / folder, Path(name) / folder, ignore=shutil.ignore_patterns("__pycache__"))
        for artefact in ARTEFACTS:
            if artefact.needs_sources and not sources.is_dir():
                print(f"{artefact.module:<16} left out: {sources} is not here")
                continue
            began = time.monotonic()
            found = make_again(artefact, Path(name), sources)
            verdict = f"DIFFERS: {', '.join(found)}" if found else "the same"
            print(f"{artefact.module:<16} {verdict} ({time.monotonic() - began:.0f} s)", flush=True)
            stale += found
    if stale:
        print(f"These files are not what their tool makes now: {', '.join(stale)}. Run it and look at the change.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
