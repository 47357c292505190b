"""kill -9, SIGTERM, a wiped store, workers that come and go: nothing lost, nothing twice, the same decisions."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from schemas.article import EnrichedArticle
from schemas.topics import ENRICHED
from services.common.elastic import EVERY_STORY
from services.common.kafka import client_options
from services.common.messages import decode
from services.common.settings import ElasticsearchSettings, Settings
from services.dedup.articles import part_of
from services.dedup.grouping import Grouper
from services.dedup.settings import DedupSettings
from tests.articles import write_articles
from tests.chaos.evidence import decision_of, read_changelog, read_topic
from tests.conftest import DRAGOMAN, ROOT, Stack, start

RATE = "25"
BATCH = 150
DEDUP_KILLS = 20
SEED = int(os.environ.get("SEED", "7"))


@pytest.fixture(scope="module")
def fragile() -> Iterator[Stack]:
    """A stack of its own, because it is broken on purpose."""
    home = Path(tempfile.mkdtemp(prefix="dragoman-kill-"))
    running = Stack(home, {"DRAGOMAN_VECTORS": "false"})
    try:
        yield start(home, DRAGOMAN_VECTORS="false")
    finally:
        running.run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


def replay_in_background(stack: Stack, path: Path, rate: str = RATE) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **stack.environment, "DRAGOMAN_HOME": str(stack.home)}
    command = [str(DRAGOMAN), "replay", str(path), "--rate", rate]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pid_of(stack: Stack, name: str) -> int | None:
    services = {service["name"]: service["pid"] for service in stack.json("status")["services"]}
    pid: int | None = services[name]
    return pid


def kill(stack: Stack, name: str, number: signal.Signals = signal.SIGKILL) -> None:
    pid = pid_of(stack, name)
    if pid:
        os.kill(pid, number)


def settle(stack: Stack) -> None:
    """Wait until nothing is on its way any more, and ask the oracle: every article of the ledger is indexed or dead.

    Nothing is sent again: that would heal what was lost.
    """
    wait_for_no_lag(stack)
    found = stack.json("verify")
    assert (found["missing"], found["different"], found["dead"]) == ([], [], 0)
    assert found["articles"] == found["indexed"] > 0


def wait_for_no_lag(stack: Stack, timeout: float = 180) -> None:
    """Wait until every group has committed to the end of its topics, in the order in which articles pass them."""
    deadline = time.monotonic() + timeout
    while True:
        report = stack.json("status")
        lag = report["lag"]
        # these tests kill more often than a crash loop does
        problems = [problem for problem in report["problems"] if "ends again and again" not in problem]
        if not problems and lag and not any(lag.values()):
            return
        assert time.monotonic() < deadline, f"still on their way: {lag}, {problems}"
        time.sleep(0.5)


def check_decisions(stack: Stack) -> None:
    """The index and the changelog hold what an undisturbed grouper decides on the same articles in the same order."""
    settings = ElasticsearchSettings(home=stack.home)
    grouper = Grouper(timedelta(days=DedupSettings().window_days))
    for record in read_topic(settings, ENRICHED):
        grouper.take(part_of(decode(EnrichedArticle, record.value)))
    expected = {row.article_id: decision_of(row) for row in grouper.rows.values()}
    assert read_changelog(settings) == expected
    keys = ("story_id", "duplicate_of", "decision_seq")
    articles = [hit["article"] for hit in _all(stack)]
    found = {article["article_id"]: tuple(article[key] for key in keys) for article in articles}
    assert found == expected
    check_stories(stack, grouper)
    assert sum(duplicate is not None for _, duplicate, _ in found.values()) >= 10


def check_stories(stack: Stack, grouper: Grouper) -> None:
    """The index holds each story as it is now; one that was emptied says where its articles are."""
    found = stack.documents(EVERY_STORY)
    emptied = {story_id for story_id, story in found.items() if story["merged_into"]}
    assert found.keys() - emptied == set(grouper.stories.story_ids())
    for story_id in grouper.stories.story_ids():
        story = grouper.story(story_id)
        assert story is not None
        counts = (found[story_id]["articles"], found[story_id]["duplicates"], tuple(found[story_id]["sources"]))
        assert counts == (story.articles, story.duplicates, story.sources)


def test_kill_9_of_every_worker_in_mid_stream(fragile: Stack, tmp_path: Path) -> None:
    path = write_articles(tmp_path / "kills.jsonl", BATCH, seed=1)
    rnd = random.Random(SEED)
    feed = replay_in_background(fragile, path)
    for name in ("worker-1", "dedup", "indexer", "worker-2", "dedup"):
        time.sleep(rnd.uniform(0.3, 1.5))
        kill(fragile, name)
    assert feed.wait(timeout=120) == 0
    settle(fragile)
    check_decisions(fragile)


@pytest.mark.timeout(900)  # the machine may be busy: each start of dedup takes seconds
def test_twenty_kills_of_dedup_change_no_decision(fragile: Stack, tmp_path: Path) -> None:
    """At random moments of one stream, as soon as it runs again: every decision is that of an undisturbed grouper."""
    path = write_articles(tmp_path / "dedup.jsonl", 400, seed=5)
    rnd = random.Random(SEED)
    feed = replay_in_background(fragile, path, rate="6")
    killed: set[int] = set()
    deadline = time.monotonic() + 600
    while len(killed) < DEDUP_KILLS and time.monotonic() < deadline:
        pid = pid_of(fragile, "dedup")
        if pid and pid not in killed:
            time.sleep(rnd.uniform(0.5, 3.0))
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself, to begin again in order
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(0.2)
    assert len(killed) == DEDUP_KILLS
    assert feed.wait(timeout=120) == 0
    settle(fragile)
    check_decisions(fragile)


def test_sigterm_under_load_ends_cleanly_and_loses_nothing(fragile: Stack, tmp_path: Path) -> None:
    path = write_articles(tmp_path / "terms.jsonl", BATCH, seed=2)
    feed = replay_in_background(fragile, path, rate="60")
    for name in ("worker-1", "dedup", "indexer"):
        time.sleep(0.5)
        kill(fragile, name, signal.SIGTERM)
    assert feed.wait(timeout=120) == 0
    settle(fragile)


def test_a_worker_leaves_and_another_takes_over(fragile: Stack, tmp_path: Path) -> None:
    """Stopped past its session, its partitions move; awake again, what it still holds does not count."""
    path = write_articles(tmp_path / "leaves.jsonl", BATCH, seed=3)
    pid = pid_of(fragile, "worker-2")
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        feed = replay_in_background(fragile, path)
        time.sleep(14)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert feed.wait(timeout=120) == 0
    settle(fragile)


def test_a_wiped_store_and_a_restart_decide_the_same(fragile: Stack, tmp_path: Path) -> None:
    """`down`, no local store, another number of workers, `up`: the changelog alone gives the state back."""
    before = fragile.json("search", "*", "--limit", "1000", "--duplicates")["hits"]
    fragile.run("down")
    shutil.rmtree(fragile.home / "faust" / "dedup")
    fragile.run("up", "--detach", "--workers", "1")
    path = write_articles(tmp_path / "wiped.jsonl", 60, seed=4)
    fragile.run("replay", str(path))
    settle(fragile)
    check_decisions(fragile)
    after = {hit["article"]["article_id"]: hit["article"] for hit in _all(fragile)}
    assert all(after[hit["article"]["article_id"]] == hit["article"] for hit in before)


def _all(stack: Stack) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = stack.json("search", "*", "--limit", "1000", "--duplicates")["hits"]
    return hits


def test_what_kafka_removed_unread_is_brought_back(fragile: Stack, tmp_path: Path) -> None:
    """Retention under lag: files are read again at their places, and pushes were kept."""
    services = fragile.json("status")["services"]
    pids = [service["pid"] for service in services if service["name"].startswith("worker-")]
    assert pids
    assert all(pids)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        fragile.run("replay", str(write_articles(tmp_path / "lag.jsonl", 40, seed=991)))
        pushed = [push(fragile, f"expired-push-{number}") for number in range(5)]
        remove_everything(fragile, "articles.raw")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    wait_for_no_lag(fragile)
    found = json.loads(fragile.run("verify", "--json", check=False).stdout)
    assert len(found["missing"]) == 45
    assert set(pushed) <= set(found["missing"])
    assert fragile.run("verify", "--repair", check=False).returncode == 0
    settle(fragile)


def push(stack: Stack, guid: str) -> str:
    """Push an article, and return its id."""
    token = (stack.home / "ingest.token").read_text(encoding="ascii").strip()
    port = json.loads((stack.home / "stack.json").read_text())["ingest_port"]
    body = json.dumps({"guid": guid, "content": f"A pushed report on the lighthouse, number {guid}."}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/articles", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        article_id: str = json.loads(answer.read())["article_id"]
    return article_id


def remove_everything(stack: Stack, topic: str) -> None:
    """What retention does: move the beginning of each partition to its end."""
    known = client_options(Settings(home=stack.home))
    admin, consumer = KafkaAdminClient(**known), KafkaConsumer(**known)
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        admin.delete_records(consumer.end_offsets(partitions))
    finally:
        consumer.close()
        admin.close()


def test_a_worker_that_loses_articles_is_found(fragile: Stack, tmp_path: Path) -> None:
    """The oracle of these tests must see a loss: this worker acknowledges every fifth article without sending it."""
    dropped = tmp_path / "dropped.txt"
    script = Path(__file__).with_name("lossy_worker.py")
    environment = {**os.environ, **fragile.environment, "DRAGOMAN_HOME": str(fragile.home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), str(dropped)]
    lossy = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until_it_has_partitions(fragile, lossy, dropped)
        path = write_articles(tmp_path / "lossy.jsonl", 60, seed=6)
        fragile.run("replay", str(path))
        wait_for_no_lag(fragile)
    finally:
        lossy.terminate()
        lossy.wait(timeout=30)
    lost = set(dropped.read_text(encoding="ascii").split())
    assert len(lost) >= 3
    found = fragile.run("verify", "--json", check=False)
    assert found.returncode == 4
    assert set(json.loads(found.stdout)["missing"]) == lost


def wait_until_it_has_partitions(stack: Stack, lossy: subprocess.Popen[bytes], ready: Path) -> None:
    """The lossy worker makes its file when it takes messages; by then Kafka has given it a share of the partitions."""
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert lossy.poll() is None, "the lossy worker ended"
        assert time.monotonic() < deadline
        time.sleep(0.2)
    wait_for_no_lag(stack)


def test_down_leaves_nothing_running(fragile: Stack) -> None:
    pids = [service["pid"] for service in fragile.json("status")["services"] if service["pid"]]
    fragile.run("down")
    assert pids
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert "Nothing was running" in fragile.run("down").stdout
