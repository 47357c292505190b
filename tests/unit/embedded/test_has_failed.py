"""Which ends of a starting process `up` waits out."""

from __future__ import annotations

import pytest

from services.common.exits import EXIT_TEMPORARY
from services.embedded.stack import has_failed
from services.embedded.supervisor import ProcessState


@pytest.mark.parametrize(
    ("state", "exit_status", "failed"),
    [
        ("running", 0, False),
        ("starting", EXIT_TEMPORARY, False),
        ("exited", 1, True),
        ("exited", EXIT_TEMPORARY, False),
        ("backoff", EXIT_TEMPORARY, True),
        ("fatal", 0, True),
    ],
)
def test_only_a_stalled_service_is_waited_for(state: str, exit_status: int, *, failed: bool) -> None:
    assert has_failed(ProcessState("worker-1", state, None, 0.0, "", exit_status)) is failed
