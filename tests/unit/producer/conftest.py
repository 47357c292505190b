"""What the tests of the producer share."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.producer.ledger.store import Store


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store to copy, because creating its tables waits for the disk."""
    path = tmp_path_factory.mktemp("store") / "producer.sqlite"
    Store(path).close()
    return path
