"""`dragoman up`, `down`, `status`, `setup` and `verify`: what they say and return, without a process."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition

from schemas.dead_letter import DeadLetter
from schemas.topics import TOPICS
from services.cli import status
from services.common.messages import encode
from services.embedded.artifacts import Artifact
from services.embedded.errors import StackError
from services.embedded.stack import AlreadyRunningError
from services.embedded.state import Stack
from services.embedded.supervisor import ProcessState
from services.producer.ledger.kept import OutboxLine
from services.producer.ledger.store import LedgerLine, Store
from tests.fakes import FakeElasticsearch, FakeKafka
from tests.fakes.kafka import TIMESTAMP_MS

Run = Callable[..., Any]
Example = Callable[..., dict[str, Any]]
STARTED = Stack(9001, 9002, 9003, 9004, {"worker-1": 9005, "dedup": 9006}, ingest_port=9007)
COUNTED = b'dragoman_outcomes_total{service="worker",outcome="ok"} 5\n'
IDS = [f"{digit * 8}-0000-5000-8000-{digit * 12}" for digit in "abc"]


def state(name: str, word: str = "running", pid: int | None = 7) -> ProcessState:
    return ProcessState(name, word, pid, 12.4, f"{name} is {word}")


@dataclass
class FakeStack:
    """`services.embedded.stack.up`: notes how it was called, prepares the servers, and raises what it is told to."""

    error: Exception | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def up(self, settings: Any, reporter: Any, prepare: Callable[[Stack], None], **options: Any) -> Stack:
        self.calls.append({"home": settings.home, **options})
        reporter.step("Checking downloads")
        for received in (500_000, 1_500_000):
            reporter.download(Artifact("g", "kafka", "4.1", "jar", "", 1_500_000), received)
        if self.error is not None:
            raise self.error
        prepare(STARTED)
        return STARTED


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch, home: Path, kafka: FakeKafka, elastic: FakeElasticsearch) -> FakeStack:
    """The embedded stack, with servers that have nothing yet."""
    del home, elastic
    kafka.logs.clear()
    fake = FakeStack()
    monkeypatch.setattr("services.embedded.stack.up", fake.up)
    return fake


@dataclass
class FakeSupervisor:
    """A supervisor that gives these states, one list after another, and the last one for ever."""

    looks: list[list[ProcessState]]
    lives: int = 100
    stopped: int = 0
    log_folder: Path = Path()

    def __call__(self, folder: Path) -> FakeSupervisor:
        assert folder.name == "home"
        self.log_folder = folder / "logs"
        return self

    def is_running(self) -> bool:
        self.lives -= 1
        return self.lives >= 0

    def states(self) -> list[ProcessState]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch, home: Path) -> Callable[..., FakeSupervisor]:
    """A home that `up` wrote, whose processes are in these states."""

    def make(*looks: list[ProcessState], lives: int = 100) -> FakeSupervisor:
        fake = FakeSupervisor(list(looks), lives)
        values = {name: getattr(STARTED, name) for name in Stack.__dataclass_fields__}
        (home / "stack.json").write_text(json.dumps(values))
        monkeypatch.setattr("services.embedded.supervisor.Supervisor", fake)
        return fake

    return make


# --- up, down, setup --------------------------------------------------------------------------------------------------


def test_up_detached_says_where_everything_is(
    dragoman: Run, embedded: FakeStack, kafka: FakeKafka, elastic: FakeElasticsearch, home: Path
) -> None:
    result = dragoman("up", "--detach", "--workers", "3")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Kafka          127.0.0.1:9001",
        "Elasticsearch  http://127.0.0.1:9003",
        "worker-1       http://127.0.0.1:9005/metrics",
        "dedup          http://127.0.0.1:9006/metrics",
        "push           http://127.0.0.1:9007/articles",
        f"ask            curl --header @{home}/elasticsearch.header http://127.0.0.1:9003/articles/_count",
    ]
    assert result.stderr.splitlines() == ["• Checking downloads", "  fetching kafka 4.1 (1.5 MB)"]
    (call,) = embedded.calls
    assert (call["home"], call["detach"], call["ingest_port"]) == (home, True, 0)
    assert call["services"] == ["worker-1", "worker-2", "worker-3", "dedup", "indexer", "producer"]
    assert {partition.topic for partition in kafka.logs} == {topic.name for topic in TOPICS}
    assert elastic.indices.keys() == {"articles-v2", "stories-v2"}


def test_workers_come_from_the_setting_where_no_option_says(
    dragoman: Run, embedded: FakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    dragoman("up", "-d")
    monkeypatch.setenv("DRAGOMAN_WORKERS", "1")
    dragoman("up", "-d")
    workers = [[name for name in call["services"] if "worker" in name] for call in embedded.calls]
    assert workers == [["worker-1", "worker-2"], ["worker-1"]]


@pytest.mark.parametrize(("word", "code"), [("running", 0), ("starting", 0), ("fatal", 4), ("backoff", 4)])
def test_a_stack_that_runs_is_not_started_again(dragoman: Run, embedded: FakeStack, word: str, code: int) -> None:
    embedded.error = AlreadyRunningError([state("kafka"), state("dedup", word)])
    result = dragoman("up", "-d")
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1] == (
        f"Already running: kafka (running), dedup ({word}). `dragoman status` shows more, `dragoman down` stops it."
    )


def test_what_a_person_must_mend_is_a_sentence(dragoman: Run, embedded: FakeStack) -> None:
    embedded.error = StackError("Port 9092 is taken [by] another process.")
    result = dragoman("up", "-d")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == "Port 9092 is taken [by] another process."


def test_topics_of_another_shape_are_refused(dragoman: Run, embedded: FakeStack, kafka: FakeKafka) -> None:
    kafka.make_topic("articles.raw", 3)
    for command in (["up", "-d"], ["setup"]):
        result = dragoman(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "topic articles.raw has 3 partitions, not 4: set DRAGOMAN_PARTITIONS" in result.stderr
    assert len(embedded.calls) == 1


@pytest.mark.usefixtures("embedded")
def test_up_shows_changes_until_ctrl_c_and_stops_everything(
    dragoman: Run, supervised: Callable[..., FakeSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: Iterator[int] = iter(range(2))

    def sleep(_: float) -> None:
        if next(naps, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("services.cli.stack.time.sleep", sleep)
    fake = supervised([state("kafka"), state("dedup")], [state("kafka"), state("dedup", "backoff", None)])
    result = dragoman("up")
    assert (result.exit_code, fake.stopped) == (0, 1)
    said = result.stderr.splitlines()
    assert said[2] == "Ready. Ctrl-C stops everything."
    assert [line.partition(" ")[2] for line in said[3:]] == ["dedup: backoff (dedup is backoff)", "…"]


@pytest.mark.usefixtures("embedded")
def test_a_supervisor_that_ends_by_itself_is_an_error(
    dragoman: Run, supervised: Callable[..., FakeSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.stack.time.sleep", lambda _: None)
    fake = supervised([state("kafka")], lives=2)
    result = dragoman("up")
    assert (result.exit_code, fake.stopped) == (1, 0)
    assert result.stderr.splitlines()[-1] == "The supervisor ended by itself. Everything that it ran was stopped."


def test_down_names_what_it_stopped(dragoman: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[Path] = []

    def down(folder: Path) -> list[str]:
        stopped.append(folder)
        return ["kafka", "dedup"]

    monkeypatch.setattr("services.embedded.stack.down", down)
    assert dragoman("down").stdout == "Stopped kafka, dedup.\n"
    assert stopped == [home]


@pytest.mark.usefixtures("embedded")
def test_setup_makes_topics_and_indices_and_may_be_repeated(
    dragoman: Run, kafka: FakeKafka, elastic: FakeElasticsearch
) -> None:
    for _ in range(2):
        result = dragoman("setup")
        assert (result.exit_code, result.stdout) == (0, "Topics, templates and aliases exist.\n")
    assert len(kafka.partitions("articles.raw")) == 4
    assert elastic.aliases["articles"] == {"articles-v2": True}


@pytest.mark.usefixtures("embedded")
def test_setup_says_which_server_does_not_answer(dragoman: Run, elastic: FakeElasticsearch) -> None:
    elastic.is_down = True
    result = dragoman("setup")
    assert result.exit_code == 1
    assert result.stderr.startswith("Elasticsearch at http://127.0.0.1:9200 does not answer")


@pytest.mark.usefixtures("elastic", "no_broker")
def test_setup_without_kafka(dragoman: Run) -> None:
    result = dragoman("setup")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Kafka at 127.0.0.1:9092 does not answer (KafkaConnectionError).\n"


# --- status -----------------------------------------------------------------------------------------------------------


def write_ledger(home: Path, revisions: dict[str, int]) -> None:
    """A ledger with one confirmed message of each article."""
    store = Store(home / "producer.sqlite")
    with store.transaction():
        lines = [LedgerLine(one, "g", "s", revision, f"hash {one}", "t", 0, 0) for one, revision in revisions.items()]
        store.append(lines)
    store.close()


def put_article(elastic: FakeElasticsearch, article_id: str, revision: int = 1, **fields: Any) -> None:
    elastic.put("articles-v2", article_id, {"revision": revision, "content_hash": f"hash {article_id}"} | fields)
    elastic.aliases["articles"] = {"articles-v2": True}


def put_letter(kafka: FakeKafka, example: Example, article_id: str, revision: int = 1) -> None:
    values = example("articles.dead", "v1-null-value", revision=revision)
    letter = DeadLetter.model_validate_json(json.dumps(values)).model_copy(
        update={"original_key": article_id.encode(), "letter_id": article_id}
    )
    kafka.append("articles.dead", letter.letter_id.encode(), encode(letter))


@pytest.fixture
def said() -> list[bytes]:
    """More lines of the metrics page."""
    return []


@pytest.fixture
def working(
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    kafka: FakeKafka,
    elastic: FakeElasticsearch,
    example: Example,
    supervised: Callable[..., FakeSupervisor],
    said: list[bytes],
) -> Callable[..., FakeSupervisor]:
    """Three articles were sent: one is indexed, one dead, one on its way; two processes count."""
    write_ledger(home, dict.fromkeys(IDS, 1))
    put_article(elastic, IDS[0])
    put_letter(kafka, example, IDS[1])
    for topic, count in (("articles.raw", 3), ("articles.grouped", 1)):
        for _ in range(count):
            kafka.append(topic, b"k", b"v")
    kafka.committed["worker", kafka.partitions("articles.raw")[0]] = 2
    kafka.committed["indexer", kafka.partitions("articles.grouped")[0]] = 1

    def open_url(url: str, timeout: float) -> io.BytesIO:
        assert timeout > 0
        if url == "http://127.0.0.1:9006/metrics":
            raise OSError("refused")
        assert url == "http://127.0.0.1:9005/metrics"
        return io.BytesIO(
            b"# TYPE dragoman_vectors gauge\ndragoman_vectors 0\n# TYPE dragoman_outcomes counter\n"
            + COUNTED
            + b"".join(said)
        )

    monkeypatch.setattr("urllib.request.urlopen", open_url)

    def make(*states: ProcessState) -> FakeSupervisor:
        return supervised(list(states or (state("kafka"), state("worker-1"), state("dedup", "starting"))))

    return make


def test_json_of_status_has_every_part(dragoman: Run, working: Callable[..., FakeSupervisor], home: Path) -> None:
    working(state("kafka"), state("worker-1", "fatal", None))
    result = dragoman("status", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    age = report["lag_age"]["articles.raw"]["seconds"]
    assert time.time() - age == pytest.approx(TIMESTAMP_MS / 1000, abs=60)
    assert report == {
        "home": str(home),
        "kafka_bootstrap": "127.0.0.1:9092",
        "elasticsearch_url": "http://127.0.0.1:9200",
        "client_file": None,
        "services": [
            {
                "name": "kafka",
                "pid": 7,
                "state": "running",
                "uptime_seconds": 12,
                "metrics_url": None,
                "restarts": 0,
                "crash_loop": False,
            },
            {
                "name": "worker-1",
                "pid": None,
                "state": "fatal",
                "uptime_seconds": 12,
                "metrics_url": "http://127.0.0.1:9005/metrics",
                "restarts": 0,
                "crash_loop": False,
            },
        ],
        "lag": {"articles.raw": 1, "articles.enriched": 0, "articles.grouped": 0, "stories": 0},
        "outcomes": {"worker": {"ok": 5}},
        "books": {
            "sent": 3,
            "articles": 3,
            "indexed": 1,
            "dead": 1,
            "superseded": 0,
            "in_flight": 1,
            "missing": 1,
            "balanced": True,
        },
        "vectors": False,
        "lag_age": {"articles.raw": {"seconds": age, "retention_seconds": None}},
        "restored_stores": 0,
        "producer": None,
        "archive_lag": None,
        "rebuilt_share": None,
        "problems": [],
    }


def test_status_of_a_healthy_stack(dragoman: Run, working: Callable[..., FakeSupervisor]) -> None:
    working()
    result = dragoman("status")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for line in (
        "kafka running 7 12 s 0 -",
        "worker-1 running 7 12 s 0 http://127.0.0.1:9005/metrics",
        "articles.enriched 0 - -",
        "worker ok 5",
        "Kafka 127.0.0.1:9092 Elasticsearch http://127.0.0.1:9200",
    ):
        assert line in lines
    books = "3 articles in 3 messages = 1 indexed + 1 dead + 1 on their way (1 messages in flight, 0 repeats)"
    assert f"Books balance: {books}" in lines


def test_a_process_that_is_down_is_exit_code_4(dragoman: Run, working: Callable[..., FakeSupervisor]) -> None:
    working(state("kafka"), state("dedup", "fatal", None))
    result = dragoman("status")
    assert result.exit_code == 4
    assert "dedup fatal - 12 s 0 http://127.0.0.1:9006/metrics" in " ".join(result.stdout.split())


def test_books_that_do_not_balance_are_exit_code_4(
    dragoman: Run, working: Callable[..., FakeSupervisor], kafka: FakeKafka
) -> None:
    working()
    kafka.committed["worker", kafka.partitions("articles.raw")[0]] = 3
    result = dragoman("status")
    assert result.exit_code == 4
    assert "Books DO NOT BALANCE: 3 articles in 3 messages" in result.stdout
    assert json.loads(dragoman("status", "--json").stdout)["books"]["balanced"] is False


def test_a_server_that_is_down_is_named(
    dragoman: Run, working: Callable[..., FakeSupervisor], elastic: FakeElasticsearch
) -> None:
    working()
    elastic.is_down = True
    result = dragoman("status")
    assert result.exit_code == 4
    assert "Elasticsearch at http://127.0.0.1:9200 does not answer" in result.stdout
    assert "Books: unknown at the moment." in result.stdout
    report = json.loads(dragoman("status", "--json").stdout)
    assert (report["books"], report["lag"]["articles.raw"]) == (None, 1)


@pytest.mark.usefixtures("elastic", "no_broker")
def test_servers_elsewhere_are_asked_without_a_local_stack(dragoman: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_KAFKA_BOOTSTRAP", "kafka:1")
    report = json.loads(dragoman("status", "--json").stdout)
    assert (report["services"], report["problems"]) == ([], ["Kafka at kafka:1 does not answer"])
    assert dragoman("status").exit_code == 4


def test_watch_shows_it_again(
    dragoman: Run, working: Callable[..., FakeSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    working()
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            raise SystemExit(130)

    monkeypatch.setattr("services.cli.status.time.sleep", sleep)
    result = dragoman("status", "--watch")
    assert (result.exit_code, naps) == (130, [status.WATCH_SECONDS] * 2)
    assert "articles.raw" in result.stdout


def test_metrics_addresses_of_the_home(supervised: Callable[..., FakeSupervisor], home: Path) -> None:
    assert status.metrics_urls(home) == {}
    supervised([state("kafka"), state("dedup")])
    assert status.metrics_urls(home) == {"dedup": "http://127.0.0.1:9006/metrics"}


def test_a_process_that_ends_again_and_again_is_told(
    dragoman: Run, working: Callable[..., FakeSupervisor], home: Path
) -> None:
    working(state("dedup"))
    now = datetime.now()  # noqa: DTZ005 - as supervisord writes it
    (home / "logs").mkdir()
    lines = [f"{now:%Y-%m-%d %H:%M:%S},000 INFO spawned: 'dedup' with pid {number}" for number in range(4)]
    (home / "logs" / "supervisord.log").write_text("\n".join(lines))
    result = dragoman("status")
    assert result.exit_code == 4
    assert "crash loop" in result.stdout
    assert "dedup ends again and again: 3 restarts. Its log is" in result.stdout
    (service,) = json.loads(dragoman("status", "--json").stdout)["services"]
    assert (service["restarts"], service["crash_loop"]) == (3, True)


@pytest.mark.parametrize(
    ("metrics", "words", "code"),
    [
        (b"dragoman_outbox_messages 7\ndragoman_kept_messages 5\n", "7 in the outbox, 5 kept until", 0),
        (b"dragoman_outbox_messages 7\ndragoman_polls_paused 1\n", "No feed is polled and pushes are refused", 4),
        (b'dragoman_restored_stores_total{table="articles"} 2\n', "Stores: 2 damaged and restored", 0),
        (b"dragoman_rebuilt_share 0.45\n", "dedup rebuilds its state: 45%", 0),
    ],
)
def test_what_the_metrics_say_is_told(
    dragoman: Run, working: Callable[..., FakeSupervisor], said: list[bytes], metrics: bytes, words: str, code: int
) -> None:
    working()
    said.append(metrics)
    result = dragoman("status")
    assert (result.exit_code, words in result.stdout) == (code, True)


def test_a_rebuild_that_is_done_is_not_told(
    dragoman: Run, working: Callable[..., FakeSupervisor], said: list[bytes]
) -> None:
    working()
    said.append(b"dragoman_rebuilt_share 1\n")
    assert "rebuilds" not in dragoman("status").stdout
    assert json.loads(dragoman("status", "--json").stdout)["rebuilt_share"] is None


# --- verify -----------------------------------------------------------------------------------------------------------


def test_a_ledger_whose_articles_are_indexed_or_dead_is_well(
    dragoman: Run, home: Path, kafka: FakeKafka, elastic: FakeElasticsearch, example: Example
) -> None:
    write_ledger(home, {IDS[0]: 1, IDS[1]: 2})
    put_article(elastic, IDS[0])
    put_letter(kafka, example, IDS[1], revision=2)
    result = dragoman("verify", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "articles": 2,
        "indexed": 1,
        "dead": 1,
        "missing": [],
        "different": [],
        "stories": 0,
        "missing_stories": [],
    }


@pytest.mark.usefixtures("kafka")
def test_missing_and_different_articles_are_named_with_exit_code_4(
    dragoman: Run, home: Path, elastic: FakeElasticsearch
) -> None:
    write_ledger(home, {IDS[0]: 1, IDS[1]: 2, IDS[2]: 1})
    put_article(elastic, IDS[0])
    put_article(elastic, IDS[2], content_hash="another")
    result = dragoman("verify")
    assert result.exit_code == 4
    assert result.stdout.splitlines() == [
        "3 articles in the ledger: 1 indexed, 0 dead, 1 missing, 1 with other content.",
        "0 stories: 0 missing or not at their last revision.",
        f"  article {IDS[1]}",
        f"  article {IDS[2]}",
    ]
    assert "verify --repair" in result.stderr
    as_json = dragoman("verify", "--json")
    assert as_json.exit_code == 4
    assert json.loads(as_json.stdout)["missing"] == [IDS[1]]


@pytest.mark.usefixtures("kafka")
@pytest.mark.parametrize("fields", [{"content_hash": "another"}, {"revision": 2}])
def test_other_content_or_another_revision_alone_is_exit_code_4(
    dragoman: Run, home: Path, elastic: FakeElasticsearch, fields: dict[str, Any]
) -> None:
    write_ledger(home, {IDS[0]: 3})
    put_article(elastic, IDS[0], **({"revision": 3} | fields))
    result = dragoman("verify", "--json")
    assert result.exit_code == 4
    report = json.loads(result.stdout)
    assert (report["missing"], report["different"]) == ([], [IDS[0]])


@pytest.mark.usefixtures("kafka")
def test_verify_needs_elasticsearch(dragoman: Run, home: Path, elastic: FakeElasticsearch) -> None:
    write_ledger(home, {IDS[0]: 1})
    elastic.is_down = True
    result = dragoman("verify")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Elasticsearch at http://127.0.0.1:9200 does not answer correctly")


def test_repair_sends_again_what_is_kept_and_says_why_not_the_rest(
    dragoman: Run, home: Path, kafka: FakeKafka, elastic: FakeElasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing indexes here, so it gives up waiting; tests/e2e/test_kill.py sees the articles come back."""
    monkeypatch.setattr("services.cli.verify.REPAIR_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("services.cli.verify.STORY_PATIENCE_SECONDS", 0.1)
    write_ledger(home, {IDS[0]: 1, IDS[1]: 1})
    store = Store(home / "producer.sqlite")
    with store.transaction():
        store.kept.add([OutboxLine(0, IDS[0], "g", "s", 1, "hash", b"kept")], now=0)
    store.close()
    story = json.dumps({"story_id": IDS[2], "revision": 3}).encode()
    kafka.append("stories", IDS[2].encode(), story)
    elastic.put("articles", "another", {"revision": 1, "content_hash": "hash"})
    elastic.put("stories-all", "another", {"revision": 1})
    result = dragoman("verify", "--repair", "--json")
    assert result.exit_code == 4
    report = json.loads(result.stdout)
    assert report["repaired"] == [IDS[0]]
    assert list(report["not_repaired"]) == [IDS[1]]
    assert report["missing_stories"] == [IDS[2]]
    assert [record.value for record in kafka.logs[TopicPartition("articles.raw", 0)]] == [b"kept"]
    assert [record.value for record in kafka.logs[TopicPartition("stories", 0)]] == [story] * 2
    shown = dragoman("verify", "--repair").stdout
    assert "1 articles were sent again." in shown
    assert f"article {IDS[1]}: its message is not kept" in shown


@pytest.mark.usefixtures("kafka")
def test_repair_has_nothing_to_do_where_nothing_is_missing(
    dragoman: Run, home: Path, elastic: FakeElasticsearch
) -> None:
    write_ledger(home, {IDS[0]: 1})
    put_article(elastic, IDS[0])
    result = dragoman("verify", "--repair", "--json")
    assert (result.exit_code, "repaired" in json.loads(result.stdout)) == (0, False)
