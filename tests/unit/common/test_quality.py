"""Published figures are gauges until the next ones come."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from services.common.quality import FILE, QualityCollector, publish


def page(home: Path) -> str:
    registry = CollectorRegistry()
    registry.register(QualityCollector(home))
    return generate_latest(registry).decode()


def test_nothing_is_shown_before_anything_was_published(tmp_path: Path) -> None:
    assert page(tmp_path) == ""


def test_the_last_figures_are_shown_by_name(tmp_path: Path) -> None:
    publish(tmp_path, {"links.precision": 0.5})
    publish(tmp_path, {"links.precision": 0.97})
    shown = page(tmp_path)
    assert 'dragoman_quality{figure="links.precision"} 0.97' in shown
    assert "dragoman_quality_measured_timestamp_seconds" in shown


def test_a_damaged_file_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    assert page(tmp_path) == ""
