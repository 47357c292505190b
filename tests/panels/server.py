"""A Prometheus of its own on a free port, and what it answers."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.common.exits import EXIT_CONFIGURATION, UnusableProcessError
from tests.chaos.environment import ROOT
from tests.panels.configuration import make_configuration, make_short_books
from tests.processes import end

DEPLOYED = ROOT / "deploy" / "prometheus"
RULE_TESTS = Path(__file__).with_name("alerts_test.yml")
PROGRAMS = ("prometheus", "promtool")
READY_SECONDS = 30
STOP_SECONDS = 20
SCRAPED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer, without values that are not numbers."""

    labels: Mapping[str, str]
    values: tuple[float, ...]


class PrometheusError(Exception):
    """Prometheus does not start, refuses its files or an expression."""


def require_programs() -> None:
    """UnusableProcessError when Prometheus is not installed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise UnusableProcessError(
            EXIT_CONFIGURATION, f"{' and '.join(missing)} not found. Debian: apt-get install prometheus"
        )


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, path: str, **parameters: str | float) -> Any:
        """The data of an answer of the API. PrometheusError holds the reason of a refusal."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as error:
            raise PrometheusError(json.loads(error.read())["error"]) from error

    def at(self, expression: str, moment: float) -> list[Series]:
        """The value of an expression at one moment."""
        return _read(self.ask("query", query=expression, time=moment))

    def between(self, expression: str, begin: float, end: float, step: float) -> list[Series]:
        """The values of an expression from one moment to another."""
        return _read(self.ask("query_range", query=expression, start=begin, end=end, step=step))

    def declared(self) -> dict[str, str]:
        """The type of each metric that a scraped page declares, also of one without a series."""
        return {name: str(family["type"]) for name, (family, *_) in self.ask("metadata").items()}

    def metrics(self) -> set[str]:
        """Every metric that a scraped page declares, also one without a series, or that has a series."""
        suffixes = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
        declared = {name + suffix for name, kind in self.declared().items() for suffix in suffixes.get(kind, ("",))}
        return declared | set(self.ask("label/__name__/values"))

    def wait_until_scraped(self, addresses: Collection[str]) -> None:
        """Return when each of these processes was scraped once. PrometheusError names those that were not in time.

        A scrape of a busy process may fail, and a new Prometheus scrapes a target some seconds after it is ready.
        """
        deadline = time.monotonic() + SCRAPED_SECONDS
        while missing := sorted(set(addresses) - self._scraped()):
            if time.monotonic() > deadline:
                raise PrometheusError(f"not scraped within {SCRAPED_SECONDS} seconds: {', '.join(missing)}")
            time.sleep(0.2)

    def _scraped(self) -> set[str]:
        targets = self.ask("targets", state="active")["activeTargets"]
        return {target["discoveredLabels"]["__address__"] for target in targets if target["health"] == "up"}

    def late_counters(self, seconds: float, end: float) -> list[tuple[str, int]]:
        """The counters whose first sample is not 0, and that sample of all processes: `increase` never sees so much."""
        window = f"{math.ceil(seconds)}s"
        found = self.at(f'{{__name__=~"dragoman_.+_total"}}[{window}]', end)
        late: Counter[str] = Counter()
        for one in found:
            late[_selector(one.labels)] += int(one.values[0]) if one.values else 0
        return sorted((name, value) for name, value in late.items() if value)

    def broken_rules(self) -> dict[str, str]:
        """The last error of each rule that could not be evaluated, by name."""
        rules = [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]
        return {rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] == "err"}

    def alerts(self, begin: float, end: float) -> dict[str, str]:
        """The worst state of each alert between two moments, by name: pending or firing."""
        window = f"{max(1, math.ceil(end - begin))}s"
        found: dict[str, str] = {}
        for series in self.at(f"count_over_time(ALERTS[{window}])", end):
            name, state = series.labels["alertname"], series.labels["alertstate"]
            found[name] = "firing" if "firing" in (state, found.get(name)) else state
        return found


def _selector(labels: Mapping[str, str]) -> str:
    own = {name: value for name, value in sorted(labels.items()) if name not in {"__name__", "instance", "job"}}
    return labels["__name__"] + "{" + ", ".join(f'{name}="{value}"' for name, value in own.items()) + "}"


def _read(data: Mapping[str, Any]) -> list[Series]:
    if data["resultType"] == "scalar":
        return [Series({}, _finite([data["result"]]))]
    return [Series(one["metric"], _finite(one.get("values") or [one["value"]])) for one in data["result"]]


def _finite(samples: list[tuple[float, str]]) -> tuple[float, ...]:
    return tuple(number for _, text in samples if math.isfinite(number := float(text)))


@contextmanager
def watch(addresses: Mapping[str, str], interval: str) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these processes and evaluates the deployed rules. Its data is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-prometheus-"))
    own = f"127.0.0.1:{_free_port()}"
    try:
        configuration = write_files(folder, addresses, own, interval)
        command = [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={own}",
            "--log.level=warn",
        ]
        log = folder / "prometheus.log"
        with log.open("ab") as output:
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True)
        try:
            _wait_until_ready(process, own, log)
            yield Prometheus(f"http://{own}")
        finally:
            end(process, STOP_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_files(folder: Path, addresses: Mapping[str, str], own: str, interval: str) -> Path:
    """Write the configuration and the rules into a folder, and let promtool check them. Returns the configuration."""
    shutil.copy(DEPLOYED / "alerts.yml", folder)
    rules = yaml.safe_load((DEPLOYED / "alerts.yml").read_text(encoding="utf8"))
    deployed = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text(encoding="utf8"))
    made = {
        "prometheus.yml": make_configuration(deployed, addresses, own, ["alerts.yml", "short.yml"], interval),
        "short.yml": make_short_books(rules),
    }
    for name, content in made.items():
        (folder / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf8")
    checked = subprocess.run(
        ["promtool", "check", "config", str(folder / "prometheus.yml")], capture_output=True, text=True, check=False
    )
    if checked.returncode:
        raise PrometheusError(f"promtool refuses the files: {checked.stdout}{checked.stderr}")
    return folder / "prometheus.yml"


def check_rules() -> str:
    """Run the tests of the rules. Returns what promtool says when one fails."""
    tested = subprocess.run(["promtool", "test", "rules", str(RULE_TESTS)], capture_output=True, text=True, check=False)
    return f"{tested.stdout}{tested.stderr}".strip() if tested.returncode else ""


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{address}/-/ready", timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise PrometheusError(f"Prometheus does not start: {log.read_text(encoding='utf8', errors='replace')[-800:]}")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
