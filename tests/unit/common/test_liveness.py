"""The probe publishes lag and ends a process that has work and does none, or never began."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError
from prometheus_client import REGISTRY

from services.common import liveness
from services.common.exits import EXIT_TEMPORARY
from services.common.lag import PartitionLag
from services.common.liveness import INTERVAL_SECONDS, START_SECONDS, LivenessProbe, StallDetector
from services.common.settings import Settings
from tests.fakes import FakeAdmin, FakeKafka

LIMIT = 120.0


class Exited(BaseException):
    """The process would have ended here; no `except Exception` keeps it."""


class Stopped(BaseException):
    """The test has seen enough of an endless loop."""


class Process:
    """Clock and exit of a process; time passes when the test says so, or in sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []
        self.last_nap = 10**9

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
        if len(self.naps) >= self.last_nap:
            raise Stopped

    def _exit(self, code: int) -> None:
        raise Exited(code)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    made = Process()
    monkeypatch.setattr(liveness, "os", made)
    monkeypatch.setattr(liveness, "time", made)
    monkeypatch.setattr(liveness, "read_ages", lambda *_: {})
    return made


class Service:
    """What the probe asks of its service."""

    def __init__(self, home: Path) -> None:
        self.name = home.name  # a label of its own for each test
        self.assigned = {("raw", 0)}
        self.excused = False
        self.begun = True
        self.probe = LivenessProbe(
            Settings(home=home, stall_seconds=LIMIT),
            self.name,
            "worker",
            ("raw", "edits"),
            lambda: self.assigned,
            lambda: self.excused,
            lambda: self.begun,
        )
        self.detector = StallDetector(LIMIT)

    def measure(self, *lags: PartitionLag) -> None:
        self.probe._measure(list(lags), self.detector)

    def metric(self, name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"service": self.name, **labels})


@pytest.fixture
def service(tmp_path: Path, process: Process) -> Service:
    del process
    return Service(tmp_path)


IDLE = PartitionLag("raw", 0, committed=9, end=9)
NO_EDITS = PartitionLag("edits", 0, committed=0, end=0)
BEHIND = PartitionLag("raw", 0, committed=5, end=9)
OTHERS = PartitionLag("raw", 1, committed=0, end=100)


def test_lag_is_published_for_each_topic_of_the_group(service: Service) -> None:
    """The lag of partitions that another process has is the group's lag too."""
    service.measure(BEHIND, OTHERS)
    assert service.metric("dragoman_lag_messages", topic="raw") == 104
    assert service.metric("dragoman_lag_messages", topic="edits") == 0


def test_lag_without_a_commit_ends_the_process(service: Service, process: Process) -> None:
    service.measure(BEHIND)
    process.now += LIMIT
    service.measure(BEHIND)
    process.now += 1
    with pytest.raises(Exited) as caught:
        service.measure(BEHIND)
    assert caught.value.args == (EXIT_TEMPORARY,) == (75,)


def test_a_commit_in_time_keeps_it_alive(service: Service, process: Process) -> None:
    for committed in range(5, 9):
        service.measure(PartitionLag("raw", 0, committed, end=9))
        process.now += LIMIT
    service.measure(BEHIND)


def test_another_processs_stall_is_not_ours(service: Service, process: Process) -> None:
    for _ in range(3):
        service.measure(OTHERS, PartitionLag("raw", 0, committed=9, end=9))
        process.now += LIMIT


def test_an_excuse_starts_the_clock_anew(service: Service, process: Process) -> None:
    service.measure(BEHIND)
    process.now += LIMIT + 1
    service.excused = True
    service.measure(BEHIND)
    service.excused = False
    process.now += LIMIT
    service.measure(BEHIND)


def test_a_service_that_never_began_ends(service: Service, process: Process) -> None:
    service.begun, service.assigned = False, set()
    service.measure()
    process.now += START_SECONDS
    service.measure()
    process.now += 1
    with pytest.raises(Exited) as caught:
        service.measure()
    assert caught.value.args == (EXIT_TEMPORARY,)


def test_progress_is_a_commit_or_nothing_to_do(service: Service, process: Process) -> None:
    service.measure(BEHIND)
    first = service.metric("dragoman_last_progress_timestamp_seconds")
    assert first
    gauge = liveness.PROGRESS.labels(service.name)
    gauge.set(1)
    process.now += 5
    service.measure(BEHIND)
    assert service.metric("dragoman_last_progress_timestamp_seconds") == 1
    process.now += 5
    service.measure(PartitionLag("raw", 0, committed=6, end=9))
    assert service.metric("dragoman_last_progress_timestamp_seconds") != 1


def with_topics() -> FakeKafka:
    """A broker with the topics of the service."""
    kafka = FakeKafka()
    kafka.make_topic("raw")
    kafka.make_topic("edits")
    return kafka


class Admins:
    """Makes admin clients; the first calls fail, as while Kafka is away."""

    def __init__(self, kafka: FakeKafka, failures: int) -> None:
        self.kafka = kafka
        self.failures = failures
        self.made: list[FakeAdmin] = []

    def __call__(self, _: Settings) -> FakeAdmin:
        if self.failures:
            self.failures -= 1
            raise KafkaConnectionError("nobody is there")
        self.made.append(FakeAdmin(self.kafka))
        return self.made[-1]


def test_the_probe_measures_for_ever_with_a_client_of_its_own(
    service: Service, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = with_topics()
    kafka.append("raw", b"k", b"v")
    admins = Admins(kafka, failures=0)
    monkeypatch.setattr(liveness, "admin_client", admins)
    process.last_nap = 4
    with pytest.raises(Stopped):
        service.probe._run()
    assert process.naps == [INTERVAL_SECONDS] * 4
    assert service.metric("dragoman_lag_messages", topic="raw") == 1
    assert [admin.closed for admin in admins.made] == [True]


def test_an_outage_of_kafka_ends_no_process(
    service: Service, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the service nor its start can be blamed for it, however long it lasts."""
    kafka = with_topics()
    kafka.append("raw", b"k", b"v")
    failures = int(START_SECONDS / INTERVAL_SECONDS) * 3
    monkeypatch.setattr(liveness, "admin_client", Admins(kafka, failures))
    service.begun = False
    process.last_nap = failures + 2
    with pytest.raises(Stopped):
        service.probe._run()


def test_an_outage_during_the_start_does_not_count(
    service: Service, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = int(START_SECONDS / INTERVAL_SECONDS) + 2
    measured: list[Exception | None] = [None, *[KafkaConnectionError("gone")] * outage, None]

    def read_lag(*_: object) -> list[PartitionLag]:
        one = measured.pop(0)
        if one is not None:
            raise one
        return [IDLE, NO_EDITS]

    monkeypatch.setattr(liveness, "admin_client", Admins(with_topics(), failures=0))
    monkeypatch.setattr(liveness, "read_lag", read_lag)
    service.begun = False
    process.last_nap = len(measured)
    with pytest.raises(Stopped):
        service.probe._run()
    assert measured == []


def test_an_outage_in_between_forgets_what_was_measured_before_it(
    service: Service, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can commit while Kafka is away."""
    measured: list[Any] = [[BEHIND, NO_EDITS], KafkaConnectionError("gone"), *[[BEHIND, NO_EDITS]] * 2]

    def read_lag(*_: object) -> list[PartitionLag]:
        process.now += LIMIT - INTERVAL_SECONDS
        one = measured.pop(0)
        if isinstance(one, Exception):
            raise one
        return list(one)

    admins = Admins(with_topics(), failures=0)
    monkeypatch.setattr(liveness, "admin_client", admins)
    monkeypatch.setattr(liveness, "read_lag", read_lag)
    process.last_nap = 4
    with pytest.raises(Stopped):
        service.probe._run()
    assert measured == []
    assert [admin.closed for admin in admins.made] == [True, True]


def test_a_stall_ends_the_process_from_within_the_probes_loop(
    service: Service, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka = with_topics()
    kafka.append("raw", b"k", b"v")
    kafka.committed["worker", TopicPartition("raw", 0)] = 0
    monkeypatch.setattr(liveness, "admin_client", Admins(kafka, failures=0))
    process.last_nap = int(LIMIT / INTERVAL_SECONDS) + 2
    with pytest.raises(Exited):
        service.probe._run()


def test_the_probes_thread_keeps_no_process_alive(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []
    monkeypatch.setattr(
        liveness,
        "threading",
        SimpleNamespace(Thread=lambda **options: SimpleNamespace(start=lambda: started.append(options))),
    )
    service.probe.start()
    (options,) = started
    assert options["daemon"] is True
    assert options["target"] == service.probe._run


def test_a_topic_that_was_deleted_ends_the_process_so_that_the_next_one_makes_it(
    service: Service, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look may be wrong: metadata comes late."""
    looks = [[IDLE, NO_EDITS], [NO_EDITS], [IDLE, NO_EDITS], [NO_EDITS], [NO_EDITS]]
    monkeypatch.setattr(liveness, "admin_client", Admins(with_topics(), failures=0))
    monkeypatch.setattr(liveness, "read_lag", lambda *_: looks.pop(0))
    process.last_nap = 10
    with pytest.raises(Exited) as ended:
        service.probe._run()
    assert (ended.value.args, looks) == ((75,), [])


def test_the_age_of_the_lag_is_published_and_goes_with_it(
    service: Service, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "read_ages", lambda *_: {"raw": 700.0, "edits": 0.0})
    monkeypatch.setattr(liveness, "read_retention", lambda *_: {"raw": 1000.0, "edits": math.inf})
    admin: Any = FakeAdmin(with_topics())
    service.probe._measure_age(admin, [BEHIND, NO_EDITS])
    assert service.metric("dragoman_lag_age_seconds", topic="raw") == 700
    assert REGISTRY.get_sample_value("dragoman_retention_seconds", {"topic": "raw"}) == 1000
    assert REGISTRY.get_sample_value("dragoman_retention_seconds", {"topic": "edits"}) == math.inf
    process.now += 1
    service.probe._measure_age(admin, [IDLE, NO_EDITS])
    assert service.metric("dragoman_lag_age_seconds", topic="raw") == 0


def test_an_unknown_age_ends_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> dict[str, float]:
        raise KafkaConnectionError("gone")

    monkeypatch.setattr(liveness, "read_ages", fail)
    admin: Any = FakeAdmin(with_topics())
    service.probe._measure_age(admin, [BEHIND, NO_EDITS])
    assert service.metric("dragoman_lag_age_seconds", topic="raw") is None, "no age is better than a wrong one"
