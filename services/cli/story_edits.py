"""Makes, sends and reads edits of stories, and waits for them."""

from __future__ import annotations

import getpass
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from services.cli.output import err, fail, out, print_json
from services.cli.servers import answering

if TYPE_CHECKING:
    from schemas.story import EditAction, StoryEdit
    from services.search.stories import Library

WAIT_SECONDS = 60.0


def make_edit(
    action: EditAction, articles: list[str], other: str | None, reason: str | None, by: str | None
) -> StoryEdit:
    """A new edit with its own id and the current time."""
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
    """Put an edit on its topic. Returns when Kafka has confirmed it."""
    from schemas.topics import EDITS
    from services.common.messages import encode
    from services.common.producer import DeliveryError, SafeProducer
    from services.common.settings import Settings

    settings = Settings()
    try:
        with answering(settings, "Nothing was changed."), SafeProducer(settings) as producer:
            producer.send(settings.topic(EDITS), edit.edit_id.encode(), encode(edit))
            producer.flush()
    except DeliveryError as error:
        fail(f"{error}. Nothing was changed.")


def read_edits() -> list[StoryEdit]:
    """Every edit, oldest first."""
    from schemas.topics import EDITS
    from services.common.records import read_records
    from services.common.settings import Settings

    settings = Settings()
    with answering(settings):
        return edits_of(read_records(settings, EDITS))


def edits_of(records: Iterable[Any]) -> list[StoryEdit]:
    """The edits in these records, oldest first. A record that is not an edit is reported and skipped, as in dedup."""
    from schemas.story import StoryEdit
    from services.common.messages import RejectedMessage, decode

    found: dict[bytes, StoryEdit] = {}
    for record in records:
        if record.value is None:
            found.pop(record.key, None)
            continue
        try:
            found[record.key] = decode(StoryEdit, record.value)
        except RejectedMessage as error:
            err.print(f"Record {record.offset} is not an edit: {error}", style="yellow", soft_wrap=True)
    return sorted(found.values(), key=lambda edit: edit.made_at)


def wait_for(found: Library, is_done: Callable[[dict[str, Any]], bool], ids: list[str]) -> bool:
    """Whether the index shows the edit within one minute. `is_done` gets the articles by id."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found.client.indices.refresh(index=found.articles)
        if is_done({article_id: found.article(article_id) for article_id in ids}):
            return True
        time.sleep(0.5)
    return False


def report(edit: StoryEdit, *, done: bool, as_json: bool) -> None:
    """Print what was sent. Fail if the index does not show it yet."""
    if as_json:
        print_json({**edit.model_dump(mode="json"), "done": done})
    else:
        out.print(f"{edit.action.value.capitalize()} {edit.edit_id} of {len(edit.articles)} articles is on its way.")
    if not done:
        fail("The index does not show it yet. Articles outside the window of dedup do not change.", code=4)
