"""Measures how long a command needs to begin, as a multiple of a bare interpreter.

    python -m benchmarks.speed.startup [--rounds 9] [--json PATH]

Commands and interpreter take turns, so that a machine whose speed changes slows all of them.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.speed.measures import clean_environment, conditions
from benchmarks.speed.pipeline import to_json
from benchmarks.speed.processes import DRAGOMAN

RESULTS = Path(__file__).with_name("startup.json")
BARE = "python -c pass"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    BARE: (sys.executable, "-c", "pass"),
    "dragoman --help": (str(DRAGOMAN), "--help"),
    "dragoman search --help": (str(DRAGOMAN), "search", "--help"),
    "dragoman status --json": (str(DRAGOMAN), "status", "--json"),
}


def seconds_of(command: tuple[str, ...]) -> float:
    """Wall seconds of one run."""
    began = time.perf_counter()
    subprocess.run(command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of each command, and its median ratio to the bare interpreter of the same round."""
    for command in COMMANDS.values():
        seconds_of(command)  # compiles, and fills the page cache
    taken = [{name: seconds_of(command) for name, command in COMMANDS.items()} for _ in range(rounds)]
    return {
        name: {
            "ms": round(statistics.median(one[name] for one in taken) * 1000, 1),
            "ratio": round(statistics.median(one[name] / one[BARE] for one in taken), 1),
        }
        for name in COMMANDS
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="PATH", help="where the figures are written")
    asked = parser.parse_args()
    found = measure(asked.rounds)
    table = Table("command", "ms", f"times `{BARE}`", title="Start of a command")
    for name, figures in found.items():
        table.add_row(name, f"{figures['ms']:.0f}", f"{figures['ratio']:.1f}")
    Console().print(table)
    asked.json.write_bytes(to_json({"conditions": conditions(0, 0, "none"), "commands": found}))


if __name__ == "__main__":
    main()
