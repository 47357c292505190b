"""`dragoman up`, `down`, `setup`."""

from __future__ import annotations

import os
import shlex
import signal
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.output import err, fail, interrupt, out, progress
from services.cli.servers import answering, require_embedded

if TYPE_CHECKING:
    from services.embedded.artifacts import Artifact
    from services.embedded.state import Stack

OLD_INDICES = (
    "{names} were made by an earlier version. Nothing is lost and everything goes on: what is indexed from now on has "
    "the new fields, and older articles have them after `dragoman reindex --delete-old`."
)


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
    """Create topics, templates and indices, and say what is still of an earlier version."""
    from schemas.topics import TOPICS
    from services.common.elastic import make_client
    from services.common.topics import ensure_topics
    from services.indexer.indices import ensure_indices, old_indices
    from services.indexer.settings import IndexerSettings

    settings = IndexerSettings(kafka_bootstrap=kafka_bootstrap, elasticsearch_url=elasticsearch_url)
    ensure_topics(settings, TOPICS)
    client = make_client(settings)
    try:
        ensure_indices(client, settings)
        old = old_indices(client, settings)
    finally:
        client.close()
    if old:
        err.print(OLD_INDICES.format(names=" and ".join(old)), style="yellow", soft_wrap=True)


def leave_out_other_servers() -> None:
    """Forget settings that lead to other servers. `up` starts its own, and its services ask those."""
    from services.common.settings import ElasticsearchSettings, KafkaSettings
    from services.embedded.settings import EmbeddedSettings

    known = {*KafkaSettings.model_fields, *ElasticsearchSettings.model_fields} - {*EmbeddedSettings.model_fields}
    prefixes = ("kafka_", "elasticsearch_")
    names = {f"DRAGOMAN_{name.upper()}" for name in known if name.startswith(prefixes)}
    for name in sorted(os.environ.keys() & (names | {f"{name}_FILE" for name in names})):
        del os.environ[name]
        err.print(f"{name} is left out: `up` starts servers of its own.", style="yellow")


def start_stack(*, workers: int | None, detach: bool) -> Stack:
    """Start everything. An error ends the command with a sentence."""
    require_embedded("Starting Kafka and Elasticsearch on this machine")
    from services.common.topics import TopicMismatchError
    from services.embedded import stack
    from services.embedded.errors import StackError
    from services.embedded.settings import EmbeddedSettings
    from services.producer.settings import ProducerSettings

    leave_out_other_servers()
    settings, producer = EmbeddedSettings(), ProducerSettings()
    signal.signal(signal.SIGTERM, interrupt)

    def prepare_started(started: Stack) -> None:
        with answering(producer, "Nothing was left running."):
            prepare_servers(started.kafka_bootstrap, started.elasticsearch_url)

    try:
        return stack.up(
            settings,
            ConsoleReporter(),
            prepare_started,
            max_message_bytes=producer.max_request_bytes,
            services=stack.service_names(workers or settings.workers, archive=producer.archive is not None),
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
    from services.common.settings import HEADER_FILE, default_home

    started = start_stack(workers=workers, detach=detach)
    out.print(f"Kafka          {started.kafka_bootstrap}\nElasticsearch  {started.elasticsearch_url}")
    for name, port in started.metrics_ports.items():
        out.print(f"{name:<14} http://127.0.0.1:{port}/metrics")
    out.print(f"push           {started.ingest_url}")
    header = default_home() / HEADER_FILE
    ask = shlex.join(["curl", "--header", f"@{header}", f"{started.elasticsearch_url}/articles/_count"])
    out.print(f"ask            {ask}", soft_wrap=True)
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
