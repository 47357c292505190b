"""The metrics that several services share, and the page that serves them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

from services.common.http_guard import refusal

OUTCOMES = Counter(
    "dragoman_outcomes_total", "Messages by outcome. Each message has exactly one outcome.", ["service", "outcome"]
)
DEAD_LETTERS = Counter(
    "dragoman_dead_letters_total", "Messages sent to the dead letters.", ["service", "stage", "error_class"]
)
STAGE_SECONDS = Histogram(
    "dragoman_stage_seconds",
    "Time one article takes in one stage.",
    ["service", "stage"],
    buckets=(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
LAG = Gauge("dragoman_lag_messages", "Messages not yet committed by the service's group.", ["service", "topic"])
LAG_AGE = Gauge(
    "dragoman_lag_age_seconds",
    "Age of the oldest message that is not yet committed; 0 without lag.",
    ["service", "topic"],
)
RETENTION = Gauge(
    "dragoman_retention_seconds", "Age at which Kafka removes messages of a topic; +Inf if it keeps them.", ["topic"]
)
PROGRESS = Gauge(
    "dragoman_last_progress_timestamp_seconds", "Unix time of the last commit or of being idle.", ["service"]
)
RETRIES = Counter(
    "dragoman_infrastructure_retries_total", "Retries because another system did not answer.", ["service", "target"]
)
HALTED = Gauge("dragoman_halted", "1 when the service stopped itself: too many dead letters.", ["service"])

Known = Iterable[tuple[str, ...]]
"""The values of the labels of each series that is known before its first event."""


def begin_at_zero(counter: Counter, known: Known) -> None:
    """Make series that stand at 0. `increase` does not see the first event of a series that begins with it."""
    for values in known:
        counter.labels(*values)


LATENCY_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600)

Health = Callable[[], tuple[bool, dict[str, object]]]
Page = Callable[[dict[str, str]], tuple[int, object]]
"""Takes the query of a request. Returns a status code and a value that is sent as JSON."""


def serve_metrics(
    host: str,
    port: int,
    health: Health,
    pages: Mapping[str, Page] | None = None,
    allowed_hosts: Collection[str] = (),
) -> ThreadingHTTPServer:
    """Serve `/metrics` and `/healthz` (200 when healthy, else 503) in a daemon thread.

    `pages` adds paths that answer with JSON. A browser gets them only for the user, not for the page of another site.
    The returned server knows its port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if (reason := refusal(self.headers, allowed_hosts)) is not None:  # type: ignore[arg-type]  # a Message
                self._answer(403, "text/plain", f"{reason}\n".encode())
            elif self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
            elif self.path == "/healthz":
                healthy, details = health()
                body = json.dumps({"healthy": healthy, **details}).encode()
                self._answer(200 if healthy else 503, "application/json", body)
            elif pages and (page := pages.get(urlsplit(self.path).path)):
                code, answer = page(dict(parse_qsl(urlsplit(self.path).query)))
                self._answer(code, "application/json", json.dumps(answer).encode())
            else:
                self._answer(404, "text/plain", f"{' or '.join(('/metrics', '/healthz', *(pages or ())))}\n".encode())

        def _answer(self, code: int, content_type: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing, because scrapes are normal operation."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
