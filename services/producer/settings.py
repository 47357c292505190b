"""Settings of the producer."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.settings import Settings
from services.producer.store import STORE_FILE


class ProducerSettings(Settings):
    """What the producer needs beside the common settings."""

    store_path: Path | None = Field(
        default=None, description="SQLite file of identity, revision and ledger; in DRAGOMAN_HOME when not set"
    )
    quarantine_path: Path | None = Field(
        default=None, description="folder for what is too large for Kafka; in DRAGOMAN_HOME when not set"
    )

    @property
    def store_file(self) -> Path:
        """The store's file."""
        return self.store_path or self.home / STORE_FILE

    @property
    def quarantine_folder(self) -> Path:
        """The quarantine's folder."""
        return self.quarantine_path or self.home / "quarantine"
