"""The classes of faults and the report of a campaign."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chaos import faults as _all_classes  # noqa: F401 - importing them registers them
from tests.chaos.__main__ import choose, exit_code, parse
from tests.chaos.campaign import Limits
from tests.chaos.registry import FAULTS, fault
from tests.chaos.report import append, is_good, make_table, read_rounds, to_line, to_markdown
from tests.chaos.rounds import Result, Round, Verdict, verdict_of
from tests.chaos.selftest import SELF_TESTS, is_exact
from tests.chaos.verdict import Findings

NOW = datetime(2023, 6, 1, 12, tzinfo=UTC)


def test_a_class_is_registered_once_and_with_a_docstring() -> None:
    def no_docstring(run: Round) -> None:
        run.wait(0)

    def baseline(run: Round) -> None:
        """Say something."""
        run.wait(0)

    for act in (no_docstring, baseline):
        with pytest.raises(ValueError, match="is registered twice, or has no docstring"):
            fault()(act)


def test_long_classes_run_only_by_name() -> None:
    assert FAULTS["elasticsearch_down_600"] not in choose([], short=False)
    assert choose(["elasticsearch_down_600"], short=False) == [FAULTS["elasticsearch_down_600"]]


def test_the_short_campaign_has_a_few_quick_classes() -> None:
    chosen = choose([], short=True)
    assert 3 <= len(chosen) <= 8
    assert not any(item.by_name for item in chosen)


def test_no_round_starts_that_would_probably_end_too_late() -> None:
    limits = Limits(ends_by=200, longest=60)
    assert limits.allow(140)
    assert not limits.allow(141)
    limits.note(90)
    limits.note(10)
    assert not limits.allow(111)
    assert not Limits(starts_until=100).allow(101)


def test_the_self_tests_after_the_rounds_have_their_time() -> None:
    limits = Limits(ends_by=200, longest=50, after=1.2)
    assert limits.allow(90)
    assert not limits.allow(91)


def test_a_slow_machine_runs_one_round_all_the_same() -> None:
    limits = Limits(ends_by=100, longest=60, at_least=1)
    assert limits.allow(99)
    limits.note(10)
    assert not limits.allow(99)


def test_a_campaign_without_a_round_is_not_good() -> None:
    found = Result("self-test: lossy worker", 1, Verdict.FOUND)
    assert exit_code([found, Result("x", 1)]) == 0
    assert exit_code([found, Result("x", 1, Verdict.ERROR)]) == 1
    assert exit_code([found]) == exit_code([]) == 1
    assert exit_code([Result("self-test: lossy worker", 1, Verdict.ERROR), Result("x", 1)]) == 2


def test_the_oracle_must_find_what_the_liars_did_and_nothing_else() -> None:
    lossy, doubling, _ = SELF_TESTS
    done = {"a", "b", "c"}
    assert is_exact(lossy, [lossy], done, Findings(lost=done))
    assert not is_exact(lossy, [lossy], done, Findings(lost=done | {"d"}))
    assert not is_exact(lossy, [lossy], {"a"}, Findings(lost={"a"}))
    both = Findings(lost=done, doubled=Counter({"x": 3}))
    assert not is_exact(lossy, [lossy], done, both)
    assert is_exact(lossy, [lossy, doubling], done, both)
    assert is_exact(doubling, [lossy, doubling], done, both)


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(SystemExit):
        parse(["--classes", "no_such_class"])


def test_a_loss_is_worse_than_a_need_for_a_person() -> None:
    assert verdict_of(Result("x", 1, lost=1, needs=["help"])) is Verdict.LOST
    assert verdict_of(Result("x", 1, needs=["help"])) is Verdict.PERSON
    assert verdict_of(Result("x", 1)) is Verdict.HELD


def test_only_rounds_that_held_or_were_skipped_are_good() -> None:
    assert is_good([Result("x", 1), Result("y", 1, Verdict.SKIPPED)])
    assert not is_good([Result("x", 1), Result("x", 2, Verdict.PERSON)])


def test_a_round_is_one_line_of_json() -> None:
    line = json.loads(to_line(Result("x", 7, messages=60, recovery_seconds=1.5), "abc", NOW))
    assert line | {"at": "2023-06-01T12:00:00+00:00", "commit": "abc", "class": "x", "seed": 7} == line
    assert (line["messages"], line["lost"], line["recovery_seconds"], line["verdict"]) == (60, 0, 1.5, "held")


def test_the_table_shows_the_worst_recovery_of_each_class() -> None:
    results = [
        Result("x", 1, messages=60, recovery_seconds=3),
        Result("x", 2, messages=60, recovery_seconds=9),
        Result("y", 1, Verdict.LOST, messages=60, lost=2),
    ]
    table = make_table(results)
    rows = list(zip(*(list(column.cells) for column in table.columns), strict=True))
    assert rows == [
        ("x", "2", "120", "0", "0", "0", "9", "held"),
        ("y", "1", "60", "2", "0", "0", "never", "lost"),
    ]


def test_a_line_holds_all_that_a_result_holds(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    result = Result("x", 7, Verdict.LOST, 60, 2, 1, 3, 4, 1.5, ["help"], {"restarts": {"kafka": 1}})
    append(path, to_line(result, "abc", NOW))
    assert list(read_rounds(path)) == [("abc", result)]


def test_the_table_of_a_file_has_the_rounds_on_the_last_commit_of_each_class(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    for commit, result in (
        ("old", Result("x", 1, Verdict.LOST, messages=60, lost=2)),
        ("new", Result("x", 1, messages=60, recovery_seconds=3)),
        ("new", Result("x", 2, messages=60, recovery_seconds=9)),
        ("old", Result("y", 1, Verdict.SKIPPED)),
    ):
        append(path, to_line(result, commit, NOW))
    append(path, '{"class": "x", "commit": "new", "se')
    assert to_markdown(read_rounds(path)).splitlines() == [
        "| commit | class | rounds | messages | lost | doubled | differing | worst recovery, s | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| new | x | 2 | 120 | 0 | 0 | 0 | 9 | held |",
        "| old | y | 1 | 0 | 0 | 0 | 0 | - | skipped |",
    ]
