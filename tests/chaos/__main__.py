"""Breaks a real stack on purpose, and counts what was lost, doubled or decided differently.

python -m tests.chaos [--classes NAME,…] [--rounds N] [--minutes M] [--seed S] [--short]
python -m tests.chaos --table     (runs nothing: prints what earlier campaigns have written, as Markdown)

The exit code is 1 if something was lost, doubled, decided differently or needs a person, and 2 if the oracle does not
find a service that does harm on purpose. It is 1 as well if no round could be run.
"""

from __future__ import annotations

import argparse
import io
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tests.chaos import faults as _all_classes  # noqa: F401 - importing them registers them
from tests.chaos.campaign import Campaign, Limits
from tests.chaos.environment import ROOT, forget_settings
from tests.chaos.pipeline import PipelineError
from tests.chaos.registry import FAULTS, Fault
from tests.chaos.report import append, commit_of, is_good, make_table, read_rounds, to_line, to_markdown
from tests.chaos.rounds import Result, Round, Verdict
from tests.chaos.selftest import run_self_tests

SELF_TEST = "self-test"
"""What the names of all self-tests begin with."""
WIDTH = 120
"""Columns of the table, when it is not printed to a terminal."""
SELF_TEST_SHARE = 1.2
"""The self-tests, all at once on a stack that runs, take at most so many times as long as the longest round."""
RESULTS = ROOT / "benchmarks" / "chaos.jsonl"
SHORT_SEED = 1
"""CI repeats the same rounds each time, so that a failure is due to the change and not to the seed."""
SHORT_MINUTES = 4.6
"""The short campaign starts no further round when it would probably end later, so that it ends after five minutes.

On a slow machine it takes longer: one round and the self-tests run in any case.
"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=(__doc__ or "").partition("\n")[0],
        epilog="classes:\n" + "\n".join(f"  {fault.name:<28} {fault.says}" for fault in FAULTS.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--classes", default="", metavar="NAME,…", help="classes to run (default: all quick ones)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="rounds of each class (default: 1)")
    parser.add_argument("--minutes", type=float, metavar="M", help="start no round after so many minutes")
    parser.add_argument(
        "--seed", type=int, metavar="S", help="seed of the first round (default: a random one, or 1 with --short)"
    )
    parser.add_argument("--short", action="store_true", help="a few classes with fewer messages, for CI")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="PATH", help="file that gets a line per round")
    parser.add_argument("--table", action="store_true", help="run nothing, and print the rounds so far as Markdown")
    parsed = parser.parse_args(arguments)
    unknown = [name for name in split(parsed.classes) if name not in FAULTS]
    if unknown:
        parser.error(f"no class is called {', '.join(unknown)}")
    return parsed


def split(names: str) -> list[str]:
    """Comma-separated names."""
    return [name.strip() for name in names.split(",") if name.strip()]


def choose(names: Sequence[str], *, short: bool) -> list[Fault]:
    """The classes to run: those that were asked for, the short ones, or all that are not by name only."""
    if names:
        return [FAULTS[name] for name in names]
    return [fault for fault in FAULTS.values() if (fault.short if short else not fault.by_name)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the self-tests and the campaign, and print the table. Returns the exit code."""
    options = parse(arguments)
    if options.table:
        return print_table(options.output)
    forget_settings()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log is read while the campaign runs
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    seed = options.seed if options.seed is not None else SHORT_SEED if options.short else random.randrange(10**6)
    began = time.monotonic()
    limits = Limits(
        starts_until=began + options.minutes * 60 if options.minutes else float("inf"),
    )
    if options.short:
        limits = Limits(ends_by=began + SHORT_MINUTES * 60, after=SELF_TEST_SHARE, at_least=1)
    commit = commit_of()
    console.print(f"Commit {commit}, seed {seed}.", highlight=False)
    results: list[Result] = []

    def note(result: Result) -> None:
        results.append(result)
        append(options.output, to_line(result, commit))
        detail = "; ".join(result.needs) or result.notes.get("reason", "")
        console.print(f"  {result.verdict.value} {detail}", markup=False, highlight=False, soft_wrap=True)

    campaign = Campaign(
        lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True), options.short, limits
    )
    chosen = choose(split(options.classes), short=options.short)
    try:
        with campaign:
            if options.short:  # one round in any case, and the self-tests after it, on the same stack
                random.Random(seed).shuffle(chosen)  # the time may not be enough for all
                run_rounds(note, campaign, chosen, options.rounds, seed)
                check_oracle(note, campaign, seed)
            else:
                check_oracle(note, campaign, seed)
                run_rounds(note, campaign, chosen, options.rounds, seed)
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    finally:
        if results:
            console.print(make_table(results))
    return exit_code(results)


def run_rounds(
    note: Callable[[Result], None], campaign: Campaign, chosen: Sequence[Fault], rounds: int, seed: int
) -> None:
    """Run the rounds of the campaign."""
    for result in campaign.run(chosen, rounds, seed):
        note(result)


def exit_code(results: Sequence[Result]) -> int:
    """2 if a self-test failed, and 1 if a round was not good or there was none at all."""
    tests = [result for result in results if result.fault.startswith(SELF_TEST)]
    if any(result.verdict is Verdict.ERROR for result in tests):
        return 2
    return 0 if len(results) > len(tests) and is_good(results) else 1


def print_table(path: Path) -> int:
    """Print the table of all rounds in a file. Returns the exit code."""
    if not path.is_file():
        print(f"There is no {path}: no campaign has run here yet.", file=sys.stderr)
        return 1
    print(to_markdown(read_rounds(path)))
    return 0


def check_oracle(note: Callable[[Result], None], campaign: Campaign, seed: int) -> None:
    """Run the self-tests on the stack that runs, or on a new one. It is of no use after that."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-articles-"))
    try:
        with ExitStack() as cleanup:
            run = Round(folder, random.Random(seed), campaign.is_short, cleanup, campaign.stack())
            tests = run_self_tests(run, seed, campaign.say, campaign.findings, at_once=campaign.is_short)
            for result in tests:
                note(result)
    except PipelineError as error:
        note(Result(SELF_TEST, seed, Verdict.ERROR, needs=[str(error)]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        campaign.renew()


if __name__ == "__main__":
    sys.exit(main())
