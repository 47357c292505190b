"""Poison becomes dead letters that can be listed, shown, sent again and dropped; good articles pass."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.common.producer import SafeProducer
from services.common.settings import Settings
from tests.conftest import Stack
from tests.unit.common.test_messages import POISON

SettingsOf = Callable[..., Any]


def letters(stack: Stack, *filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.json("dead", "list", *filters)
    return found


def wait_for(stack: Stack, count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 60
    while len(found := letters(stack)) < count and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def poisoned(stack: Stack) -> list[dict[str, Any]]:
    """Every kind of poison on articles.raw, with a key, and one without."""
    status = stack.json("status")
    settings = Settings(home=stack.home, kafka_bootstrap=status["kafka_bootstrap"])
    with SafeProducer(settings) as producer:
        for value in POISON.values():
            producer.send("articles.raw", b"poison", value)
        producer.send("articles.raw", None, b"no key")
        producer.flush()
    return wait_for(stack, len(POISON) + 1)


def test_each_message_is_one_letter_with_its_place_and_reason(poisoned: list[dict[str, Any]]) -> None:
    assert len(poisoned) == len(POISON) + 1
    assert len({letter["letter_id"] for letter in poisoned}) == len(poisoned)
    assert all(letter["error"] and letter["service"] == "worker" for letter in poisoned)
    assert sum(letter["original_value"] is None for letter in poisoned) == 1
    assert sum(letter["original_key"] is None for letter in poisoned) == 1


@pytest.mark.usefixtures("poisoned")
def test_good_articles_pass_between_them(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "between").mkdir()
    (tmp_path / "between" / "a.txt").write_text("The council met on Monday in the town hall of Ghent.")
    assert "1 searchable, 0 dead" in stack.run("replay", str(tmp_path / "between"), "--wait").stdout


def test_one_letter_is_shown_whole(stack: Stack, poisoned: list[dict[str, Any]]) -> None:
    wanted = poisoned[0]
    shown = stack.json("dead", "show", wanted["letter_id"])
    assert shown == wanted
    assert wanted["letter_id"] in stack.run("dead", "show", wanted["letter_id"]).stdout


def test_filters_and_dry_runs_change_nothing(stack: Stack, poisoned: list[dict[str, Any]]) -> None:
    assert letters(stack, "--service", "indexer") == []
    assert len(letters(stack, "--error-class", "invalid_message")) == len(poisoned)
    would = stack.json("dead", "drop", "--service", "worker", "--dry-run")
    assert len(would["letters"]) == len(poisoned)
    assert len(letters(stack)) == len(poisoned)


def test_a_replayed_letter_that_fails_again_counts_its_attempts(stack: Stack, poisoned: list[dict[str, Any]]) -> None:
    chosen = poisoned[-1]["letter_id"]
    assert stack.json("dead", "replay", chosen)["letters"] == [chosen]
    found = wait_for(stack, len(poisoned))
    again = [letter for letter in found if letter["attempts"] == 2]
    assert chosen not in {letter["letter_id"] for letter in found}
    assert len(again) == 1
    assert again[0]["original_value"] == poisoned[-1]["original_value"]


def test_dropped_letters_are_gone(stack: Stack, poisoned: list[dict[str, Any]]) -> None:
    stack.run("dead", "drop", poisoned[0]["letter_id"])
    assert poisoned[0]["letter_id"] not in {letter["letter_id"] for letter in letters(stack)}
    stack.run("dead", "drop", "--all")
    assert letters(stack) == []
    assert stack.run("dead", "drop", "nowhere/0/0", check=False).returncode == 2


def test_a_file_too_large_is_in_quarantine_and_in_the_letters(stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "large.txt").write_text("word " * 1_700_000)
    (folder / "good.txt").write_text("A short article about the harbour of Bergen.")
    result = stack.run("replay", str(folder), "--wait", check=False)
    assert result.returncode == 1
    assert "large.txt has 8,500,000 bytes" in result.stderr
    assert "1 searchable" in result.stdout
    (letter,) = letters(stack, "--service", "producer")
    assert Path(letter["quarantine_path"]).stat().st_size == 8_500_000
    replay = stack.run("dead", "replay", "--service", "producer")
    assert "quarantine" in replay.stderr
    stack.run("dead", "drop", "--all")


def test_an_article_as_large_as_allowed_arrives(stack: Stack, tmp_path: Path) -> None:
    """One million bytes go through producer, stages, dedup, bulk and search."""
    path = tmp_path / "limit.jsonl"
    sentence = "The harbour of Bergen was closed on Monday for repairs to the northern quay. "
    path.write_text(json.dumps({"guid": "limit", "content": sentence * (1_040_000 // len(sentence))}) + "\n")
    assert "1 searchable, 0 dead" in stack.run("replay", str(path), "--wait").stdout


def test_a_message_on_the_topic_that_is_no_letter_can_be_seen_and_dropped(
    stack: Stack, settings_of: SettingsOf
) -> None:
    with SafeProducer(settings_of(Settings)) as producer:
        producer.send("articles.dead", b"foreign/1", b"hello")
        producer.flush()
    (letter,) = letters(stack)
    assert (letter["letter_id"], letter["stage"]) == ("foreign/1", "unreadable letter")
    assert stack.json("status")["books"]["balanced"]
    stack.run("dead", "drop", "foreign/1")
    assert letters(stack) == []


def test_an_article_that_grows_too_large_is_a_letter_and_the_next_one_passes(stack: Stack, tmp_path: Path) -> None:
    """Very many lines that the normalizer removes: each costs a record of its own."""
    path = tmp_path / "grows.jsonl"
    table = "\n".join("12 x" for _ in range(120_000))
    lines = [{"guid": "table", "content": table}, {"guid": "next", "content": "The harbour of Ghent opened on Monday."}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "1 searchable, 1 dead" in stack.run("replay", str(path), "--wait").stdout
    (letter,) = letters(stack)
    assert letter["error_class"] == "too_large"
    assert stack.json("status")["books"]["balanced"]
