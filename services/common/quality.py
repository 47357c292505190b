"""Shows the last measured quality on the metrics page of a service. `dragoman eval --publish` writes the figures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

FILE = "quality.json"


def publish(home: Path, figures: dict[str, float]) -> Path:
    """Write the figures where the services of this home find them. Returns the file."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / FILE
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"measured_at": time.time(), "figures": figures}), encoding="utf8")
    part.replace(path)
    return path


class QualityCollector(Collector):
    """Reads the file at each scrape. Without the file it shows nothing."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield `dragoman_quality{figure=…}` and the time when it was measured."""
        try:
            content = json.loads(self._path.read_text(encoding="utf8"))
            figures, measured_at = dict(content["figures"]), float(content["measured_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        quality = GaugeMetricFamily("dragoman_quality", "A figure of `dragoman eval`.", labels=["figure"])
        for name, value in figures.items():
            quality.add_metric([name], float(value))
        yield quality
        yield GaugeMetricFamily(
            "dragoman_quality_measured_timestamp_seconds", "When the quality was measured.", value=measured_at
        )
