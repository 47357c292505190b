"""The configuration that is made for a Prometheus on this machine."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.panels.configuration import BOOKS, make_configuration, make_short_books, shorten
from tests.panels.expressions import read_rules
from tests.panels.server import DEPLOYED, PROGRAMS, RULE_TESTS, write_files

NAMES = ("producer", "worker-1", "worker-2", "dedup", "indexer")
ADDRESSES = {name: f"127.0.0.1:{9000 + number}" for number, name in enumerate(NAMES)}


def deployed(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOYED / name).read_text(encoding="utf8"))
    return loaded


def test_each_process_has_its_live_address_and_the_name_that_rules_select_by() -> None:
    made = make_configuration(deployed("prometheus.yml"), ADDRESSES, "127.0.0.1:1", ["a.yml"], "1s")
    jobs = {job["job_name"]: job["static_configs"] for job in made["scrape_configs"]}
    assert jobs["dragoman"] == [
        {"targets": [address], "labels": {"instance": f"{name}:9464"}} for name, address in ADDRESSES.items()
    ]
    assert jobs["prometheus"] == [{"targets": ["127.0.0.1:1"], "labels": {"instance": "127.0.0.1:9090"}}]
    assert made["rule_files"] == ["a.yml"]
    assert set(made["global"].values()) == {"1s"}


def test_a_target_without_a_process_is_refused() -> None:
    with pytest.raises(ValueError, match="scrapes dedup:9464"):
        make_configuration(deployed("prometheus.yml"), {"producer": "x", "worker-1": "y", "worker-2": "z"}, "", [], "")


def test_times_are_shorter_and_recordings_have_other_names() -> None:
    assert shorten("a[65m] + (b offset 1h) - dragoman:c > 3900") == "a[39s] + (b offset 36s) - short:c > 39"


def test_the_short_books_have_no_name_and_no_long_time_of_the_deployed_ones() -> None:
    (group,) = make_short_books(deployed("alerts.yml"))["groups"]
    text = yaml.safe_dump(group)
    assert group["name"] != BOOKS
    assert "dragoman:" not in text
    assert not any(long in text for long in ("1h]", "65m]", "offset 1h", "3900"))
    assert "> 39" in text
    assert all("record" in rule for rule in group["rules"])


def test_each_alert_has_a_test_that_sees_it_fire() -> None:
    tested = yaml.safe_load(RULE_TESTS.read_text(encoding="utf8"))["tests"]
    samples = [one for test in tested for asked in test["promql_expr_test"] for one in asked["exp_samples"]]
    fired = {name for one in samples for name in re.findall(r'alertname="(\w+)", alertstate="firing"', one["labels"])}
    assert fired == {rule.name for rule in read_rules(DEPLOYED / "alerts.yml") if rule.is_alert}


@pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason="Prometheus is not installed (make prometheus)")
def test_promtool_accepts_the_configuration_and_the_rules(tmp_path: Path) -> None:
    assert write_files(tmp_path, ADDRESSES, "127.0.0.1:1", "1s").is_file()
