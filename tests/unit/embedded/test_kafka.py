"""What Kafka's storage is formatted with."""

from __future__ import annotations

import uuid

import pytest

from services.embedded.kafka import new_cluster_id


def test_a_cluster_id_is_never_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([uuid.UUID(bytes=b"\xf8" * 16), uuid.UUID(bytes=b"\xfb" * 16), uuid.UUID(bytes=b"\x01" * 16)])
    monkeypatch.setattr(uuid, "uuid4", lambda: next(drawn))
    assert new_cluster_id() == "AQEBAQEBAQEBAQEBAQEBAQ"
