"""`dragoman status`: what runs, what is behind, and whether the books balance."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import out, print_json
from services.cli.servers import require_embedded

if TYPE_CHECKING:
    from services.common.settings import ElasticsearchSettings
    from services.status.rates import Rates

WATCH_SECONDS = 2.0
HEALTHY_STATES = ("running", "starting")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Refresh every two seconds, with rates and dead letters per minute.")
    ] = False,
) -> None:
    """Show processes and their restarts, lag and its age, outcomes, and whether the books balance.

    The exit code is 0 if all is well, 3 if nothing runs, and 4 if a process or a server is down, a process ends again
    and again, the outbox is full, lag is older than half of what Kafka keeps, or the books do not balance. With --json
    it is always 0, because the object holds this information.

    Examples: `dragoman status`; `dragoman status --watch`; `dragoman status --json | jq .books`.
    """
    if watch and not as_json:
        from rich.live import Live

        from services.status.rates import Rates

        rates = Rates()
        with Live(console=out, screen=False, auto_refresh=False) as live:
            while True:
                report = read_status()
                rates.add(time.monotonic(), report["outcomes"])
                live.update(_render(report, rates), refresh=True)
                time.sleep(WATCH_SECONDS)
    report = read_status()
    if as_json:
        print_json(report)
    else:
        out.print(_render(report))
    code = exit_code(report)
    if code and not as_json:
        raise typer.Exit(code)


def exit_code(report: dict[str, Any]) -> int:
    """0 if all is well, 3 if nothing runs, 4 if something is wrong."""
    states = [service["state"] for service in report["services"]]
    if not states and not report["lag"]:
        return 4 if report["problems"] else 3
    books = report["books"]
    ill = any(state not in HEALTHY_STATES for state in states) or (books is not None and not books["balanced"])
    return 4 if ill or report["problems"] else 0


def read_status() -> dict[str, Any]:
    """Everything that `status` shows."""
    from services.common.settings import ElasticsearchSettings

    settings = ElasticsearchSettings()
    services = _processes(settings.home)
    report: dict[str, Any] = {
        "home": str(settings.home),
        "kafka_bootstrap": settings.kafka_bootstrap,
        "elasticsearch_url": settings.elasticsearch_url,
        "client_file": client_file(settings),
        "services": services,
        "lag": {},
        "outcomes": {},
        "books": None,
        "vectors": None,
        "lag_age": {},
        "restored_stores": 0,
        "producer": None,
        "problems": [],
    }
    if services or _is_configured_elsewhere():
        report |= _measured(settings, [service["metrics_url"] for service in services if service["metrics_url"]])
    report["problems"] = [
        *(
            f"{service['name']} ends again and again: {service['restarts']} restarts. "
            f"Its log is {settings.home / 'logs' / service['name']}.log"
            for service in services
            if service["crash_loop"]
        ),
        *report["problems"],
    ]
    return report


def client_file(settings: ElasticsearchSettings) -> str | None:
    """The file with which other programs reach the servers. None where `up` did not start them."""
    from services.common.settings import CLIENT_FILE

    path = settings.home / CLIENT_FILE
    try:
        url = json.loads(path.read_text(encoding="utf8"))["elasticsearch"]["url"]
    except (OSError, ValueError, KeyError):
        return None
    return str(path) if url == settings.elasticsearch_url else None


def _processes(home: Path) -> list[dict[str, Any]]:
    """The processes that `up` started in this home. Empty if `up` never ran here, for example in a container."""
    from services.common.settings import STACK_FILE

    if not (home / STACK_FILE).is_file():
        return []
    require_embedded("Showing the processes of this home")
    from services.embedded.restarts import Restarts, read_restarts
    from services.embedded.state import read_stack
    from services.embedded.supervisor import Supervisor

    started, supervisor = read_stack(home), Supervisor(home)
    restarts = read_restarts(supervisor.log_folder / "supervisord.log")
    never = Restarts(0, 0)
    ports = started.metrics_ports if started else {}
    return [
        {
            "name": state.name,
            "pid": state.pid,
            "state": state.state,
            "uptime_seconds": round(state.uptime_seconds),
            "metrics_url": f"http://127.0.0.1:{ports[state.name]}/metrics" if state.name in ports else None,
            "restarts": restarts.get(state.name, never).total,
            "crash_loop": restarts.get(state.name, never).is_crash_loop,
        }
        for state in supervisor.states()
    ]


def metrics_urls(home: Path) -> dict[str, str]:
    """The metrics URL of each process that `up` started in this home, by name."""
    return {process["name"]: process["metrics_url"] for process in _processes(home) if process["metrics_url"]}


def _is_configured_elsewhere() -> bool:
    import os

    return "DRAGOMAN_KAFKA_BOOTSTRAP" in os.environ


def _measured(settings: ElasticsearchSettings, metrics_urls: list[str]) -> dict[str, Any]:
    from services.producer.ledger.store import Store
    from services.producer.settings import ProducerSettings
    from services.status.collect import collect

    store_file = ProducerSettings().store_file
    totals = (0, 0)
    if store_file.exists():
        store = Store(store_file)
        counted = store.totals()
        totals = (counted.messages, counted.articles)
        store.close()
    snapshot = collect(settings, totals, metrics_urls)
    return {
        "lag": snapshot.lag,
        "outcomes": snapshot.outcomes,
        "books": snapshot.books.to_dict() if snapshot.books else None,
        "vectors": snapshot.vectors,
        "lag_age": {topic: asdict(age) for topic, age in snapshot.lag_age.items()},
        "restored_stores": snapshot.restored_stores,
        "producer": asdict(snapshot.producer) if snapshot.producer else None,
        "archive_lag": snapshot.archive_lag,
        "rebuilt_share": snapshot.rebuilt_share,
        "problems": snapshot.problems,
    }


def _render(report: dict[str, Any], rates: Rates | None = None) -> Any:
    """The tables. `rates` are shown beside the counts."""
    from rich.console import Group

    if not report["services"] and not report["lag"]:
        return f"Nothing runs in {report['home']}. Start it with `dragoman up`."
    urls = f"Kafka {report['kafka_bootstrap']}   Elasticsearch {report['elasticsearch_url']}"
    rest = [_books_line(report["books"]), _producer_line(report["producer"]), urls]
    if report["vectors"] is False:
        rest.append("Vectors: none. A setting turns them off, or the encoder is not installed.")
    if report["restored_stores"]:
        rest.append(f"Stores: {report['restored_stores']} damaged and restored by themselves. The logs say which.")
    if report["rebuilt_share"] is not None:
        rest.append(f"dedup rebuilds its state: {report['rebuilt_share']:.0%}. Articles wait until it is done.")
    if report["archive_lag"] is not None:
        rest.append(f"Archive: {report['archive_lag']:,} raw messages are not kept yet.")
    if rates is not None:
        rest.append(f"Dead letters: {rates.dead_per_minute():,.1f} a minute.")
    rest += [_problem_line(problem) for problem in report["problems"]]
    tables = (_processes_table(report["services"]), "", _lag_table(report), "", _outcomes_table(report, rates), "")
    return Group(*tables, *(line for line in rest if line is not None))


def _processes_table(services: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(title="Processes", title_justify="left", box=None)
    for column in ("name", "state", "pid", "up", "restarts", "metrics"):
        table.add_column(column, justify="right" if column in ("pid", "up", "restarts") else "left")
    for service in services:
        is_well = service["state"] in HEALTHY_STATES and not service["crash_loop"]
        state = "crash loop" if service["crash_loop"] else service["state"]
        pid, metrics = str(service["pid"] or "-"), service["metrics_url"] or "-"
        cells = (service["name"], state, pid, f"{service['uptime_seconds']} s", str(service["restarts"]), metrics)
        table.add_row(*cells, style="" if is_well else "bold red")
    return table


def _lag_table(report: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title="Lag", title_justify="left", box=None)
    table.add_column("topic")
    for column in ("messages", "oldest", "kept for"):
        table.add_column(column, justify="right")
    for topic, messages in report["lag"].items():
        age = report["lag_age"].get(topic)
        if age is None:
            table.add_row(topic, f"{messages:,}", "-", "-")
            continue
        retention = age["retention_seconds"]
        kept = "ever" if retention is None else duration(retention)
        table.add_row(topic, f"{messages:,}", duration(age["seconds"]), kept)
    return table


def _outcomes_table(report: dict[str, Any], rates: Rates | None) -> Any:
    from rich.table import Table

    table = Table(title="Outcomes since each process started", title_justify="left", box=None)
    table.add_column("service")
    table.add_column("outcomes")
    if rates is not None:
        table.add_column("per second")
    per_second = rates.per_second() if rates is not None else {}
    for service, counts in report["outcomes"].items():
        shown = {name: count for name, count in sorted(counts.items()) if count}
        row = [service, "  ".join(f"{name} {count:,}" for name, count in shown.items()) or "-"]
        if rates is not None:
            known = per_second.get(service, {})
            row.append("  ".join(f"{name} {known[name]:,.1f}" for name in shown if name in known) or "-")
        table.add_row(*row)
    return table


def duration(seconds: float) -> str:
    """Seconds as a person says them: 45 s, 12 min, 3.5 h, 7 d."""
    for unit, size, least in (("d", 86_400, 2), ("h", 3600, 1), ("min", 60, 2)):
        if seconds >= least * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def _producer_line(producer: dict[str, Any] | None) -> str | None:
    if producer is None:
        return None
    polls = "polls PAUSE, because the outbox is full" if producer["polls_paused"] else "polls go on"
    return f"Producer: {producer['outbox']:,} in the outbox, {producer['kept']:,} kept until they are indexed, {polls}."


def _problem_line(problem: str) -> Any:
    from rich.text import Text

    return Text(f"{problem.rstrip('.')}.", style="bold red")


def _books_line(books: dict[str, Any] | None) -> Any:
    from rich.text import Text

    if books is None:
        return "Books: unknown at the moment."
    verdict = ("balance", "green") if books["balanced"] else ("DO NOT BALANCE", "bold red")
    return Text.assemble(
        "Books ",
        verdict,
        f": {books['articles']:,} articles in {books['sent']:,} messages = {books['indexed']:,} indexed"
        f" + {books['dead']:,} dead + {books['missing']:,} on their way ({books['in_flight']:,} messages in flight,"
        f" {books['superseded']:,} repeats)",
    )
