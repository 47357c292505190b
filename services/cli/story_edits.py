"""Edits of stories: made, sent, read, and waited for."""

from __future__ import annotations

import getpass
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from services.cli.output import fail, out, print_json

if TYPE_CHECKING:
    from schemas.story import EditAction, StoryEdit
    from services.api.stories import Library

WAIT_SECONDS = 60.0


def make_edit(
    action: EditAction, articles: list[str], other: str | None, reason: str | None, by: str | None
) -> StoryEdit:
    """An edit with an id of its own, made now."""
    from schemas.story import StoryEdit

    return StoryEdit(
        edit_id=uuid.uuid4().hex[:12],
        action=action,
        articles=tuple(dict.fromkeys(articles)),
        other=other,
        made_at=datetime.now(UTC),
        made_by=by or getpass.getuser(),
        reason=reason,
    )


def send(edit: StoryEdit) -> None:
    """Put an edit on its topic; returns when Kafka has confirmed it."""
    from kafka.errors import KafkaError

    from schemas.topics import EDITS
    from services.common.messages import encode
    from services.common.producer import DeliveryError, SafeProducer
    from services.common.settings import Settings

    settings = Settings()
    try:
        with SafeProducer(settings) as producer:
            producer.send(settings.topic(EDITS), edit.edit_id.encode(), encode(edit))
            producer.flush()
    except DeliveryError as error:
        fail(f"{error}. Nothing was changed.")
    except KafkaError as error:
        fail(f"Kafka at {settings.kafka_bootstrap} does not answer ({type(error).__name__}). Nothing was changed.")


def read_edits() -> list[StoryEdit]:
    """Every edit, oldest first."""
    from kafka.errors import KafkaError

    from schemas.story import StoryEdit
    from schemas.topics import EDITS
    from services.common.messages import decode
    from services.common.records import read_records
    from services.common.settings import Settings

    settings = Settings()
    try:
        found = {
            record.key: decode(StoryEdit, record.value) for record in read_records(settings, EDITS) if record.value
        }
    except KafkaError as error:
        fail(f"Kafka at {settings.kafka_bootstrap} does not answer ({type(error).__name__}).")
    return sorted(found.values(), key=lambda edit: edit.made_at)


def wait_for(found: Library, is_done: Callable[[dict[str, Any]], bool], ids: list[str]) -> bool:
    """Whether the index shows within a minute what was asked; `is_done` gets the articles by id."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found.client.indices.refresh(index=found.articles)
        if is_done({one: found.article(one) for one in ids}):
            return True
        time.sleep(0.5)
    return False


def report(edit: StoryEdit, *, done: bool, as_json: bool) -> None:
    """What was sent, and whether it shows."""
    if as_json:
        print_json({**edit.model_dump(mode="json"), "done": done})
    else:
        out.print(f"{edit.action.value.capitalize()} {edit.edit_id} of {len(edit.articles)} articles is on its way.")
    if not done:
        fail("The index does not show it yet: articles outside the lane's window stay as they are.", code=4)
