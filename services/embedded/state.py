"""Reads what `up` wrote for later commands. It imports quickly, because `dragoman status` runs often."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from services.common.settings import STACK_FILE


@dataclass(frozen=True, slots=True)
class Stack:
    """The ports of the running stack. They are written to `stack.json` for later commands."""

    kafka_port: int
    controller_port: int
    elasticsearch_port: int
    transport_port: int
    metrics_ports: dict[str, int]
    ingest_port: int = 0

    @property
    def kafka_bootstrap(self) -> str:
        """Kafka's bootstrap server."""
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def ingest_url(self) -> str:
        """The URL for pushing articles."""
        return f"http://127.0.0.1:{self.ingest_port}/articles"

    @property
    def elasticsearch_url(self) -> str:
        """Elasticsearch's URL."""
        return f"http://127.0.0.1:{self.elasticsearch_port}"


def read_stack(home: Path) -> Stack | None:
    """What the last `up` in this home wrote, or None."""
    try:
        return Stack(**json.loads((home / STACK_FILE).read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError):
        return None
