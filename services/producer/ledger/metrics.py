"""Metrics of the way onto Kafka."""

from __future__ import annotations

from prometheus_client import Gauge

OUTBOX = Gauge(
    "dragoman_outbox_messages", "Messages that are stored durably here and that Kafka has not confirmed yet."
)
KEPT = Gauge(
    "dragoman_kept_messages", "Sent messages of feeds, pushes and topics that are kept until they are indexed."
)
