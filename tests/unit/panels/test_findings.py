"""What is wrong with panels and rules, and the tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.common.exits import EXIT_CONFIGURATION, UnusableProcessError
from tests.panels.__main__ import main
from tests.panels.expressions import Query, Rule
from tests.panels.findings import (
    DEAD_LETTERS,
    MUST_FIRE,
    Judged,
    Phase,
    Shown,
    Verdict,
    blind_selectors,
    describe,
    find_wrong,
    make_report,
)
from tests.panels.server import Series, require_programs

FIRING = dict.fromkeys(MUST_FIRE, "firing")


def shown(panel: str, *values: float, kind: str = "stat", expression: str = "sum(a)") -> Shown:
    series = (Series({"service": "x"}, values),) if values else ()
    return Shown(Query("Board", panel, kind, "A", expression, is_instant=True), expression, series)


def phase(name: str, *panels: Shown, judged: tuple[Judged, ...] = (), alerts: dict[str, str] | None = None) -> Phase:
    return Phase(name, panels, judged, FIRING if alerts is None and name == "trouble" else alerts or {}, {})


def judged(*, unknown: tuple[str, ...] = (), blind: tuple[str, ...] = ()) -> Judged:
    return Judged(Rule("g", "Alert", "a > 0\n and b", is_alert=True), (), "inactive", unknown, blind)


def test_a_verdict_is_about_values() -> None:
    assert shown("x", 0.0, 2.0).verdict is Verdict.VALUE
    assert shown("x", 0.0).verdict is Verdict.ZERO
    assert shown("x").verdict is Verdict.NO_DATA
    assert shown("x", kind="table").verdict is Verdict.NO_ROWS


def test_a_series_without_a_number_is_no_data() -> None:
    assert Shown(shown("x").query, "a", (Series({}, ()),)).verdict is Verdict.NO_DATA


def test_nothing_is_wrong_when_everything_has_data() -> None:
    healthy = phase("healthy", shown(DEAD_LETTERS, 0.0), shown("Failing feeds", kind="table"), judged=(judged(),))
    trouble = phase("trouble", shown(DEAD_LETTERS, 2.98), shown("Failing feeds", 8.0, kind="table"))
    assert find_wrong(healthy, trouble, 3) == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: (phase("healthy", shown("Lag", expression="max(b)")), phase("trouble")),
            "healthy: panel “Lag” A has no data: max(b)",
        ),
        (
            lambda: (phase("healthy"), phase("trouble", shown(DEAD_LETTERS, 0.0))),
            "trouble: panel “Dead letters” A shows zero: sum(a)",
        ),
        (
            lambda: (phase("healthy"), phase("trouble", shown(DEAD_LETTERS, 2.0))),
            "trouble: panel “Dead letters” A shows 2 dead letters of 3: sum(a)",
        ),
        (
            lambda: (phase("healthy"), phase("trouble", shown("Silent feeds", kind="table"))),
            "trouble: panel “Silent feeds” A shows no rows: sum(a)",
        ),
        (lambda: (phase("healthy", alerts={"X": "pending"}), phase("trouble")), "healthy: the alert X was pending"),
        (
            lambda: (phase("healthy"), phase("trouble", alerts=FIRING | {"DragomanFeedSilent": "pending"})),
            "trouble: the alert DragomanFeedSilent did not fire",
        ),
        (
            lambda: (phase("healthy", judged=(judged(unknown=("a",)),)), phase("trouble")),
            "healthy: the rule Alert asks for a, which no process has: a > 0 and b",
        ),
        (
            lambda: (phase("healthy", judged=(judged(blind=('a{b="c"}',)),)), phase("trouble")),
            'healthy: the rule Alert sees no series of a{b="c"}: a > 0 and b',
        ),
    ],
)
def test_a_finding_names_the_panel_or_rule_and_its_expression(
    make: Callable[[], tuple[Phase, Phase]], said: str
) -> None:
    assert find_wrong(*make(), 3) == [said]


def test_a_counter_that_begins_late_is_wrong() -> None:
    (said,) = find_wrong(phase("healthy"), phase("trouble"), 3, [('a_total{b="c"}', 3)])
    assert said == 'a_total{b="c"} begins at 3, so `increase` and `rate` miss as many'


def test_what_exists_only_in_trouble_may_be_absent_before() -> None:
    absent = judged(blind=('dragoman_feed_error_streak{failure="gone"}', "dragoman:most_feeds_fail"))
    assert find_wrong(phase("healthy", judged=(absent,)), phase("trouble"), 3) == []
    (said,) = find_wrong(phase("healthy"), phase("trouble", judged=(absent,)), 3)
    assert "dragoman_feed_error_streak" in said


def test_selectors_that_no_series_fits_are_found() -> None:
    assert blind_selectors('a{x="1"} unless b', {'a{x="1"}': True, "b": False}) == ("b",)


def test_the_table_keeps_its_columns_when_an_expression_has_a_bar() -> None:
    board = phase("healthy", shown("Lag", 1.0, 5.0, 0.0, expression='a{b=~"c|d"}'), judged=(judged(),))
    report = make_report([board], ["healthy: panel “Lag” A has no data: max(b)"], "# Head")
    assert '| Board | Lag A | `a{b=~"c\\|d"}` | 1 | x 0 (at most 5) | value |' in report
    assert "- healthy: panel “Lag” A has no data: `max(b)`" in report
    assert "| Alert | `a > 0 and b` | 0 | – | – | inactive |" in report


def test_many_series_are_cut() -> None:
    text = describe([Series({"service": str(number)}, (1.0,)) for number in range(6)])
    assert text == "0 1; 1 1; 2 1; 3 1; 2 more"


def test_without_prometheus_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnusableProcessError, match="apt-get install prometheus"):
        require_programs()
    assert main([]) == EXIT_CONFIGURATION
    assert "prometheus and promtool not found" in capsys.readouterr().err
