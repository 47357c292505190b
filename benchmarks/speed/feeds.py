"""Measures the collector on thousands of local feeds: polls and entries per second, CPU and memory, including Kafka.

`python -m benchmarks.speed.feeds server` serves the feeds. `measure` starts this server and the real service.

Every CHANGE_EVERY-th request for a feed brings a new entry. The other requests are answered with 304. The feeds are
spread over HOSTS loopback addresses, so that the limits per host apply, but with a spacing of zero.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.corpus import ROOT
from benchmarks.speed.measures import MIB, clean_environment
from benchmarks.speed.processes import Running
from schemas.topics import DEAD, RAW
from services.common.settings import ENDPOINTS_FILE
from services.common.topics import ensure_topics
from services.producer.settings import ProducerSettings

FEEDS = 2000
HOSTS = 100
ENTRIES = 20
CHANGE_EVERY = 5
NAMESPACE = "bench-feeds"
MEASURED_SECONDS = 30.0
PATIENCE_SECONDS = 300.0
SENTENCE = "The council of {town} agreed on Monday to build {homes} homes beside the river, report {number} says. "


def body(feed: int, newest: int) -> bytes:
    """RSS with ENTRIES entries up to the newest entry, about 700 characters each."""
    items = "".join(
        f'<item><guid isPermaLink="false">{feed}-{number}</guid><title>Report {number} of feed {feed}</title>'
        f"<link>http://example.org/{feed}/{number}</link><pubDate>Tue, 03 Jun 2025 09:39:21 GMT</pubDate>"
        f"<description>&lt;p&gt;{SENTENCE.format(town=feed, homes=number * 3, number=number) * 6}&lt;/p&gt;"
        "</description></item>"
        for number in range(newest, max(newest - ENTRIES, -1), -1)
    )
    head = f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Feed {feed}</title>'
    return f"{head}<language>en</language>{items}</channel></rss>".encode()


def make_app() -> web.Application:
    """The app that serves feeds by number. It has no `robots.txt`."""
    asked: Counter[int] = Counter()

    async def answer(request: web.Request) -> web.Response:
        feed = int(request.match_info["feed"])
        asked[feed] += 1
        newest = ENTRIES - 1 + asked[feed] // CHANGE_EVERY
        etag = f'"{newest}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        return web.Response(body=body(feed, newest), content_type="application/rss+xml", headers={"ETag": etag})

    app = web.Application()
    app.router.add_get("/{feed:\\d+}", answer)
    return app


def address(host: int) -> str:
    """A separate loopback address for each host."""
    return f"127.1.{host // 200}.{host % 200 + 1}"


async def serve() -> None:
    """Serve on every address, on one free port. The port is printed."""
    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    first = web.TCPSite(runner, address(0), 0)
    await first.start()
    port = runner.addresses[0][1]
    for host in range(1, HOSTS):
        await web.TCPSite(runner, address(host), port).start()
    print(port, flush=True)
    await asyncio.Event().wait()


def write_feeds(path: Path, port: int) -> None:
    """Write the feeds file. Feeds are polled as fast as possible."""
    feeds = "".join(
        f"  - id: feed-{feed}\n    url: http://{address(feed % HOSTS)}:{port}/{feed}\n    interval: 1s\n"
        for feed in range(FEEDS)
    )
    path.write_text(f"feeds:\n{feeds}", encoding="utf8")


def free_port() -> int:
    """A port of 127.0.0.1 that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_process(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run one of our Python modules. It is always ended afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**clean_environment(), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def read_counts(port: int) -> Counter[str]:
    """Polls and outcomes by name, and the size of the outbox, from the metrics of the service."""
    counts: Counter[str] = Counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in ("dragoman_feed_polls_total", "dragoman_outcomes_total"):
                kind = "polls" if sample.name == "dragoman_feed_polls_total" else "entries"
                counts[f"{kind} {sample.labels['outcome']}"] += int(sample.value)
                counts[kind] += int(sample.value)
            elif sample.name == "dragoman_outbox_messages":
                counts["outbox"] = int(sample.value)
    return counts


def measure(running: Running) -> dict[str, Any]:
    """Measure the first sweep over all feeds, where everything is new, and then the steady state."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-feeds-") as name:
        home = Path(name)
        shutil.copy(running.home / ENDPOINTS_FILE, home)
        settings = ProducerSettings(
            home=home, namespace=NAMESPACE, kafka_bootstrap=running.stack.kafka_bootstrap, feeds=home / "feeds.yaml"
        )
        ensure_topics(settings, (RAW, DEAD))
        with running_process("benchmarks.speed.feeds", "server") as server:
            port = server.stdout.readline() if server.stdout is not None else ""
            write_feeds(settings.feeds, int(port))
            return _measure(settings, free_port())


def _measure(settings: ProducerSettings, port: int) -> dict[str, Any]:
    environment = {
        "DRAGOMAN_HOME": str(settings.home),
        "DRAGOMAN_NAMESPACE": NAMESPACE,
        "DRAGOMAN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "DRAGOMAN_FEEDS": str(settings.feeds),
        "DRAGOMAN_ALLOW_NETWORKS": "127.0.0.0/8",
        "DRAGOMAN_HOST_SPACING_SECONDS": "0",
        "DRAGOMAN_METRICS_PORT": str(port),
    }
    started = time.perf_counter()
    with running_process("services.producer", **environment) as service:
        process = psutil.Process(service.pid)
        first = _wait(service, port)
        swept = time.perf_counter() - started
        before, cpu, at = read_counts(port), process.cpu_times(), time.perf_counter()
        peak = process.memory_info().rss
        while time.perf_counter() - at < MEASURED_SECONDS:
            time.sleep(0.5)
            peak = max(peak, process.memory_info().rss)
        counts, after, seconds = read_counts(port), process.cpu_times(), time.perf_counter() - at
        counts.subtract(before)
        polls = counts["polls"]
        return {
            "feeds": FEEDS,
            "hosts": HOSTS,
            "first_sweep_seconds": round(swept, 1),
            "first_sweep_entries_per_second": round(first["entries"] / swept, 1),
            "seconds": round(seconds, 1),
            "polls_per_second": round(polls / seconds, 1),
            "changed_share": round(counts["polls changed"] / max(1, polls), 3),
            "failed": polls - counts["polls changed"] - counts["polls unchanged"],
            "entries_per_second": round(counts["entries"] / seconds, 1),
            "articles_per_second": round((counts["entries new"] + counts["entries revised"]) / seconds, 1),
            "cores": round((after.user + after.system - cpu.user - cpu.system) / seconds, 2),
            "peak_mib": round(peak / MIB, 1),
            "outbox": read_counts(port)["outbox"],
        }


def _wait(service: subprocess.Popen[str], port: int) -> Counter[str]:
    """Wait until every feed was polled and all entries are durable."""
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while True:
        try:
            counts = read_counts(port)
        except OSError:
            counts = Counter()
        if counts["entries new"] >= FEEDS * ENTRIES:
            return counts
        if service.poll() is not None:
            raise RuntimeError(f"the producer ended with {service.returncode}")
        if time.perf_counter() > deadline:
            raise RuntimeError(f"the first sweep did not end in {PATIENCE_SECONDS:.0f} s: {dict(counts)}")
        time.sleep(0.25)


if __name__ == "__main__":
    if sys.argv[1:] != ["server"]:
        raise SystemExit(__doc__)
    asyncio.run(serve())
