"""The reader of dashboards, rules and PromQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.panels.expressions import fill, read_expression, read_queries, read_rules


def test_expressions_are_read_right() -> None:
    """The reader of expressions finds metrics, matchers and groupings, and takes nothing else for a metric."""
    read = read_expression(
        'histogram_quantile(0.95, sum by (le, stage) (rate(a_bucket{service="x", stage=~"y|z"}[5m]))) > 1e3 '
        "and on (job) time() - max(b offset 1h) > scalar(2 * c:d) or vector(0) unless e"
    )
    assert read.selectors[0] == ("a_bucket", {"service": "x", "stage": "y|z"})
    assert read.metrics == {"a_bucket", "b", "c:d", "e"}
    assert read.grouping == {"le", "stage", "job"}
    assert read.texts == ('a_bucket{service="x", stage=~"y|z"}', "b", "c:d", "e")


def test_a_selector_that_comes_twice_is_there_once() -> None:
    assert read_expression('a{b!="c"} / a{b!="c"} > a').texts == ('a{b!="c"}', "a")


def test_brackets_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="brackets"):
        read_expression("sum(a")


def test_variables_are_replaced_whole() -> None:
    variables = {"__range": "1h", "__rate_interval": "1m"}
    assert fill("rate(a[$__rate_interval]) / rate(a[${__range}])", variables) == "rate(a[1m]) / rate(a[1h])"
    assert fill('label_replace(a, "x", "$1", "y", "(.*)")', variables).count("$1") == 1
    with pytest.raises(ValueError, match=r"no value for \$__range_s in a\[\$__range_s\]"):
        fill("a[$__range_s]", variables)


def test_every_query_of_every_panel_is_read(tmp_path: Path) -> None:
    """Also those of panels in a closed row. A table may be empty."""
    target = {"refId": "A", "expr": "up", "range": True}
    panels = [
        {"type": "stat", "title": "Two", "targets": [target | {"instant": True, "range": False}, target]},
        {"type": "row", "title": "Row", "panels": [{"type": "table", "title": "Inner", "targets": [target]}]},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"title": "Board", "panels": panels}))
    found = read_queries(tmp_path)
    assert [(one.panel, one.is_instant, one.may_be_empty) for one in found] == [
        ("Two", True, False),
        ("Two", False, False),
        ("Inner", False, True),
    ]
    assert {one.dashboard for one in found} == {"Board"}


def test_rules_are_alerts_or_recordings(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text("groups: [{name: g, rules: [{record: 'a:b', expr: up}, {alert: C, expr: up == 0}]}]")
    assert [(one.group, one.name, one.is_alert, one.is_recording) for one in read_rules(path)] == [
        ("g", "a:b", False, True),
        ("g", "C", True, False),
    ]
