"""The small pure rules that every service leans on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.topics import RAW
from services.common.lag import PartitionLag
from services.common.liveness import StallDetector, StartDetector
from services.common.retries import Backoff
from services.common.settings import ENDPOINTS_FILE, ElasticsearchSettings, Settings


def test_lag_without_commits_is_a_stall() -> None:
    detector = StallDetector(limit_seconds=60)
    behind = [PartitionLag("t", 0, committed=5, end=9)]
    assert not detector.is_stalled(behind, 0.0, excused=False)
    assert not detector.is_stalled(behind, 60.0, excused=False)
    assert detector.is_stalled(behind, 61.0, excused=False)


def test_a_commit_an_idle_topic_or_an_outage_restarts_the_clock() -> None:
    for lags, excused in (
        ([PartitionLag("t", 0, 6, 9)], False),
        ([PartitionLag("t", 0, 9, 9)], False),
        ([PartitionLag("t", 0, 5, 9)], True),
    ):
        detector = StallDetector(limit_seconds=60)
        detector.is_stalled([PartitionLag("t", 0, 5, 9)], 0.0, excused=False)
        assert not detector.is_stalled(lags, 100.0, excused=excused)


def test_a_service_that_never_begins_while_kafka_answers_is_stuck() -> None:
    detector = StartDetector(limit_seconds=40)
    assert not detector.is_stuck(0.0, begun=False)
    assert not detector.is_stuck(40.0, begun=False)
    assert detector.is_stuck(41.0, begun=False)


def test_time_without_kafka_and_time_after_the_beginning_are_not_counted_as_stuck() -> None:
    detector = StartDetector(limit_seconds=40)
    assert not detector.is_stuck(0.0, begun=False)
    detector.pause()
    assert not detector.is_stuck(500.0, begun=False)
    assert not detector.is_stuck(530.0, begun=True)
    assert not detector.is_stuck(565.0, begun=False)


def test_backoff_grows_to_its_cap_and_starts_again() -> None:
    backoff = Backoff(base_seconds=0.2, cap_seconds=5, random=random.Random(1))
    waits = [backoff.next_seconds() for _ in range(50)]
    assert all(0.2 <= wait <= 5 for wait in waits)
    assert max(waits[20:]) > 2 > waits[0]
    backoff.reset()
    assert backoff.next_seconds() <= 0.2


def test_settings_take_the_environment_before_what_up_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = {"kafka_bootstrap": "127.0.0.1:1", "elasticsearch_url": "http://127.0.0.1:2"}
    (tmp_path / ENDPOINTS_FILE).write_text(json.dumps(written))
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    monkeypatch.setenv("DRAGOMAN_ELASTICSEARCH_URL", "http://elsewhere:9200")
    settings = ElasticsearchSettings()
    assert settings.kafka_bootstrap == "127.0.0.1:1"
    assert settings.elasticsearch_url == "http://elsewhere:9200"


def test_a_namespace_prefixes_every_name() -> None:
    assert Settings(namespace="sports").topic(RAW) == "sports.articles.raw"
    assert Settings(namespace="").topic(RAW) == "articles.raw"
    with pytest.raises(ValidationError):
        Settings(namespace="No Good")


def test_messages_may_be_larger_than_articles() -> None:
    settings = Settings(max_article_bytes=1_000_000)
    assert settings.max_message_bytes > 2 * settings.max_article_bytes
