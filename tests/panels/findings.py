"""What panels and rules returned, what of it is wrong, and the tables of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.panels.configuration import PREFIX, SHORT_PREFIX
from tests.panels.expressions import Query, Rule, read_expression
from tests.panels.server import Series

SHOWN_SERIES = 4
DEAD_LETTERS = "Dead letters"
MUST_RISE = frozenset(
    {DEAD_LETTERS, "Dead letters, by stage and class", "Infrastructure retries", "Failing feeds", "Silent feeds"}
)
"""Panels that must not show 0 in trouble."""
MUST_FIRE = frozenset(
    {
        "DragomanDeadLetters",
        "DragomanInfrastructureUnavailable",
        "DragomanFeedFailing",
        "DragomanFeedSilent",
    }
)
"""Alerts that must fire in trouble."""
ONLY_IN_TROUBLE = frozenset({"dragoman_feed_error_streak", "dragoman_feed_silent_seconds"})
"""Metrics that have a series for each feed in trouble, and none otherwise."""


class Verdict(StrEnum):
    """What a panel shows."""

    VALUE = "value"
    ZERO = "zero"
    NO_ROWS = "no rows"
    NO_DATA = "NO DATA"


@dataclass(frozen=True, slots=True)
class Shown:
    """What one query of a panel returned in one phase, and the expression that was asked."""

    query: Query
    asked: str
    series: tuple[Series, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether there are values, and whether one of them is not 0."""
        values = [value for one in self.series for value in one.values]
        if not values:
            return Verdict.NO_ROWS if self.query.may_be_empty else Verdict.NO_DATA
        return Verdict.VALUE if any(values) else Verdict.ZERO

    @property
    def top(self) -> float:
        """The largest value of all series."""
        return max((value for one in self.series for value in one.values), default=0.0)


@dataclass(frozen=True, slots=True)
class Judged:
    """What one rule returned in one phase. `blind` are selectors in it that no series fits."""

    rule: Rule
    series: tuple[Series, ...]
    state: str
    unknown: tuple[str, ...]
    blind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """Everything that was asked at the end of a phase. `pending` are alerts that were pending or firing in it."""

    name: str
    shown: tuple[Shown, ...]
    judged: tuple[Judged, ...]
    alerts: Mapping[str, str]
    errors: Mapping[str, str]


def find_wrong(healthy: Phase, trouble: Phase, poison: int, late: Sequence[tuple[str, int]] = ()) -> list[str]:
    """A sentence for each thing that is wrong. It names the panel or the rule, and the expression."""
    wrong = [_sentence(phase, shown, "has no data") for phase in (healthy, trouble) for shown in _without_data(phase)]
    for shown in trouble.shown:
        if shown.query.panel in MUST_RISE and shown.verdict in (Verdict.ZERO, Verdict.NO_ROWS):
            wrong.append(_sentence(trouble, shown, f"shows {shown.verdict}"))
        elif shown.query.panel == DEAD_LETTERS and round(shown.top) < poison:
            wrong.append(_sentence(trouble, shown, f"shows {shown.top:.3g} dead letters of {poison}"))
    wrong += [f"{name} begins at {value}, so `increase` and `rate` miss as many" for name, value in late]
    wrong += [f"healthy: the alert {name} was {state}" for name, state in sorted(healthy.alerts.items())]
    wrong += [f"trouble: the alert {name} did not fire" for name in sorted(MUST_FIRE - _firing(trouble))]
    for phase in (healthy, trouble):
        wrong += [f"{phase.name}: the rule {name} failed: {error}" for name, error in phase.errors.items()]
        for judged in phase.judged:
            what = f"{phase.name}: the rule {judged.rule.name}"
            wrong += [f"{what} asks for {name}, which no process has: {_flat(judged)}" for name in judged.unknown]
            wrong += [
                f"{what} sees no series of {text}: {_flat(judged)}"
                for text in judged.blind
                if not (phase is healthy and _metric(text) in ONLY_IN_TROUBLE)
                and not _metric(text).startswith(RECORDED)
            ]
    return list(dict.fromkeys(wrong))


RECORDED = (PREFIX, SHORT_PREFIX)
"""Metrics that rules record may be absent: they say so by that."""


def _metric(selector: str) -> str:
    return selector.partition("{")[0]


def _without_data(phase: Phase) -> Iterable[Shown]:
    return (shown for shown in phase.shown if shown.verdict is Verdict.NO_DATA)


def _firing(phase: Phase) -> set[str]:
    return {name for name, state in phase.alerts.items() if state == "firing"}


def _sentence(phase: Phase, shown: Shown, what: str) -> str:
    return f"{phase.name}: panel “{shown.query.panel}” {shown.query.reference} {what}: {shown.asked}"


def _flat(judged: Judged) -> str:
    return flatten(judged.rule.expression)


def flatten(expression: str) -> str:
    """The expression on one line."""
    return " ".join(expression.split())


def blind_selectors(expression: str, has_series: Mapping[str, bool]) -> tuple[str, ...]:
    """The selectors of an expression that no series fits."""
    return tuple(text for text in read_expression(expression).texts if not has_series[text])


# --- tables -----------------------------------------------------------------------------------------------------------


def make_report(phases: Sequence[Phase], wrong: Sequence[str], head: str, unused: Sequence[str] = ()) -> str:
    """The Markdown page. `unused` are metrics that no panel and no rule asks for."""
    parts = [head, "## What is wrong", "\n".join(f"- {_code_last(one)}" for one in wrong) or "Nothing."]
    if unused:
        parts.append(f"No panel and no rule asks for {', '.join(f'`{name}`' for name in unused)}.")
    for phase in phases:
        parts += [f"## Panels, {phase.name}", _panel_table(phase), f"## Rules, {phase.name}", _rule_table(phase)]
    return "\n\n".join(parts) + "\n"


def _code_last(sentence: str) -> str:
    """The sentence with the expression after its last colon and space as code."""
    text, colon, expression = sentence.partition(": ")
    more, second, rest = expression.partition(": ")
    return f"{text}{colon}{more}: `{rest}`" if second else sentence


def _panel_table(phase: Phase) -> str:
    rows = [
        (
            shown.query.dashboard,
            f"{shown.query.panel} {shown.query.reference}",
            f"`{flatten(shown.asked)}`",
            str(len(shown.series)),
            describe(shown.series),
            shown.verdict.value,
        )
        for shown in phase.shown
    ]
    return _table(("dashboard", "panel", "expression", "series", "values", "verdict"), rows)


def _rule_table(phase: Phase) -> str:
    rows = [
        (
            judged.rule.name,
            f"`{flatten(judged.rule.expression)}`",
            str(len(judged.series)),
            describe(judged.series),
            ", ".join(f"`{text}`" for text in (*judged.unknown, *judged.blind)) or "–",
            judged.state,
        )
        for judged in phase.judged
    ]
    return _table(("rule", "expression", "series", "values", "sees no series of", "state"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def describe(series: Sequence[Series]) -> str:
    """The first series with their last values, and the largest one where it differs."""
    shown = [_describe(one) for one in series[:SHOWN_SERIES]]
    left = len(series) - len(shown)
    return "; ".join(shown + ([f"{left} more"] if left else [])) or "–"


def _describe(series: Series) -> str:
    names = [value for label, value in sorted(series.labels.items()) if label not in {"__name__", "job"}]
    if not series.values:
        return " ".join([*names, "no number"])
    last, top = f"{series.values[-1]:.3g}", f"{max(series.values):.3g}"
    return " ".join([*names, last if last == top else f"{last} (at most {top})"])
