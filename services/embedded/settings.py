"""Settings of the embedded stack."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import default_home


class EmbeddedSettings(BaseSettings):
    """The settings of `dragoman up`, in addition to those of the services."""

    model_config = SettingsConfigDict(env_prefix="DRAGOMAN_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=default_home, description="folder for all files of `up`")
    java_home: Path | None = Field(
        default=None, description="home of the Java (21 or newer) that runs Kafka and Elasticsearch"
    )
    cache: Path | None = Field(default=None, description="folder of downloads. If not set, the user's cache folder")
    kafka_port: int = Field(default=0, ge=0, le=65535, description="Kafka's port. 0 takes a free port")
    elasticsearch_port: int = Field(default=0, ge=0, le=65535, description="Elasticsearch's port. 0 takes a free port")
    server_compiler: Literal["full", "quick"] = Field(
        default="full",
        description="compiler of Kafka's and Elasticsearch's JVM. `quick` is faster for the first 10,000 articles",
    )
    workers: int = Field(default=2, ge=1, le=64, description="number of worker processes")
