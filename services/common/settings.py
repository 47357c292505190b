"""Settings that several services share. Each service adds its own.

A value comes from the first of these that has it: environment variables (`DRAGOMAN_…`), for a secret the file that
`DRAGOMAN_…_FILE` names, `$DRAGOMAN_HOME/endpoints.json` (written by `dragoman up`), the defaults here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from schemas.topics import Topic
from services.common.exits import EXIT_CONFIGURATION, UnusableProcessError

ENDPOINTS_FILE = "endpoints.json"
STACK_FILE = "stack.json"
"""`dragoman up` writes both files into the home. All commands read the endpoints. Some also read the processes."""
CLIENT_FILE = "client.json"
"""What programs of others need to reach the servers of `dragoman up`, with a password. Only its user can read it."""
HEADER_FILE = "elasticsearch.header"
"""The header with which curl may ask Elasticsearch: `curl --header @FILE`."""
GROUPING_SERVICES = frozenset({"dedup", "indexer"})
MIB = 1024 * 1024
CONTENT_OVERHEAD = 2
"""In JSON a quotation mark or a line end of HTML takes two bytes."""
TEXT_OVERHEAD = 4
"""An enriched article has text of at most `LARGEST_TEXT` bytes of Latin script, and what was found in it."""
LARGEST_TEXT = MIB
LETTER_OVERHEAD = 1.5
"""A dead letter holds the message in base64."""


USER_AND_PASSWORD = frozenset({"elasticsearch_username", "elasticsearch_password"})


def default_home() -> Path:
    """`DRAGOMAN_HOME`, or `.dragoman` in the working folder."""
    return Path(os.environ.get("DRAGOMAN_HOME") or ".dragoman").absolute()


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads each secret from the file that `DRAGOMAN_…_FILE` names. UnusableProcessError when it is no secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file without white space at its ends, or None."""
        variable = f"DRAGOMAN_{field_name.upper()}_FILE"
        path = os.environ.get(variable, "")
        if field.annotation is not SecretStr or not path:
            return None, field_name, False
        try:
            secret = Path(path).read_text(encoding="utf8").strip()
        except OSError as error:
            raise UnusableProcessError(EXIT_CONFIGURATION, f"{variable}={path}: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise UnusableProcessError(EXIT_CONFIGURATION, f"{variable}={path} is no text.") from error
        if not secret:
            raise UnusableProcessError(EXIT_CONFIGURATION, f"{variable}={path} is empty.")
        return secret, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The secrets that have a file."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class EndpointsSource(JsonConfigSettingsSource):
    """Reads the file of `dragoman up`. Users and passwords in it hold only for the server that it names."""

    def __call__(self) -> dict[str, Any]:
        """The settings of the file, without those of a server for which another address is stated."""
        found = super().__call__()
        for address, prefix in (("kafka_bootstrap", "kafka_"), ("elasticsearch_url", "elasticsearch_")):
            if self.current_state.get(address, found.get(address)) != found.get(address):
                found = {name: value for name, value in found.items() if not name.startswith(prefix)}
        if self.current_state.get("elasticsearch_api_key"):  # it takes the place of user and password
            found = {name: value for name, value in found.items() if name not in USER_AND_PASSWORD}
        return found


class ConnectionSettings(BaseSettings):
    """Where values come from: the arguments, the environment, a secret's file, the file of `dragoman up`."""

    model_config = SettingsConfigDict(
        env_prefix="DRAGOMAN_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

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
        endpoints = EndpointsSource(settings_cls, json_file=Path(home) / ENDPOINTS_FILE)
        return init_settings, env_settings, SecretFileSource(settings_cls), endpoints


class KafkaSettings(ConnectionSettings):
    """How every client reaches Kafka. `services.common.kafka` turns them into the options of the clients."""

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="Kafka's bootstrap servers, comma-separated")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, for the SASL protocols"
    )
    kafka_username: str = Field(default="", description="user name for SASL")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="password of that user")
    kafka_ca_certs: Path | None = Field(
        default=None, description="PEM file of the CA of the brokers (default: the CAs of the system)"
    )
    kafka_client_cert: Path | None = Field(default=None, description="PEM file of our certificate, for mutual TLS")
    kafka_client_key: Path | None = Field(
        default=None, description="PEM file of its key, if it is not in the same file. Without a password"
    )

    @property
    def kafka_has_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def kafka_has_sasl(self) -> bool:
        """Whether a user name and a password are sent."""
        return self.kafka_security_protocol.startswith("SASL")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.kafka_has_sasl and not (self.kafka_username and self.kafka_password.get_secret_value()):
            raise ValueError(
                f"{self.kafka_security_protocol} needs DRAGOMAN_KAFKA_USERNAME, and DRAGOMAN_KAFKA_PASSWORD or "
                "DRAGOMAN_KAFKA_PASSWORD_FILE"
            )
        if not self.kafka_has_tls and (self.kafka_ca_certs or self.kafka_client_cert):
            raise ValueError("certificates need DRAGOMAN_KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")
        return self


class Settings(KafkaSettings):
    """The settings that every service needs."""

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
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="names with a dot by which our HTTP ports may be asked, comma-separated. Addresses, `localhost` "
        "and names without a dot always may",
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

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return (
            tuple(name.strip().lower() for name in value.split(",") if name.strip())
            if isinstance(value, str)
            else value
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


class ElasticsearchSettings(Settings):
    """The settings that a service needs to use Elasticsearch."""

    elasticsearch_url: str = Field(default="http://127.0.0.1:9200", description="Elasticsearch's URL")
    elasticsearch_username: str = Field(default="", description="user name, if security is on")
    elasticsearch_password: SecretStr = Field(default=SecretStr(""), description="password of that user")
    elasticsearch_api_key: SecretStr = Field(default=SecretStr(""), description="API key, instead of user and password")
    elasticsearch_ca_certs: Path | None = Field(default=None, description="CA certificates, if the URL is https")
