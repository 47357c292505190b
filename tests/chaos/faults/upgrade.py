"""A home of an older commit goes on with the code of today."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.environment import ROOT
from tests.chaos.pipeline import Pipeline, PipelineError
from tests.chaos.registry import Place, SkippedError, Traffic, fault
from tests.chaos.rounds import Round
from tests.chaos.traffic import articles_of, write_lines

MESSAGES = 120
RATE = 20.0


@fault(traffic=Traffic.OWN, place=Place.OWN, by_name=True)
def upgrade_from_664fcdf(run: Round) -> None:
    """A stack of commit 664fcdf is stopped with articles on their way, and goes on with this code."""
    upgrade(run, "664fcdf")


@fault(traffic=Traffic.OWN, place=Place.OWN, by_name=True)
def upgrade_from_6c37a9a(run: Round) -> None:
    """A stack of commit 6c37a9a is stopped with articles on their way, and goes on with this code."""
    upgrade(run, "6c37a9a")


def upgrade(run: Round, commit: str) -> None:
    """Run the old code, stop it, and run today's code on the same home.

    Decisions are not compared: the old code may have decided otherwise. The articles of both must be there.
    """
    code = run.cleanup.enter_context(worktree(commit, run.folder / commit))
    run.stack = run.cleanup.enter_context(Pipeline())
    run.compares_decisions = False
    old = Pipeline(run.stack.home, code)
    old.start()
    path = run.new_file()
    write_lines(path, articles_of(run.make_seed(), MESSAGES))
    sent = old.run("replay", str(path))
    stopped = old.run("down")
    if sent.returncode or stopped.returncode:
        raise PipelineError(f"the old code does not run: {(sent.stderr + stopped.stderr)[-300:]}")
    started = run.stack.run("up", "--detach")
    if started.returncode:
        run.needs.append(f"`up` of this code fails on the old home: {started.stderr[-300:]}")
        raise PipelineError(run.needs[-1])
    run.replay(MESSAGES, RATE)


@contextmanager
def worktree(commit: str, folder: Path) -> Iterator[Path]:
    """A folder with an older commit. SkippedError if this repository does not have it."""
    git = ["git", "-C", str(ROOT), "worktree"]
    made = subprocess.run([*git, "add", "--detach", str(folder), commit], capture_output=True, text=True, check=False)
    if made.returncode:
        raise SkippedError(f"commit {commit} cannot be checked out: {made.stderr.strip()[:100]}")
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], capture_output=True, check=False)
