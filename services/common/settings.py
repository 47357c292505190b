"""Settings that several services share; each service extends them with its own.

Read from, first to last: environment variables (`DRAGOMAN_…`), `$DRAGOMAN_HOME/endpoints.json` (written by
`dragoman up`), the defaults here.
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
"""What `dragoman up` writes into the home: the endpoints for every command, the processes for its own."""
GROUPING_SERVICES = frozenset({"dedup", "indexer"})
MESSAGE_OVERHEAD = 4
"""An enriched article carries content, text and paragraphs; one that is larger still is a dead letter."""
LETTER_OVERHEAD = 1.5
"""A dead letter carries the message in base64."""


def default_home() -> Path:
    """`DRAGOMAN_HOME`, or `.dragoman` in the working folder."""
    return Path(os.environ.get("DRAGOMAN_HOME") or ".dragoman").absolute()


class Settings(BaseSettings):
    """What every service needs."""

    model_config = SettingsConfigDict(env_prefix="DRAGOMAN_", extra="ignore", frozen=True)

    home: Path = Field(default_factory=default_home, description="folder of state: stores, logs, quarantine")
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9_-]*$")] = Field(
        default="", description="prefix of topics, consumer groups and indices"
    )
    grouping_version: int = Field(
        default=1,
        ge=1,
        le=999,
        description="which grouping is made and indexed: each has topics and a group of its own",
    )
    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="Kafka's bootstrap servers, comma-separated")
    partitions: int = Field(default=4, ge=1, le=1024, description="partitions of every topic whose number is not fixed")
    replication: int = Field(default=1, ge=1, description="replicas of every topic")
    max_article_bytes: int = Field(
        default=1024 * 1024, ge=1024, description="largest article content; Kafka's and bulk limits derive from it"
    )
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    metrics_host: str = Field(default="127.0.0.1", description="address of /metrics and /healthz")
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="port of /metrics and /healthz; 0 takes a free one"
    )
    instance: str = Field(default="", description="name of this process: static membership in the consumer group")
    dedup_url: str = Field(
        default="",
        description="address of dedup for `dragoman explain`, like http://dedup:9100 (default: the local stack's)",
    )
    stall_seconds: float = Field(
        default=120.0, gt=0, description="exit when there is lag and no commit for so long, to be restarted"
    )
    halt_window: int = Field(default=200, ge=10, description="number of last messages that the halt rule looks at")
    halt_percent: float = Field(
        default=50.0, gt=0, le=100, description="halt when more than this share of them became dead letters"
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.absolute()

    @property
    def max_message_bytes(self) -> int:
        """The largest message of a service: an article with its enrichment."""
        return self.max_article_bytes * MESSAGE_OVERHEAD + 256 * 1024

    @property
    def max_request_bytes(self) -> int:
        """The largest message Kafka must take: a dead letter around the largest message."""
        return int(self.max_message_bytes * LETTER_OVERHEAD) + 64 * 1024

    def name(self, name: str) -> str:
        """The name of a consumer group or an index inside this namespace."""
        return f"{self.namespace}.{name}" if self.namespace else name

    def topic(self, topic: Topic) -> str:
        """The name of a topic inside this namespace, with the grouping version if it holds grouping decisions."""
        return self.name(self.versioned(topic.name) if topic.versioned else topic.name)

    def group(self, service: str) -> str:
        """A service's consumer group: one of its own for each grouping version where it makes or indexes groupings."""
        return self.name(self.versioned(service) if service in GROUPING_SERVICES else service)

    def versioned(self, name: str) -> str:
        """The name of what every grouping version has for itself: as it is for the first, `NAME.v2` for the second."""
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
        """Put what `dragoman up` wrote between the environment and the defaults."""
        home = init_settings().get("home") or default_home()
        endpoints = JsonConfigSettingsSource(settings_cls, json_file=Path(home) / ENDPOINTS_FILE)
        return init_settings, env_settings, endpoints


class ElasticsearchSettings(Settings):
    """What a service needs that talks to Elasticsearch."""

    elasticsearch_url: str = Field(default="http://127.0.0.1:9200", description="Elasticsearch's URL")
    elasticsearch_username: str = Field(default="", description="user, where security is on")
    elasticsearch_password: SecretStr = Field(default=SecretStr(""), description="password of that user")
    elasticsearch_api_key: SecretStr = Field(default=SecretStr(""), description="API key, instead of user and password")
    elasticsearch_ca_certs: Path | None = Field(default=None, description="CA certificates, where the URL is https")
