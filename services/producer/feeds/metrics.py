"""Metrics of feeds."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

POLLS = Counter(
    "dragoman_feed_polls_total", "Polls by outcome: changed, unchanged, or the kind of failure.", ["outcome"]
)
CHANGED, UNCHANGED = POLL_OUTCOMES = ("changed", "unchanged")
"""The outcomes of a poll that did not fail."""
FEEDS = Gauge("dragoman_feeds", "Feeds by state: ok, failing, silent, paused, new.", ["state"])
FAILING = Gauge("dragoman_feed_error_streak", "Consecutive failures of each failing feed.", ["feed", "failure"])
SILENT = Gauge("dragoman_feed_silent_seconds", "Seconds since the last new entry of each silent feed.", ["feed"])
FILE_VALID = Gauge(
    "dragoman_feeds_file_valid", "0 while the feeds file has errors and the feeds of the last valid file continue."
)
OVERRUNS = Counter(
    "dragoman_feed_overruns_total", "Polls in which nearly all entries were new. Other entries may have been missed."
)
POLL_SECONDS = Histogram(
    "dragoman_feed_poll_seconds",
    "Seconds from the start of a poll until its entries are durable, including the wait for the host.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
PAUSED = Gauge("dragoman_polls_paused", "1 while no feed is polled, because the outbox is full.")
LATE_SECONDS = Gauge("dragoman_feed_late_seconds", "Seconds by which the most overdue feed is late.")
