"""Settings of the embedded stack."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import default_home


class EmbeddedSettings(BaseSettings):
    """What `dragoman up` needs beside the services' own settings."""

    model_config = SettingsConfigDict(env_prefix="DRAGOMAN_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=default_home, description="folder of everything that `up` keeps")
    java_home: Path | None = Field(
        default=None, description="the Java (21 or newer) to run Kafka and Elasticsearch with"
    )
    cache: Path | None = Field(default=None, description="folder of downloads; the user's cache folder when not set")
    kafka_port: int = Field(default=0, ge=0, le=65535, description="Kafka's port; 0 takes a free one")
    elasticsearch_port: int = Field(default=0, ge=0, le=65535, description="Elasticsearch's port; 0 takes a free one")
    workers: int = Field(default=2, ge=1, le=64, description="worker processes")
