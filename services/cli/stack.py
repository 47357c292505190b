"""`dragoman up`, `down`, `status`, `verify`, `setup`."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import err, fail, interrupt, out, print_json, progress
from services.cli.servers import answering, require_embedded

if TYPE_CHECKING:
    from services.common.settings import ElasticsearchSettings
    from services.embedded.artifacts import Artifact
    from services.embedded.state import Stack

WATCH_SECONDS = 2.0
HEALTHY_STATES = ("running", "starting")


class ConsoleReporter:
    """Shows the steps of `up`, with a progress bar for downloads."""

    def __init__(self) -> None:
        from rich.progress import DownloadColumn, TransferSpeedColumn

        self._bar = progress(DownloadColumn(), TransferSpeedColumn())
        self._tasks: dict[str, Any] = {}

    def step(self, text: str) -> None:
        """Print one line for a step."""
        self._bar.stop()
        err.print(f"• {text}", style="dim")

    def download(self, artifact: Artifact, received: int) -> None:
        """Update the progress bar of the file. Without a terminal, print one line when the download starts."""
        if artifact.name not in self._tasks:
            self._bar.start()
            self._tasks[artifact.name] = self._bar.add_task(artifact.name, total=artifact.size)
            if not err.is_terminal:
                err.print(f"  fetching {artifact.name} {artifact.version} ({artifact.size / 1e6:.1f} MB)", style="dim")
        self._bar.update(self._tasks[artifact.name], completed=received)


def prepare_servers(kafka_bootstrap: str, elasticsearch_url: str) -> None:
    """Create topics, templates and indices."""
    from schemas.topics import TOPICS
    from services.common.elastic import make_client
    from services.common.topics import ensure_topics
    from services.indexer.indices import ensure_indices
    from services.indexer.settings import IndexerSettings

    settings = IndexerSettings(kafka_bootstrap=kafka_bootstrap, elasticsearch_url=elasticsearch_url)
    ensure_topics(settings, TOPICS)
    client = make_client(settings)
    try:
        ensure_indices(client, settings)
    finally:
        client.close()


def start_stack(*, workers: int | None, detach: bool) -> Stack:
    """Start everything. An error ends the command with a sentence."""
    require_embedded("Starting Kafka and Elasticsearch on this machine")
    from services.common.topics import TopicMismatchError
    from services.embedded import stack
    from services.embedded.errors import StackError
    from services.embedded.settings import EmbeddedSettings
    from services.producer.settings import ProducerSettings

    settings, producer = EmbeddedSettings(), ProducerSettings()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        return stack.up(
            settings,
            ConsoleReporter(),
            lambda started: prepare_servers(started.kafka_bootstrap, started.elasticsearch_url),
            max_message_bytes=producer.max_request_bytes,
            services=stack.service_names(workers or settings.workers),
            detach=detach,
            ingest_port=producer.ingest_port,
        )
    except stack.AlreadyRunningError as error:
        err.print(str(error), soft_wrap=True)
        raise typer.Exit(0 if error.is_whole else 4) from error
    except (StackError, TopicMismatchError) as error:
        fail(str(error))


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything is ready, and keep it running.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", min=1, max=64, help="Worker processes (default: DRAGOMAN_WORKERS or 2)."),
    ] = None,
) -> None:
    """Start Kafka, Elasticsearch and every service on this machine, and keep them running.

    Examples: `dragoman up` shows what happens until Ctrl-C; `dragoman up --detach --workers 4` returns when ready.
    """
    started = start_stack(workers=workers, detach=detach)
    out.print(f"Kafka          {started.kafka_bootstrap}\nElasticsearch  {started.elasticsearch_url}")
    for name, port in started.metrics_ports.items():
        out.print(f"{name:<14} http://127.0.0.1:{port}/metrics")
    out.print(f"push           {started.ingest_url}")
    if not detach:
        err.print("Ready. Ctrl-C stops everything.", style="bold")
        _follow()


def _follow() -> None:
    """Show every change of a process until Ctrl-C or SIGTERM. Then stop everything."""
    from services.common.settings import default_home
    from services.embedded.supervisor import Supervisor

    supervisor = Supervisor(default_home())
    last: dict[str, tuple[str, int | None]] = {}
    try:
        while supervisor.is_running():
            for state in supervisor.states():
                now = (state.state, state.pid)
                if state.name in last and last[state.name] != now:
                    err.print(f"{time.strftime('%H:%M:%S')} {state.name}: {state.state} ({state.description})")
                last[state.name] = now
            time.sleep(0.5)
        fail("The supervisor ended by itself. Everything that it ran was stopped.")
    except KeyboardInterrupt:
        err.print("Stopping …")
        supervisor.stop()


def down() -> None:
    """Stop everything that `dragoman up` started, and nothing else."""
    require_embedded("Stopping the stack")
    from services.common.settings import default_home
    from services.embedded.stack import down as stop_stack

    names = stop_stack(default_home())
    out.print(f"Stopped {', '.join(names)}." if names else "Nothing was running.")


def setup() -> None:
    """Create topics, index templates and aliases on the configured Kafka and Elasticsearch. This is safe to repeat."""
    from services.common.settings import ElasticsearchSettings
    from services.common.topics import TopicMismatchError

    settings = ElasticsearchSettings()
    try:
        with answering(settings):
            prepare_servers(settings.kafka_bootstrap, settings.elasticsearch_url)
    except TopicMismatchError as error:
        fail(str(error))
    out.print("Topics, templates and aliases exist.")


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


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check for every article of the ledger that it is indexed with its content, or is a dead letter.

    The exit code is 0 if nothing is missing, and 4 if something is missing or different.
    """
    from services.common.settings import ElasticsearchSettings
    from services.producer.ledger.store import Store
    from services.producer.settings import ProducerSettings
    from services.status.verification import verify_ledger

    settings, store_file = ElasticsearchSettings(), ProducerSettings().store_file
    if not store_file.is_file():
        fail(f"There is no ledger in {store_file}: nothing was sent from this home.", code=2)
    store = Store(store_file)
    try:
        with answering(settings):
            found = verify_ledger(settings, store.latest())
    finally:
        store.close()
    if as_json:
        print_json(found.to_dict())
    else:
        out.print(
            f"{found.articles:,} articles in the ledger: {found.indexed:,} indexed, {found.dead:,} dead, "
            f"{len(found.missing):,} missing, {len(found.different):,} with other content."
        )
        for article_id in [*found.missing, *found.different][:20]:
            out.print(f"  {article_id}")
    if found.missing or found.different:
        raise typer.Exit(4)
