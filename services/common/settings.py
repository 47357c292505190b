"""Settings that several services share. Each service adds its own.

A value comes from the first of these that has it: environment variables (`DRAGOMAN_…`),
`$DRAGOMAN_HOME/endpoints.json` (written by `dragoman up`), the defaults here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, JsonConfigSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.topics import Topic

ENDPOINTS_FILE = "endpoints.json"
STACK_FILE = "stack.json"
"""`dragoman up` writes both files into the home. All commands read the endpoints. Some also read the processes."""
GROUPING_SERVICES = frozenset({"dedup", "indexer"})
MIB = 1024 * 1024
CONTENT_OVERHEAD = 2
"""In JSON a quotation mark or a line end of HTML takes two bytes."""
TEXT_OVERHEAD = 4
"""An enriched article has text of at most `LARGEST_TEXT` bytes of Latin script, and what was found in it."""
LARGEST_TEXT = MIB
LETTER_OVERHEAD = 1.5
"""A dead letter holds the message in base64."""


def default_home() -> Path:
    """`DRAGOMAN_HOME`, or `.dragoman` in the working folder."""
    return Path(os.environ.get("DRAGOMAN_HOME") or ".dragoman").absolute()


class Settings(BaseSettings):
    """The settings that every service needs."""

    model_config = SettingsConfigDict(env_prefix="DRAGOMAN_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=default_home, description="folder of state: stores, logs, quarantine")
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9_-]*$")] = Field(
        default="", description="prefix of topics, consumer groups and indices"
    )
    grouping_version: int = Field(
        default=1,
        ge=1,
        le=999,
        description="grouping version to make and index. Each version has its own topics and consumer group",
    )
    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="Kafka's bootstrap servers, comma-separated")
    partitions: int = Field(
        default=4, ge=1, le=1024, description="number of partitions of every topic without a fixed number"
    )
    replication: int = Field(default=1, ge=1, description="replicas of every topic")
    max_article_bytes: int = Field(
        default=8 * MIB,
        ge=1024,
        description="largest raw content. All limits of Kafka and its clients, and of requests, are derived from it",
    )
    raw_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="days for which Kafka keeps raw articles (default: 7 for a new topic, and what the topic has)",
    )
    archive: Path | None = Field(
        default=None,
        description="folder of WARC files that keep every raw article for ever; there is no archive when not set",
    )
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    metrics_host: str = Field(default="127.0.0.1", description="address of /metrics and /healthz")
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="port of /metrics and /healthz. 0 takes a free port"
    )
    instance: str = Field(
        default="", description="name of this process, used for static membership in the consumer group"
    )
    dedup_url: str = Field(
        default="",
        description="address of dedup for `dragoman explain`, like http://dedup:9100 (default: local stack)",
    )
    stall_seconds: float = Field(
        default=120.0,
        gt=0,
        description="after this time with lag and without a commit, the process exits to be restarted",
    )
    halt_window: int = Field(default=200, ge=10, description="number of recent messages that the halt rule checks")
    halt_percent: float = Field(
        default=50.0, gt=0, le=100, description="halt when more than this share of them became dead letters"
    )

    @field_validator("home", "archive")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.absolute() if value is not None else None

    @property
    def max_message_bytes(self) -> int:
        """The largest message behind the worker: an article with its enrichment. A larger one is a dead letter."""
        return min(self.max_article_bytes, LARGEST_TEXT) * TEXT_OVERHEAD + 256 * 1024

    @property
    def max_raw_bytes(self) -> int:
        """The largest message with raw content: a raw article, or one between two stages."""
        return self.max_article_bytes * CONTENT_OVERHEAD + self.max_message_bytes

    @property
    def max_request_bytes(self) -> int:
        """The largest message that Kafka must accept: a dead letter that holds the largest message."""
        return int(self.max_raw_bytes * LETTER_OVERHEAD) + 64 * 1024

    def name(self, name: str) -> str:
        """The name of a consumer group or an index in this namespace."""
        return f"{self.namespace}.{name}" if self.namespace else name

    def topic(self, topic: Topic) -> str:
        """The name of a topic in this namespace. If it holds grouping decisions, the name has the grouping version."""
        return self.name(self.versioned(topic.name) if topic.versioned else topic.name)

    def group(self, service: str) -> str:
        """The consumer group of a service. Services that make or index groupings have one for each grouping version."""
        return self.name(self.versioned(service) if service in GROUPING_SERVICES else service)

    def versioned(self, name: str) -> str:
        """The name with the grouping version: `NAME` for version 1, `NAME.v2` for version 2."""
        return name if self.grouping_version == 1 else f"{name}.v{self.grouping_version}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the file of `dragoman up` after the environment and before the defaults."""
        home = init_settings().get("home") or default_home()
        endpoints = JsonConfigSettingsSource(settings_cls, json_file=Path(home) / ENDPOINTS_FILE)
        return init_settings, env_settings, endpoints


class ElasticsearchSettings(Settings):
    """The settings that a service needs to use Elasticsearch."""

    elasticsearch_url: str = Field(default="http://127.0.0.1:9200", description="Elasticsearch's URL")
    elasticsearch_username: str = Field(default="", description="user name, if security is on")
    elasticsearch_password: SecretStr = Field(default=SecretStr(""), description="password of that user")
    elasticsearch_api_key: SecretStr = Field(default=SecretStr(""), description="API key, instead of user and password")
    elasticsearch_ca_certs: Path | None = Field(default=None, description="CA certificates, if the URL is https")
