"""With DRAGOMAN_ARCHIVE, a raw article outlives what Kafka keeps, and a kill of the archive loses none."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from services.common.kafka import client_options
from services.common.settings import Settings
from tests.articles import write_articles
from tests.conftest import Stack, start

ARTICLES = 80


@pytest.fixture(scope="module")
def archived() -> Iterator[Stack]:
    home = Path(tempfile.mkdtemp(prefix="dragoman-archive-"))
    environment = {"DRAGOMAN_VECTORS": "false", "DRAGOMAN_ARCHIVE": str(home / "kept")}
    running = Stack(home, environment)
    try:
        yield start(home, "--workers", "1", **environment)
    finally:
        running.run("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


def pid_of_archive(stack: Stack) -> int | None:
    pids: dict[str, int | None] = {one["name"]: one["pid"] for one in stack.json("status")["services"]}
    return pids["archive"]


def records(stack: Stack) -> list[str]:
    """The ids in the archive's files, as a WARC tool reads them."""
    from warcio.archiveiterator import ArchiveIterator

    found = []
    for path in sorted((stack.home / "kept").glob("*.warc.gz")):
        with path.open("rb") as file:
            found += [record.rec_headers.get_header("Dragoman-Article") for record in ArchiveIterator(file)]
    return [one for one in found if one]


def test_raw_articles_outlive_kafka_and_kills(archived: Stack, tmp_path: Path) -> None:
    archived.run("replay", str(write_articles(tmp_path / "archive.jsonl", ARTICLES, seed=31)), "--rate", "20")
    for _ in range(2):
        pid = pid_of_archive(archived)
        if pid:
            os.kill(pid, signal.SIGKILL)
        archived.run("replay", str(write_articles(tmp_path / f"more-{pid}.jsonl", 20, seed=pid or 1)), "--rate", "20")
    deadline = time.monotonic() + 120
    while len(set(records(archived))) < ARTICLES + 40:
        assert time.monotonic() < deadline, len(set(records(archived)))
        time.sleep(1)
    found = records(archived)
    assert len(found) == len(set(found)), "each content once"
    article = archived.json("search", "*", "--limit", "1")["hits"][0]["article"]
    content = archived.run("raw", article["article_id"]).stdout
    empty_topic(archived)
    assert archived.run("raw", article["article_id"]).stdout == content
    assert archived.json("raw", article["article_id"])["article_id"] == article["article_id"]


def empty_topic(stack: Stack) -> None:
    """What retention does."""
    known = client_options(Settings(home=stack.home))
    admin, consumer = KafkaAdminClient(**known), KafkaConsumer(**known)
    try:
        places = [TopicPartition("articles.raw", n) for n in consumer.partitions_for_topic("articles.raw") or ()]
        admin.delete_records(consumer.end_offsets(places))
    finally:
        consumer.close()
        admin.close()
