"""Starts and stops the producer: collector, ingest endpoint, outbox writer and metrics page."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

from aiohttp import web
from filelock import FileLock, Timeout
from prometheus_client import REGISTRY

from services.common.exits import EXIT_BUG, EXIT_TEMPORARY, EXIT_UNAVAILABLE, UnusableProcessError
from services.common.kafka import client_options
from services.common.logging import configure_logging, get_logger
from services.common.metrics import DEAD_LETTERS, OUTCOMES, RETRIES, begin_at_zero, serve_metrics
from services.common.quality import QualityCollector
from services.producer.feeds.collect import Collector
from services.producer.feeds.file import make_first_file
from services.producer.feeds.metrics import POLL_OUTCOMES, POLLS
from services.producer.feeds.poll import Poller
from services.producer.feeds.state import parse_states
from services.producer.fetch.client import Client, Failure
from services.producer.fetch.robots import Robots
from services.producer.ingest import Ingest, read_token
from services.producer.ledger.jobs import ItemOutcome
from services.producer.ledger.quarantine import LETTER_CLASSES
from services.producer.ledger.store import Store
from services.producer.ledger.sweep import KeptSweeper
from services.producer.ledger.writer import REPLAYED, SERVICE, SUPERSEDED, OutboxWriter
from services.producer.settings import ProducerSettings

RESOLVER_THREADS: Final = 32
"""Threads that resolve host names. One name that hangs must not delay the others."""
log = get_logger(__name__)


def main(settings: ProducerSettings | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code."""
    settings = settings or ProducerSettings()
    configure_logging(SERVICE, settings.instance, settings.log_level)
    REGISTRY.register(QualityCollector(settings.home))
    settings.home.mkdir(parents=True, exist_ok=True)
    make_first_file(settings)
    lock = FileLock(settings.store_file.with_suffix(".collecting"), timeout=0)
    try:
        client_options(settings)  # names a certificate that cannot be read before anything begins
        with lock:
            return asyncio.run(run(settings))
    except UnusableProcessError as error:
        log.error("the producer cannot start", reason=str(error))  # noqa: TRY400 - a traceback would not help
        return error.exit_code
    except Timeout:
        log.error("another collector works on this store", store=str(settings.store_file))  # noqa: TRY400 - a traceback would not help
        return EXIT_TEMPORARY


async def run(settings: ProducerSettings) -> int:
    """Run the service in an event loop until it is told to stop. Returns the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    begin_at_zero(OUTCOMES, ((SERVICE, outcome) for outcome in (*ItemOutcome, SUPERSEDED, REPLAYED)))
    begin_at_zero(POLLS, ((outcome,) for outcome in (*POLL_OUTCOMES, *Failure)))
    begin_at_zero(RETRIES, ((SERVICE, "kafka"),))
    begin_at_zero(DEAD_LETTERS, ((SERVICE, "source", error) for error in LETTER_CLASSES))
    with closing(Store.whole(settings.store_file)) as store, OutboxWriter(settings) as writer:
        states = parse_states(store.feed_states())
        async with Client(settings) as client:
            poller = Poller(
                settings, client, Robots(client, settings.user_agent), writer, store.seen, settings.feeds.parent
            )
            collector = Collector(settings, poller, writer, states)
            sweeper = KeptSweeper(settings, writer.drop_kept)
            try:
                runner = await serve_ingest(settings, writer)
            except OSError as error:
                log.error("the ingest port cannot be used", port=settings.ingest_port, error=str(error))  # noqa: TRY400 - a traceback would not help
                return EXIT_UNAVAILABLE
            server = serve_metrics(
                settings.metrics_host,
                settings.metrics_port,
                lambda: health(collector, writer),
                allowed_hosts=settings.allowed_hosts,
            )
            sweeper.start()
            try:
                await collector.run(stopping)
            except RuntimeError:
                log.exception("the producer ends; nothing is lost")
                os._exit(EXIT_BUG)
            finally:
                sweeper.stop()
                server.shutdown()
                await runner.cleanup()
    return 0


async def serve_ingest(settings: ProducerSettings, writer: OutboxWriter) -> web.AppRunner:
    """Serve POST /articles."""
    app = Ingest(settings, writer, read_token(settings)).make_app()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings.ingest_host, settings.ingest_port).start()
    return runner


def health(collector: Collector, writer: OutboxWriter) -> tuple[bool, dict[str, object]]:
    """The producer is healthy while the writer works. Feeds that fail do not make it unhealthy: metrics show them."""
    details: dict[str, object] = {
        "service": SERVICE,
        "feeds": len(collector.feeds),
        "outbox": writer.outbox,
        "feeds_file": "ok" if collector.file_error is None else str(collector.file_error)[:2000],
    }
    return writer.failed is None, details
