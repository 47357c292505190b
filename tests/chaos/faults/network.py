"""The network between the services and Kafka or Elasticsearch is slow, cuts connections, or drops everything."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.faults.answers import indexer_behind
from tests.chaos.pipeline import Pipeline
from tests.chaos.registry import Place, Traffic, fault
from tests.chaos.rounds import Round, wait_until_settled
from tests.chaos.traffic import wait_until
from tests.chaos.wire import Wire

MESSAGES = 80
RATE = 2.0
SECONDS = 40
DELAY_SECONDS = 0.3
CUTS_EVERY = 10
SILENT_SECONDS = 30
START_SECONDS = 60


@fault(traffic=Traffic.OWN, place=Place.FRESH)
def network_kafka_slow(run: Round) -> None:
    """Every piece of bytes from and to Kafka takes 0.3 seconds, for 40 seconds."""
    kafka_behind_wire(run, slow)


@fault(traffic=Traffic.OWN, place=Place.FRESH)
def network_kafka_cut(run: Round) -> None:
    """Every tenth answer of Kafka ends in its middle with its connection, for 40 seconds."""
    kafka_behind_wire(run, cut)


@fault(traffic=Traffic.OWN, place=Place.FRESH)
def network_kafka_black_hole(run: Round) -> None:
    """No byte from or to Kafka comes through for 30 seconds, and no connection ends."""
    kafka_behind_wire(run, black_hole)


@fault(messages=MESSAGES, rate=RATE)
def network_elasticsearch_slow(run: Round) -> None:
    """Every piece of bytes between the indexer and Elasticsearch takes 0.3 seconds, for 40 seconds."""
    elasticsearch_behind_wire(run, slow)


@fault(messages=MESSAGES, rate=RATE)
def network_elasticsearch_cut(run: Round) -> None:
    """Every tenth answer of Elasticsearch ends in its middle with its connection, for 40 seconds."""
    elasticsearch_behind_wire(run, cut)


@fault(messages=MESSAGES, rate=RATE)
def network_elasticsearch_black_hole(run: Round) -> None:
    """No byte between the indexer and Elasticsearch comes through for 30 seconds, and no connection ends."""
    elasticsearch_behind_wire(run, black_hole)


def slow(run: Round, wire: Wire) -> None:
    """Every piece of bytes is late."""
    wire.delay = DELAY_SECONDS
    run.wait(SECONDS)
    wire.delay = 0.0


def cut(run: Round, wire: Wire) -> None:
    """Connections end in the middle of an answer."""
    wire.cuts_every = CUTS_EVERY
    run.wait(SECONDS)
    wire.cuts_every = 0


def black_hole(run: Round, wire: Wire) -> None:
    """Nothing comes through."""
    run.wait(2, 6)
    with wire.silent():
        run.wait(SILENT_SECONDS)


def kafka_behind_wire(run: Round, disturb: Callable[[Round, Wire], None]) -> None:
    """Everybody talks to Kafka through a wire, also the replay and the oracle: Kafka says that this is its address.

    Only the first question of a client, where Kafka is, does not take the wire.
    """
    pipeline = run.pipeline
    wire = run.cleanup.enter_context(Wire(pipeline.ports.kafka_port))
    run.cleanup.callback(pipeline.stop)  # before the wire ends, so that the services can say goodbye
    with pipeline.stopped("kafka"):
        advertise(pipeline, wire.port)
    wait_until_settled(pipeline, START_SECONDS)
    run.replay(MESSAGES, RATE)
    disturb(run, wire)
    run.notes["wire"] = dict(wire.counts)


def advertise(pipeline: Pipeline, port: int) -> None:
    """Write into Kafka's configuration that clients find it at another port."""
    path = pipeline.home / "kafka" / "server.properties"
    name, where = "advertised.listeners=PLAINTEXT://127.0.0.1:", str(pipeline.ports.kafka_port)
    text = path.read_text(encoding="utf8")
    path.write_text(text.replace(name + where, f"{name}{port}"), encoding="utf8")


def elasticsearch_behind_wire(run: Round, disturb: Callable[[Round, Wire], None]) -> None:
    """The indexer talks to Elasticsearch through a wire."""
    pipeline = run.pipeline
    with Wire(pipeline.ports.elasticsearch_port) as wire, pipeline.stopped("indexer"):
        with indexer_behind(pipeline, wire.port) as starts:
            wait_until(lambda: wire.counts["connections"] > 0, START_SECONDS)
            disturb(run, wire)
        run.notes["indexer_starts"] = len(starts)
    run.notes["wire"] = dict(wire.counts)
