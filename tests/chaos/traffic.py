"""The articles of a round: replayed from a file, or pushed over HTTP."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from services.producer.ledger.store import Store
from services.producer.settings import ProducerSettings
from tests.articles import make_articles
from tests.chaos.pipeline import Pipeline

BEGUN = 4
"""The fault comes after so many confirmed messages."""
REPLAY_TRIES = 6
"""A replay that was cut goes on with the same command, as its message says. It sends only what was not confirmed."""
PUSHED_AT_ONCE = 4


class Sending(Protocol):
    """Articles on their way into the pipeline."""

    messages: int

    def begin(self) -> None:
        """Start, and return when the first messages are confirmed."""

    def finish(self) -> dict[str, object]:
        """Wait until everything was sent. Returns what is worth knowing about it."""

    def abort(self) -> None:
        """End it now."""


def open_store(pipeline: Pipeline) -> Store:
    """The producer's store of this home."""
    return Store(ProducerSettings(home=pipeline.home).store_file)


def confirmed(pipeline: Pipeline) -> int:
    """The number of messages in the ledger."""
    with closing(open_store(pipeline)) as store:
        return store.totals().messages


def write_lines(path: Path, articles: Iterable[dict[str, str]]) -> int:
    """Write articles as JSONL, and return their number."""
    lines = [json.dumps(article) + "\n" for article in articles]
    path.write_text("".join(lines), encoding="utf8")
    return len(lines)


@dataclass(slots=True)
class Replay:
    """`dragoman replay` of a file, in the background, with a clock that is wrong by `clock` seconds."""

    pipeline: Pipeline
    path: Path
    messages: int
    rate: float
    clock: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start it, and return when the first messages are confirmed or it has ended."""
        before, deadline = confirmed(self.pipeline), time.monotonic() + 60
        self.launch()
        while self._is_running() and time.monotonic() < deadline:
            if confirmed(self.pipeline) >= before + min(BEGUN, self.messages):
                return
            time.sleep(0.2)

    def launch(self) -> None:
        """Start it."""
        with self.path.with_suffix(".out").open("ab") as output:
            self._process = subprocess.Popen(
                self.pipeline.command("replay", str(self.path), "--rate", str(self.rate), clock=self.clock),
                cwd=self.pipeline.code,
                env=self.pipeline.environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def finish(self) -> dict[str, object]:
        """Wait for its end. A cut replay is run again, because its message asks for that."""
        code = self._wait()
        tries = 1
        while code and tries < REPLAY_TRIES:
            time.sleep(5)
            self.launch()
            code = self._wait()
            tries += 1
        said = self.path.with_suffix(".out").read_text(encoding="utf8", errors="replace").strip()
        last = said.splitlines()[-1][-300:] if said else ""
        return {"replay_exit": code, "replay_runs": tries} | ({"replay_said": last} if code else {})

    def abort(self) -> None:
        """End it with kill -9."""
        if self._process is not None and self._is_running():
            self._process.kill()
            self._process.wait()

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _wait(self) -> int:
        if self._process is None:
            return 0
        try:
            return self._process.wait(400)
        except subprocess.TimeoutExpired:
            self.abort()
            return -9


@dataclass(slots=True)
class Push:
    """Articles that are pushed over HTTP. A request that fails is sent again, as every sender must do.

    `promised` gets the revision of each article that the producer accepted, because it promised to keep it.
    """

    pipeline: Pipeline
    articles: list[dict[str, str]]
    rate: float
    promised: dict[str, int]
    messages: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start, and return when the first articles are accepted."""
        self.messages = len(self.articles)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 60
        while len(self.promised) < BEGUN and time.monotonic() < deadline:
            time.sleep(0.1)

    def finish(self) -> dict[str, object]:
        """Wait until every article was accepted, for at most five minutes."""
        if self._thread is not None:
            self._thread.join(300)
        self.abort()
        return {"push_errors": dict(self.errors), "slowest_push_s": round(self.slowest, 1)}

    def abort(self) -> None:
        """Stop pushing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(60)

    def _run(self) -> None:
        waiting = list(self.articles)
        while waiting and not self._stop.is_set():
            began = time.monotonic()
            try:
                results = push(self.pipeline, waiting[:PUSHED_AT_ONCE])
            except (OSError, ValueError) as error:
                self.errors[type(error).__name__] += 1
                self._stop.wait(0.7)
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            for result in results:
                if result["status"] in {"accepted", "unchanged"}:
                    self.promised[str(result["article_id"])] = int(str(result["revision"]))
            waiting = waiting[PUSHED_AT_ONCE:]
            self._stop.wait(PUSHED_AT_ONCE / self.rate)


def push(pipeline: Pipeline, articles: list[dict[str, str]]) -> list[dict[str, object]]:
    """Push articles, and return the answer on each. OSError and ValueError when there is none."""
    token = ProducerSettings(home=pipeline.home).token_file.read_text(encoding="ascii").strip()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(pipeline.ports.ingest_url, json.dumps(articles).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        results: list[dict[str, object]] = json.loads(answer.read())["results"]
    return results


def wait_until(is_true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is true. Returns whether it became true."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def articles_of(seed: int, count: int) -> list[dict[str, str]]:
    """Articles whose guids begin with the seed."""
    return list(make_articles(count, seed))
