"""Kafka itself loses messages: retention, or a topic that somebody deletes.

Kafka does not bring them back. `dragoman verify` names the articles that are missing then, and `dragoman verify
--repair` sends them again, which a person does, or cron every night. So each class here does it at the end, and
promises that nothing is lost after that.
"""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from schemas.topics import RAW
from services.common.kafka import client_options
from services.common.topics import admin_client
from tests.chaos.pipeline import Pipeline, PipelineError
from tests.chaos.registry import Place, fault
from tests.chaos.rounds import Round, wait_until_settled

WORKERS = ("worker-1", "worker-2")
UNREAD_SECONDS = 4
SETTLE_SECONDS = 150
WHOLE, NOT_WHOLE = 0, 4
"""Exit codes of `verify`."""


@fault(place=Place.FRESH, patience=120)
def retention_expired_under_lag(run: Round) -> None:
    """The workers are stopped for so long that retention removes what they have not read. `verify --repair` follows."""
    settings = run.pipeline.settings
    topic = settings.topic(RAW)
    with run.pipeline.stopped(*WORKERS):
        run.wait(8)
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer = KafkaConsumer(**client_options(settings))
        ends = consumer.end_offsets(partitions)
        consumer.close()
        admin = admin_client(settings)
        admin.delete_records(ends)
        admin.close()
    run.notes["removed_up_to"] = sum(ends.values())
    repair(run)


@fault(place=Place.FRESH, patience=120)
def topic_deleted(run: Round) -> None:
    """Somebody deletes articles.raw in the middle of a replay, with messages unread. `verify --repair` follows."""
    settings = run.pipeline.settings
    with ExitStack() as frozen:
        for name in WORKERS:
            frozen.enter_context(run.pipeline.frozen(name))
        run.wait(UNREAD_SECONDS)
        admin = admin_client(settings)
        admin.delete_topics([settings.topic(RAW)])
        admin.close()
    repair(run)


def repair(run: Round) -> None:
    """Wait until nothing waits any more, and bring back what is missing then, as a person or cron would."""
    began = time.monotonic()
    run.finish_sending()
    settled, left = wait_until_settled(run.pipeline, SETTLE_SECONDS)
    if settled is None:
        run.needs.append(f"not finished after {SETTLE_SECONDS} s, before the repair: {left}")
    run.notes["settled_after_s"] = round(time.monotonic() - began)
    missing = verify(run.pipeline)["missing"]
    if not missing:
        raise PipelineError("Kafka lost nothing that was not read before: there is nothing to repair")
    found = verify(run.pipeline, "--repair")
    run.notes["person"] = f"repaired by `verify --repair`: {len(found['repaired'])} of {len(missing)} missing"
    if found["missing"] or found["different"] or found["not_repaired"]:
        reasons = ", ".join(sorted(set(found["not_repaired"].values())))
        run.needs.append(f"{len(found['missing'])} articles are missing after `verify --repair`: {reasons}"[:300])


def verify(pipeline: Pipeline, *arguments: str) -> dict[str, Any]:
    """What `verify` found."""
    done = pipeline.run("verify", "--json", *arguments)
    if done.returncode not in {WHOLE, NOT_WHOLE}:
        raise PipelineError(f"`verify` ended with {done.returncode}: {(done.stdout + done.stderr)[-300:]}")
    found: dict[str, Any] = {"repaired": [], "not_repaired": {}} | json.loads(done.stdout)
    return found
