"""`dragoman replay`: what is sent, what is said of the rest, and how a replay that was cut off goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.article import RawArticle
from schemas.dead_letter import DeadLetter
from services.common.messages import encode
from services.producer.identity import article_id_of
from services.producer.ledger.store import DamagedStoreError
from tests.fakes import FakeElasticsearch, FakeKafka

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]
TEXT = "The council of Utrecht agreed on Monday to build homes."


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three articles as JSON lines."""
    return write(tmp_path / "archive.jsonl", *({"guid": guid, "content": f"{TEXT} {guid}"} for guid in "abc"))


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def sent(kafka: FakeKafka) -> list[RawArticle]:
    (partition,) = kafka.partitions("articles.raw")
    articles = [RawArticle.model_validate_json(record.value) for record in kafka.logs[partition]]
    assert [record.key.decode() for record in kafka.logs[partition]] == [one.article_id for one in articles]
    return articles


def guids(kafka: FakeKafka) -> str:
    return "".join(str(article.guid) for article in sent(kafka))


def test_every_article_is_sent_and_counted(dragoman: Run, kafka: FakeKafka, archive: Path) -> None:
    result = dragoman("replay", str(archive))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "3 messages confirmed, 3 articles.\n"
    assert guids(kafka) == "abc"
    assert {article.source_id for article in sent(kafka)} == {"archive"}
    (partition,) = kafka.partitions("articles.raw")
    revisions = [str(article.revision).encode() for article in sent(kafka)]
    assert [dict(record.headers)["dragoman-revision"] for record in kafka.logs[partition]] == revisions


def test_loops_rate_and_source(dragoman: Run, kafka: FakeKafka, archive: Path) -> None:
    result = dragoman("replay", str(archive), "--loop", "2", "--rate", "100000", "--source-id", "mine")
    assert result.stdout == "6 messages confirmed, 3 articles.\n"
    assert guids(kafka) == "abcabc"
    assert {article.source_id for article in sent(kafka)} == {"mine"}


def test_speed_sends_the_oldest_first(dragoman: Run, kafka: FakeKafka, tmp_path: Path) -> None:
    rows = [{"guid": str(day), "content": TEXT, "published_at": f"2023-01-0{day}T00:00:00Z"} for day in (3, 1, 2)]
    result = dragoman("replay", str(write(tmp_path / "x.jsonl", *rows)), "--speed", "1000000000")
    assert (result.exit_code, guids(kafka)) == (0, "123")


def test_columns_are_mapped(dragoman: Run, kafka: FakeKafka, tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", {"id": "1", "body": TEXT})
    assert dragoman("replay", str(file), "--columns", "guid=id, content=body,").exit_code == 0
    ((guid, content),) = [(article.guid, article.content) for article in sent(kafka)]
    assert (guid, content) == ("1", TEXT)


def test_what_gives_no_article_is_named_with_exit_code_1(dragoman: Run, kafka: FakeKafka, tmp_path: Path) -> None:
    folder = tmp_path / "news"
    folder.mkdir()
    (folder / "good.txt").write_text(TEXT)
    (folder / "empty.txt").write_text("")
    (folder / "old.txt").write_bytes("Der Rat tagte in Köln über Größe und Maß der Straße.".encode("cp1252"))
    result = dragoman("replay", str(folder))
    assert result.exit_code == 1
    assert result.stdout == "2 messages confirmed, 2 articles.\n"
    note, problem = result.stderr.splitlines()
    assert note.startswith("1 × ")
    assert problem.startswith("skipped: news/empty.txt ")
    assert [article.guid for article in sent(kafka)] == ["good.txt", "old.txt"]


@pytest.mark.usefixtures("kafka")
def test_at_most_twenty_problems_are_named(dragoman: Run, tmp_path: Path) -> None:
    result = dragoman("replay", str(write(tmp_path / "x.jsonl", *["{broken"] * 22)))
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert (len(lines), lines[-1]) == (21, "… and 2 more")


def test_a_replay_that_is_cut_off_goes_on_where_it_stopped(
    dragoman: Run, kafka: FakeKafka, archive: Path, refusing: Callable[[int], None]
) -> None:
    refusing(1)
    result = dragoman("replay", str(archive))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "gone. Nothing is lost: the ledger holds what was confirmed. Run the same command again.\n"
    )
    refusing(2)
    again = dragoman("replay", str(archive))
    assert (again.exit_code, again.stdout) == (0, "2 messages confirmed, 2 articles.\n")
    assert again.stderr == (
        "1 items were left out, because they were confirmed before this replay was interrupted "
        "(--restart sends them again).\n"
    )
    assert guids(kafka) == "abc"


def test_restart_takes_everything_again(
    dragoman: Run, kafka: FakeKafka, archive: Path, refusing: Callable[[int], None]
) -> None:
    refusing(1)
    dragoman("replay", str(archive))
    refusing(3)
    result = dragoman("replay", str(archive), "--restart")
    assert (result.stdout, result.stderr) == ("3 messages confirmed, 3 articles.\n", "")
    assert guids(kafka) == "aabc"


def test_a_store_that_is_none_ends_in_a_sentence(dragoman: Run, kafka: FakeKafka, archive: Path, home: Path) -> None:
    (home / "producer.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(DamagedStoreError, match=r"producer\.sqlite is damaged \(file is not a database\)"):
        dragoman("replay", str(archive), catch_exceptions=False)
    assert sent(kafka) == []


@pytest.mark.usefixtures("no_broker")
def test_without_kafka_the_stack_is_asked_for(dragoman: Run, archive: Path) -> None:
    result = dragoman("replay", str(archive))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Kafka at 127.0.0.1:9092 does not answer (KafkaConnectionError). Is the stack up? `dragoman up`\n"
    )


# --- --wait -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(elastic: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch) -> FakeElasticsearch:
    """Articles a and b are searchable in their latest revision; waiting takes no time."""
    for guid in "ab":
        elastic.put("articles-v2", article_id_of("archive", guid, None), {"revision": 2**50})
    elastic.aliases["articles"] = {"articles-v2": True}
    monkeypatch.setattr("services.status.waiting.time", FakeTime())
    return elastic


@pytest.mark.usefixtures("kafka")
def test_wait_returns_when_all_are_searchable(dragoman: Run, archive: Path, waiting: FakeElasticsearch) -> None:
    waiting.put("articles-v2", article_id_of("archive", "c", None), {"revision": 2**50})
    result = dragoman("replay", str(archive), "--wait")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1] == "3 searchable, 0 dead."


@pytest.mark.usefixtures("waiting")
def test_wait_counts_dead_articles(dragoman: Run, archive: Path, kafka: FakeKafka, example: Example) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    letter = DeadLetter.model_validate_json(json.dumps(example("articles.dead", "v1-null-value"))).model_copy(
        update={
            "original_key": article_id_of("archive", "c", None).encode(),
            "last_failed_at": soon,
            "revision": 2**42,
        }
    )
    kafka.append("articles.dead", b"letter", encode(letter))
    result = dragoman("replay", str(archive), "--wait")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1] == "2 searchable, 1 dead."
    assert result.stderr == "`dragoman dead list` says why.\n"


@pytest.mark.usefixtures("kafka", "waiting")
def test_wait_gives_up_with_exit_code_5(dragoman: Run, archive: Path) -> None:
    result = dragoman("replay", str(archive), "--wait", "--timeout", "7")
    assert result.exit_code == 5
    assert result.stdout.splitlines()[1] == "2 searchable, 0 dead."
    assert result.stderr == (
        "1 articles are still on their way after 7 s without progress. `dragoman status` shows where.\n"
    )
