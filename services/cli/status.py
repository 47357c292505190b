"""`dragoman status`: what runs, what is behind, and whether the books balance."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import out, print_json
from services.cli.servers import require_embedded

if TYPE_CHECKING:
    from services.common.settings import ElasticsearchSettings

WATCH_SECONDS = 2.0
HEALTHY_STATES = ("running", "starting")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every two seconds.")] = False,
) -> None:
    """Show processes, lag per topic, outcomes per service, and whether the books balance.

    The exit code is 0 if all is well, 3 if nothing runs, and 4 if a process or a server is down or the books do not
    balance. With --json it is always 0, because the object holds this information.
    """
    if watch and not as_json:
        from rich.live import Live

        with Live(console=out, screen=False, auto_refresh=False) as live:
            while True:
                live.update(_render(read_status()), refresh=True)
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
        "services": services,
        "lag": {},
        "outcomes": {},
        "books": None,
        "vectors": None,
        "problems": [],
    }
    if services or _is_configured_elsewhere():
        report |= _measured(settings, [service["metrics_url"] for service in services if service["metrics_url"]])
    return report


def _processes(home: Path) -> list[dict[str, Any]]:
    """The processes that `up` started in this home. Empty if `up` never ran here, for example in a container."""
    from services.common.settings import STACK_FILE

    if not (home / STACK_FILE).is_file():
        return []
    require_embedded("Showing the processes of this home")
    from services.embedded.state import read_stack
    from services.embedded.supervisor import Supervisor

    started = read_stack(home)
    ports = started.metrics_ports if started else {}
    return [
        {
            "name": state.name,
            "pid": state.pid,
            "state": state.state,
            "uptime_seconds": round(state.uptime_seconds),
            "metrics_url": f"http://127.0.0.1:{ports[state.name]}/metrics" if state.name in ports else None,
        }
        for state in Supervisor(home).states()
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
        "problems": snapshot.problems,
    }


def _render(report: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table

    if not report["services"] and not report["lag"]:
        return f"Nothing runs in {report['home']}. Start it with `dragoman up`."
    processes = Table(title="Processes", title_justify="left", box=None)
    for column in ("name", "state", "pid", "up", "metrics"):
        processes.add_column(column, justify="right" if column in ("pid", "up") else "left")
    for service in report["services"]:
        style = "" if service["state"] in HEALTHY_STATES else "bold red"
        pid, metrics = str(service["pid"] or "-"), service["metrics_url"] or "-"
        processes.add_row(
            service["name"], service["state"], pid, f"{service['uptime_seconds']} s", metrics, style=style
        )
    lag = Table(title="Lag", title_justify="left", box=None)
    lag.add_column("topic")
    lag.add_column("messages", justify="right")
    for topic, messages in report["lag"].items():
        lag.add_row(topic, f"{messages:,}")
    outcomes = Table(title="Outcomes since each process started", title_justify="left", box=None)
    outcomes.add_column("service")
    outcomes.add_column("outcomes")
    for service, counts in report["outcomes"].items():
        outcomes.add_row(service, "  ".join(f"{name} {count:,}" for name, count in sorted(counts.items())))
    urls = f"Kafka {report['kafka_bootstrap']}   Elasticsearch {report['elasticsearch_url']}"
    rest = [_books_line(report["books"]), urls, *report["problems"]]
    if report["vectors"] is False:
        rest.insert(1, "Vectors: none. A setting turns them off, or the encoder is not installed.")
    return Group(processes, "", lag, "", outcomes, "", *rest)


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
