"""Reads the expressions of dashboards and rules, and what a PromQL expression names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
WORD = re.compile(r"(?<![\w.:$])[a-zA-Z_:][\w:]*")
KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset"})
VARIABLE = re.compile(r"\$\w+|\$\{[^}]*\}|\[\[\w+\]\]")
TABLE = "table"


@dataclass(frozen=True, slots=True)
class Expression:
    """What a PromQL expression names: each selector's metric and matchers, and the labels of groupings.

    `texts` are the selectors as they are written, once each.
    """

    selectors: tuple[tuple[str, dict[str, str]], ...]
    grouping: frozenset[str]
    texts: tuple[str, ...]

    @property
    def metrics(self) -> set[str]:
        """The metrics, once each."""
        return {metric for metric, _ in self.selectors}


def read_expression(text: str) -> Expression:
    """Read a PromQL expression: every word that is no keyword, function, label or duration is a metric."""
    if not all(text.count(left) == text.count(right) for left, right in ("()", "{}", "[]")):
        raise ValueError(f"brackets do not match: {text}")
    selectors: list[tuple[str, dict[str, str]]] = []
    texts: list[str] = []
    for name, body in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", text):
        matchers = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', body)
        selectors.append((name, dict(matchers)))
        texts.append(f"{name}{{{body}}}")
    bare = re.sub(r"[a-zA-Z_:][\w:]*\{[^}]*\}|\[[^\]]*\]", " ", STRING.sub('""', text))
    clause = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
    grouping = {label.strip() for labels in clause.findall(bare) for label in labels.split(",") if label.strip()}
    bare = clause.sub(" ", bare)
    bare = re.sub(r"\boffset\s+\w+", " ", bare)
    words = [word.group() for word in WORD.finditer(bare) if not bare[word.end() :].lstrip().startswith("(")]
    named = [word for word in words if word not in KEYWORDS]
    selectors += [(word, {}) for word in named]
    return Expression(tuple(selectors), frozenset(grouping), tuple(dict.fromkeys(texts + named)))


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel. `is_instant` asks for one moment, otherwise for a range of time."""

    dashboard: str
    panel: str
    kind: str
    reference: str
    expression: str
    is_instant: bool

    @property
    def may_be_empty(self) -> bool:
        """Whether it is a list, which has no rows when there is nothing to list."""
        return self.kind == TABLE


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: an alert, or a recording with its labels."""

    group: str
    name: str
    expression: str
    is_alert: bool

    @property
    def is_recording(self) -> bool:
        """Whether the rule makes a metric."""
        return not self.is_alert


def read_queries(folder: Path) -> list[Query]:
    """Every query of every panel of every dashboard, also of panels in closed rows."""
    found = []
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf8"))
        found += [query for panel in dashboard["panels"] for query in _queries_of(dashboard["title"], panel)]
    return found


def _queries_of(dashboard: str, panel: dict[str, Any]) -> Iterable[Query]:
    for inner in panel.get("panels", []):
        yield from _queries_of(dashboard, inner)
    for target in panel.get("targets", []):
        instant = bool(target.get("instant")) and not target.get("range")
        yield Query(dashboard, panel["title"], panel["type"], target["refId"], target["expr"], instant)


def read_rules(path: Path) -> list[Rule]:
    """Every rule of a file of rules, in its order."""
    loaded = yaml.safe_load(path.read_text(encoding="utf8"))
    return [
        Rule(group["name"], rule.get("alert") or rule["record"], rule["expr"], "alert" in rule)
        for group in loaded["groups"]
        for rule in group["rules"]
    ]


def fill(expression: str, variables: dict[str, str]) -> str:
    """Replace the variables of Grafana. ValueError when one is not known."""
    for name, value in variables.items():
        expression = re.sub(rf"\$(?:{name}\b|\{{{name}\}})", value, expression)
    if left := VARIABLE.search(STRING.sub('""', expression)):
        raise ValueError(f"no value for {left.group()} in {expression}")
    return expression
