"""Every outcome and every dead letter that the code can count is known to the metrics before its first event."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter

from schemas.dead_letter import ErrorClass
from services.common.metrics import begin_at_zero
from services.dedup import app as dedup
from services.dedup.grouping import GroupingOutcome
from services.indexer import app as indexer
from services.worker.app import known_letters
from services.worker.stages import STAGE_NAMES, stage_slice

SERVICES = Path(__file__).parents[3] / "services"
WORKER_STAGES = stage_slice((), vectors=True)


def test_a_series_that_begins_at_zero_is_exported() -> None:
    registry = CollectorRegistry()
    counter = Counter("things", "Things.", ["service", "outcome"], registry=registry)
    assert registry.get_sample_value("things_total", {"service": "a", "outcome": "b"}) is None
    begin_at_zero(counter, [("a", "b")])
    assert registry.get_sample_value("things_total", {"service": "a", "outcome": "b"}) == 0


def test_every_outcome_of_dedup_is_known() -> None:
    known = {outcome for _, outcome in dedup.known_outcomes()}
    assert known == {*GroupingOutcome, "dead"}


def test_every_outcome_of_the_indexer_is_known() -> None:
    known = set(indexer.known_outcomes())
    assert known == {
        (service, name) for service in ("indexer", "indexer_stories") for name in ("indexed", "unchanged", "dead")
    }


def test_every_stage_of_the_worker_is_known() -> None:
    known = set(known_letters(WORKER_STAGES))
    for stage in STAGE_NAMES:
        assert {("worker", stage, ErrorClass.STAGE_FAILED), ("worker", stage, ErrorClass.TOO_SLOW)} <= known


def rejections() -> list[tuple[str, str]]:
    """The stage and error class of each `RejectedMessage(…)` in the code that states both."""
    found = []
    for path in sorted(SERVICES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RejectedMessage":
                stage, error = node.args[0], node.args[1]
                if isinstance(stage, ast.Constant) and isinstance(error, ast.Attribute):
                    found.append((str(stage.value), ErrorClass[error.attr].value))
    return found


NOT_COUNTED = {("source", "invalid_message"), ("grouping", "invalid_message"), ("unreadable letter", "invalid_message")}
"""What the commands `enrich` and `group` tell, and what stands in for a letter that cannot be read."""


@pytest.mark.parametrize("rejection", sorted(set(rejections()) - NOT_COUNTED))
def test_every_rejection_in_the_code_is_known_to_a_service(rejection: tuple[str, str]) -> None:
    letters = {*known_letters(WORKER_STAGES), *dedup.KNOWN_LETTERS, *indexer.KNOWN_LETTERS}
    assert rejection in {(stage, str(error)) for _, stage, error in letters}


def test_the_registry_has_the_counters() -> None:
    names = {metric.name for metric in REGISTRY.collect()}
    assert {"dragoman_outcomes", "dragoman_dead_letters", "dragoman_infrastructure_retries"} <= names
