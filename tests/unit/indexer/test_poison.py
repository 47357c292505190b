"""Whatever stands on a topic is a document or a dead letter, also when it says the current version."""

from __future__ import annotations

import contextlib
import random

import pytest

from schemas.topics import GROUPED, STORIES
from services.common.dead_letters import Received
from services.common.messages import RejectedMessage
from services.indexer.documents import to_action
from tests.chaos.faults.poison import twins
from tests.examples import GROUPED_EXAMPLES

SENT_ON = {b"twin-new-field"}
"""The strict mapping of the index refuses this one."""


@pytest.mark.parametrize("is_story", [False, True])
def test_a_twin_of_the_current_version_is_refused(*, is_story: bool) -> None:
    kinds = list(twins(STORIES if is_story else GROUPED))
    assert len(kinds) >= 14
    for key, value in kinds:
        message = Received("t", 0, 0, None, key, value)
        if key in SENT_ON and not is_story:
            action, _ = to_action(message, "articles", is_story=is_story)
            assert action.document is not None
            assert b"new_field" in action.document
            continue
        with pytest.raises(RejectedMessage):
            to_action(message, "articles", is_story=is_story)


def test_bytes_changed_at_random_never_end_in_another_error() -> None:
    chance = random.Random(3)
    refused = 0
    for value in GROUPED_EXAMPLES.values():
        for _ in range(150):
            changed = bytearray(value)
            for _ in range(chance.randint(1, 4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            with contextlib.suppress(RejectedMessage):
                to_action(Received("t", 0, 0, None, b"k", bytes(changed)), "articles", is_story=False)
                continue
            refused += 1
    assert refused > 100
