"""People correct stories, and ask why; a second grouping is built beside the first and agrees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from schemas.article import GroupedArticle
from services.common.kafka import client_options
from services.common.messages import decode
from services.common.settings import Settings
from tests.conftest import ROOT, Stack

REPORTS: dict[str, str] = json.loads((ROOT / "tests/unit/dedup/reports.json").read_text(encoding="utf8"))
GUIDS = ("fire 1", "fire 2", "rate", "match", "match 2")
SECONDS = 60


@pytest.fixture(scope="module")
def told(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Five reports of three events, replayed; the documents by guid."""
    path = tmp_path_factory.mktemp("stories") / "reports.jsonl"
    lines = [{"guid": f"e2e {guid}", "source_id": f"outlet {guid}", "content": REPORTS[guid]} for guid in GUIDS]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf8")
    stack.run("replay", str(path), "--wait")
    return articles(stack)


def articles(stack: Stack) -> dict[str, dict[str, Any]]:
    found = {}
    for guid in GUIDS:
        report = stack.json("explain", f"e2e {guid}")
        found[guid] = report
    return found


def test_reports_of_one_event_are_one_story_and_the_reason_is_told(stack: Stack, told: dict[str, Any]) -> None:
    assert told["fire 1"]["story_id"] == told["fire 2"]["story_id"]
    assert len({report["story_id"] for report in told.values()}) == 3
    (second,) = [guid for guid in ("fire 1", "fire 2") if not told[guid]["story_reason"]["opened"]]  # workers race
    text = stack.run("explain", f"e2e {second}").stdout
    assert "Joined story" in text
    assert "Marchbank" in text
    assert "names and entities" in text
    pair = stack.json("explain", "e2e fire 1", "e2e fire 2")
    assert pair["same_story"]
    assert pair["problem"] is None
    assert pair["compared"]["score"] == pytest.approx(sum(part["score"] for part in pair["compared"]["parts"]), abs=0.1)
    assert "They are in two different stories." in stack.run("explain", "e2e fire 1", "e2e rate").stdout


def test_a_merge_a_split_and_a_pin_show_in_the_index(stack: Stack, told: dict[str, Any], tmp_path: Path) -> None:
    merged = stack.json("stories", "merge", "e2e fire 1", "e2e rate", "--reason", "a test", "--by", "ann", "--wait")
    assert merged["done"]
    now = articles(stack)
    assert now["rate"]["story_id"] == now["fire 1"]["story_id"]
    assert now["rate"]["story_reason"]["moved_by"] == f"merge by ann: a test (edit {merged['edit_id']})"
    gone = stack.json("stories", "show", told["rate"]["story_id"])
    assert gone["story_id"] == now["fire 1"]["story_id"]
    split = stack.run("stories", "split", "e2e rate", "--by", "ann", "--wait").stdout
    assert split.startswith("Split ")
    now = articles(stack)
    assert now["rate"]["story_id"] not in {now["fire 1"]["story_id"], told["rate"]["story_id"]}
    stack.run("stories", "pin", "e2e match", "--to", "e2e rate", "--by", "ann", "--wait")
    now = articles(stack)
    assert now["match"]["story_id"] == now["rate"]["story_id"] != now["match 2"]["story_id"]
    assert [edit["action"] for edit in stack.json("stories", "edits")] == ["merge", "split", "pin"]
    pairs = tmp_path / "pairs.jsonl"
    assert stack.run("stories", "export", str(pairs)).stdout.startswith("2 pairs")
    assert sorted(json.loads(line)["same"] for line in pairs.read_text(encoding="utf8").splitlines()) == [False, True]


def test_what_cannot_be_done_is_said(stack: Stack, told: dict[str, Any]) -> None:
    nobody = stack.run("explain", "nobody", check=False)
    assert (nobody.returncode, nobody.stderr.strip().count("\n")) == (2, 0)
    assert "No article has the id" in nobody.stderr
    alone = stack.run("stories", "split", "e2e match 2", check=False)
    assert alone.returncode == 2
    assert "nothing to split it from" in alone.stderr
    assert told["match 2"]["story_id"] in json.dumps(stack.json("stories", "list", "--limit", "1000"))


def test_a_second_grouping_is_built_beside_the_first(stack: Stack, told: dict[str, Any]) -> None:
    """Another version reads everything again, with the edits, into topics of its own."""
    environment = {**os.environ, "DRAGOMAN_HOME": str(stack.home), "DRAGOMAN_GROUPING_VERSION": "2"}
    log = (stack.home / "second.log").open("wb")
    dedup = subprocess.Popen(
        [sys.executable, "-m", "services.dedup"], cwd=ROOT, env=environment, stdout=log, stderr=log
    )
    try:
        wanted, found = grouped(stack, "articles.grouped"), dict[str, GroupedArticle]()
        deadline = time.monotonic() + SECONDS
        while found.keys() != wanted.keys() and time.monotonic() < deadline:
            time.sleep(1)
            found = grouped(stack, "articles.grouped.v2")
    finally:
        dedup.terminate()
        dedup.wait(timeout=30)
        log.close()
    assert found.keys() == wanted.keys()
    assert {article.grouping_version for article in found.values()} == {2}
    assert {article.grouping_version for article in wanted.values()} == {1}
    mine = {guid: found[report["article_id"]].story_id for guid, report in told.items()}
    assert mine["rate"] != mine["fire 1"]
    assert mine["match"] == mine["rate"]


def grouped(stack: Stack, topic: str) -> dict[str, GroupedArticle]:
    """The last message of every article on a topic; nothing where there is no such topic yet."""
    consumer: Any = KafkaConsumer(**client_options(Settings(home=stack.home)), enable_auto_commit=False)
    try:
        if topic not in consumer.topics():
            return {}
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        last: dict[str, GroupedArticle] = {}
        while any(consumer.position(one) < ends[one] for one in partitions):
            for records in consumer.poll(timeout_ms=1000).values():
                last |= {record.key.decode(): decode(GroupedArticle, record.value) for record in records}
        return last
    finally:
        consumer.close()
