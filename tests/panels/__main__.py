"""Asks a real Prometheus what every panel and every rule shows of a real stack, healthy and in trouble.

python -m tests.panels [--output PATH]

The exit code is 1 if a panel or a rule is wrong, 2 if the stack or Prometheus does not run, and 78 if Prometheus is not
installed.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.common.exits import UnusableProcessError
from tests.chaos.environment import ROOT, forget_settings
from tests.chaos.pipeline import Pipeline, PipelineError
from tests.chaos.report import commit_of
from tests.panels.configuration import BOOKS, shorten
from tests.panels.expressions import Query, Rule, fill, read_expression, read_queries, read_rules
from tests.panels.findings import Judged, Phase, Shown, blind_selectors, find_wrong, flatten, make_report
from tests.panels.server import DEPLOYED, Prometheus, PrometheusError, check_rules, require_programs, watch
from tests.panels.traffic import POISON, SETTINGS, run_healthy, run_trouble, serve_feeds

DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
RESULT = ROOT / "benchmarks" / "panels.md"
SCRAPE_SECONDS = 5
"""Not less, because a scrape may take no longer than this, and the deployed one may take five seconds."""
LAST_SECONDS = 2 * SCRAPE_SECONDS
"""What a phase did is scraped and evaluated after this."""
VARIABLES = {"__rate_interval": "1m", "__range": "1h", "__interval": "15s"}
"""What Grafana takes for a dashboard of an hour and a scrape every 15 seconds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both phases, and print and write the tables. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.panels", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=RESULT, metavar="PATH", help="file that gets the tables")
    options = parser.parse_args(arguments)
    try:
        require_programs()
        forget_settings()
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
        say("Testing the rules")
        failed = check_rules()
        watched = run_phases(read_queries(DASHBOARDS), read_rules(DEPLOYED / "alerts.yml"))
    except UnusableProcessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except (PipelineError, PrometheusError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    wrong = [f"`promtool test rules` fails: {flatten(failed)}"] if failed else []
    wrong += find_wrong(*watched.phases, POISON, watched.late)
    report = make_report(watched.phases, wrong, make_head(watched.phases), watched.unused)
    options.output.write_text(report, encoding="utf8")
    print(report)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return 1 if wrong else 0


@dataclass(frozen=True, slots=True)
class Watched:
    """Both phases, the counters that do not begin at 0, and our metrics that nothing asks for."""

    phases: tuple[Phase, Phase]
    late: list[tuple[str, int]]
    unused: list[str]


def make_head(phases: Sequence[Phase]) -> str:
    """The beginning of the page."""
    queries = len(phases[0].shown)
    return (
        "# Panels and rules against a real Prometheus\n\n"
        f"Made by `make prometheus` on {datetime.now(UTC):%Y-%m-%d}, commit {commit_of()}: "
        f"{queries} queries of panels and {len(phases[0].judged)} rules.\n"
        "Healthy is a replay, feeds and pushes. Trouble is three dead letters at once, a write block of Elasticsearch, "
        "a restart of the producer, a feed that fails and one that is silent.\n"
        "The rules of the books run a second time with an hour of 36 seconds; the panel of the books asks for those."
    )


def run_phases(queries: Sequence[Query], rules: Sequence[Rule]) -> Watched:
    """Start a stack and a Prometheus, drive both phases, and ask at the end of each."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-panels-"))
    try:
        with serve_feeds() as feeds, Pipeline(None, ROOT, **SETTINGS) as pipeline:
            (pipeline.home / "feeds.yaml").write_text("feeds: []\n", encoding="utf8")
            say("Starting the stack")
            pipeline.start()
            addresses = {name: f"127.0.0.1:{port}" for name, port in pipeline.ports.metrics_ports.items()}
            with watch(addresses, f"{SCRAPE_SECONDS}s") as prometheus:
                began = time.time()
                prometheus.wait_until_scraped(addresses.values())
                healthy = run_phase("healthy", prometheus, queries, rules, lambda: run_healthy(pipeline, feeds, folder))
                trouble = run_phase("trouble", prometheus, queries, rules, lambda: run_trouble(pipeline, feeds, folder))
                late = prometheus.late_counters(time.time() - began, time.time())
                return Watched((healthy, trouble), late, find_unused(prometheus.declared(), queries, rules))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_unused(declared: Mapping[str, str], queries: Sequence[Query], rules: Sequence[Rule]) -> list[str]:
    """Our metrics that no panel and no rule asks for."""
    expressions = [fill(query.expression, VARIABLES) for query in queries] + [rule.expression for rule in rules]
    asked = {metric for expression in expressions for metric in read_expression(expression).metrics}
    families = {metric.removesuffix("_bucket") for metric in asked}
    return sorted(
        name
        for name in declared
        if name.startswith("dragoman_") and not name.endswith("_created") and name not in families
    )


def run_phase(
    name: str, prometheus: Prometheus, queries: Sequence[Query], rules: Sequence[Rule], drive: Callable[[], None]
) -> Phase:
    """Let something happen, and then ask for everything."""
    say(f"Phase: {name}")
    begin = time.time()
    drive()
    time.sleep(LAST_SECONDS)
    end = time.time()
    alerts = prometheus.alerts(begin, end)
    return Phase(
        name,
        tuple(ask_panel(prometheus, query, begin, end) for query in queries),
        judge_rules(prometheus, rules, alerts, end),
        alerts,
        prometheus.broken_rules(),
    )


def ask_panel(prometheus: Prometheus, query: Query, begin: float, end: float) -> Shown:
    """Ask as Grafana does: some panels for one moment, the others for the phase."""
    asked = fill(query.expression, VARIABLES)
    if is_of_books(asked):
        asked = shorten(asked)
    series = prometheus.at(asked, end) if query.is_instant else prometheus.between(asked, begin, end, SCRAPE_SECONDS)
    return Shown(query, asked, tuple(series))


def is_of_books(expression: str) -> bool:
    """Whether an expression reads what the rules of the books record."""
    recorded = {rule.name for rule in read_rules(DEPLOYED / "alerts.yml") if rule.group == BOOKS and rule.is_recording}
    return bool(read_expression(expression).metrics & recorded)


def judge_rules(
    prometheus: Prometheus, rules: Sequence[Rule], alerts: dict[str, str], end: float
) -> tuple[Judged, ...]:
    """Evaluate each rule, and each selector in it."""
    known = prometheus.metrics() | {rule.name for rule in rules if rule.is_recording}
    selectors = {text for rule in rules for text in read_expression(rule.expression).texts}
    has_series = {text: bool(prometheus.at(text, end)) for text in sorted(selectors)}
    judged = []
    for rule in rules:
        unknown = tuple(sorted(read_expression(rule.expression).metrics - known))
        state = alerts.get(rule.name, "inactive") if rule.is_alert else "recorded"
        blind = blind_selectors(rule.expression, has_series)
        judged.append(Judged(rule, tuple(prometheus.at(rule.expression, end)), state, unknown, blind))
    return tuple(judged)


def say(text: str) -> None:
    """Show progress, apart from the tables."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
