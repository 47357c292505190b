"""Makes the configuration of a Prometheus that watches a stack on this machine, from the files in `deploy/`."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

BOOKS = "dragoman-books"
PREFIX, SHORT_PREFIX = "dragoman:", "short:"
SHORTER = 100
"""The rules of the books need a whole hour. Beside them, the same rules run with times that are shorter by this."""
UP_SECONDS = "> 3900"
"""In the books, the time for which every process must have been up: an hour and five minutes."""
SECONDS = {"s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(?<=\[)(\d+)([smh])(?=\])|(?<=offset )(\d+)([smh])\b")


def make_configuration(
    deployed: Mapping[str, Any], addresses: Mapping[str, str], own: str, rule_files: list[str], interval: str
) -> dict[str, Any]:
    """The deployed configuration with other addresses.

    Each target keeps the `instance` that it has in Docker, because rules select by it. `addresses` has the address of
    each process by its name. ValueError when a target is not among them. Optional processes, which Docker finds by
    their names, are left out.
    """
    made = copy.deepcopy(dict(deployed))
    made["global"] |= {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    made["rule_files"] = rule_files
    for job in made["scrape_configs"]:
        targets = [target for static in job["static_configs"] for target in static["targets"]]
        live = {target: own if job["job_name"] == "prometheus" else _address(target, addresses) for target in targets}
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [
            {"targets": [address], "labels": {"instance": target}} for target, address in live.items()
        ]
    return made


def _address(target: str, addresses: Mapping[str, str]) -> str:
    name = target.partition(":")[0]
    if name not in addresses:
        raise ValueError(f"prometheus.yml scrapes {target}, but the stack has no process of this name")
    return addresses[name]


def make_short_books(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The recordings of the books with an hour of 36 seconds, under names of their own.

    The alert is left out: what it tolerates follows from how seldom processes are scraped and lag is measured.
    """
    (group,) = [group for group in rules["groups"] if group["name"] == BOOKS]
    made = copy.deepcopy(group)
    made["name"] = f"short-{BOOKS}"
    made["rules"] = [rule for rule in made["rules"] if "record" in rule]
    for rule in made["rules"]:
        rule["expr"] = shorten(rule["expr"])
        rule["record"] = rule["record"].replace(PREFIX, SHORT_PREFIX)
    return {"groups": [made]}


def shorten(expression: str) -> str:
    """The expression with shorter times, which reads the shorter recordings."""

    def replace(match: re.Match[str]) -> str:
        return _shorter(*(part for part in match.groups() if part))

    short = DURATION.sub(replace, expression.replace(PREFIX, SHORT_PREFIX))
    return short.replace(UP_SECONDS, f"> {int(UP_SECONDS[2:]) // SHORTER}")


def _shorter(number: str, unit: str) -> str:
    return f"{int(number) * SECONDS[unit] // SHORTER}s"
