"""Metrics of feeds."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

POLLS = Counter(
    "dragoman_feed_polls_total", "Polls by how they ended: changed, unchanged, or the failure.", ["outcome"]
)
FEEDS = Gauge("dragoman_feeds", "Feeds by state: ok, failing, silent, paused, new.", ["state"])
FAILING = Gauge("dragoman_feed_error_streak", "Failures in a row of each feed that fails.", ["feed", "failure"])
SILENT = Gauge(
    "dragoman_feed_silent_seconds", "Seconds since the last new entry of each feed that fell silent.", ["feed"]
)
FILE_VALID = Gauge("dragoman_feeds_file_valid", "0 while the feeds file has mistakes, and the feeds before them go on.")
OVERRUNS = Counter(
    "dragoman_feed_overruns_total", "Polls that found nearly everything new: entries may have been missed."
)
POLL_SECONDS = Histogram(
    "dragoman_feed_poll_seconds",
    "From a poll's start to its entries being durable, waiting for the host's turn included.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
LATE_SECONDS = Gauge("dragoman_feed_late_seconds", "How long the feed that is most overdue waits for its poll.")
