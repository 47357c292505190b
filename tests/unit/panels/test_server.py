"""What the answers of Prometheus are read as."""

from __future__ import annotations

from typing import Any

import pytest

from tests.panels.__main__ import find_unused
from tests.panels.expressions import Query, Rule
from tests.panels.server import Prometheus, PrometheusError, Series


class Answering(Prometheus):
    """Answers every question with the same data, as the API does."""

    __slots__ = ("data",)
    data: Any

    def ask(self, path: str, **parameters: str | float) -> Any:  # noqa: ARG002 - one answer for all
        return self.data


def answering(data: Any) -> Prometheus:
    made = Answering("http://nowhere")
    object.__setattr__(made, "data", data)
    return made


def result(kind: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"resultType": kind, "result": list(rows)}


def test_values_that_are_no_numbers_are_left_out() -> None:
    rows = [{"metric": {"a": "b"}, "values": [[1, "NaN"], [2, "1.5"], [3, "+Inf"]]}]
    assert answering(result("matrix", *rows)).between("x", 0, 3, 1) == [Series({"a": "b"}, (1.5,))]
    assert answering(result("vector", {"metric": {}, "value": [1, "NaN"]})).at("x", 1) == [Series({}, ())]
    assert answering({"resultType": "scalar", "result": [1, "2"]}).at("x", 1) == [Series({}, (2.0,))]


def test_a_counter_that_does_not_begin_at_0_is_late_by_that_in_all_processes() -> None:
    def counter(first: str, **labels: str) -> dict[str, Any]:
        known = {"__name__": "dragoman_a_total", "instance": "x:1", "job": "dragoman"}
        return {"metric": known | labels, "values": [[1, first], [2, "9"]]}

    rows = (counter("3", stage="s", error_class="e"), counter("0", stage="t"), counter("3", stage="s", error_class="e"))
    assert answering(result("matrix", *rows)).late_counters(60, 100) == [
        ('dragoman_a_total{error_class="e", stage="s"}', 6)
    ]


def test_only_processes_that_answered_a_scrape_count_as_scraped(monkeypatch: pytest.MonkeyPatch) -> None:
    def target(address: str, health: str) -> dict[str, Any]:
        return {"discoveredLabels": {"__address__": address}, "health": health}

    prometheus = answering({"activeTargets": [target("a:1", "up"), target("b:1", "unknown"), target("c:1", "down")]})
    prometheus.wait_until_scraped(["a:1"])
    monkeypatch.setattr("tests.panels.server.SCRAPED_SECONDS", 0)
    with pytest.raises(PrometheusError, match=r"not scraped within 0 seconds: b:1, c:1, d:1"):
        prometheus.wait_until_scraped(["a:1", "b:1", "c:1", "d:1"])


def test_the_worst_state_of_an_alert_counts() -> None:
    def alert(name: str, state: str) -> dict[str, Any]:
        return {"metric": {"alertname": name, "alertstate": state}, "value": [1, "4"]}

    rows = [alert("A", "firing"), alert("A", "pending"), alert("B", "pending")]
    for order in (rows, rows[::-1]):
        assert answering(result("vector", *order)).alerts(0, 60) == {"A": "firing", "B": "pending"}


def test_a_histogram_has_three_metrics() -> None:
    families = {"h": [{"type": "histogram"}], "c_total": [{"type": "counter"}]}
    assert set(answering(families).declared().items()) == {("h", "histogram"), ("c_total", "counter")}
    assert {"h_bucket", "h_sum", "h_count", "c_total"} <= answering(families).metrics()


@pytest.mark.parametrize("expression", ["rate(dragoman_h_bucket[$__rate_interval])", "dragoman_h_bucket"])
def test_our_metrics_that_nothing_asks_for_are_named(expression: str) -> None:
    declared = dict.fromkeys(("dragoman_h", "dragoman_g", "dragoman_n", "dragoman_n_created", "python_info"), "gauge")
    query = Query("Board", "Panel", "stat", "A", expression, is_instant=True)
    assert find_unused(declared, [query], [Rule("g", "R", "dragoman_g > 0", is_alert=True)]) == ["dragoman_n"]
