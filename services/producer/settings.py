"""Settings of the producer."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from services import __version__
from services.common.settings import Settings, default_home

STORE_FILE = "producer.sqlite"
FEEDS_FILE = "feeds.yaml"
Network = IPv4Network | IPv6Network


def parse_networks(text: str) -> tuple[Network, ...]:
    """`127.0.0.0/8, fd00::/8` as networks. ValueError when a part is not a network."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


class ProducerSettings(Settings):
    """The settings that only the producer has."""

    store_path: Path | None = Field(
        default=None,
        description="SQLite file with identities, revisions, the ledger and the feeds; in DRAGOMAN_HOME when not set",
    )
    quarantine_path: Path | None = Field(
        default=None,
        description="folder for articles that are too large or cannot be decoded; in DRAGOMAN_HOME when not set",
    )
    feeds: Path = Field(
        default_factory=lambda values: values.get("home", default_home()) / FEEDS_FILE,
        description="the feeds file; in DRAGOMAN_HOME when not set. The producer applies edits at once",
    )
    connections: int = Field(
        default=64,
        ge=1,
        le=5000,
        description="maximum number of HTTP connections at the same time, to all hosts together",
    )
    host_connections: int = Field(
        default=2, ge=1, le=100, description="maximum number of HTTP connections at the same time to one host"
    )
    host_spacing_seconds: float = Field(
        default=1.0, ge=0, le=3600, description="minimum time between two requests to one host"
    )
    fetch_seconds: float = Field(default=60.0, gt=0, le=3600, description="maximum time for receiving a whole document")
    max_document_bytes: int = Field(
        default=10 * 1024 * 1024, ge=1024, description="largest size of a feed, sitemap or page after decompression"
    )
    retry_seconds: float = Field(
        default=60.0,
        gt=0,
        description="wait after the first failed poll; it doubles with each failure, up to hours by kind of error",
    )
    allow_networks: str = Field(
        default="", description="networks that are not public but may be fetched from, for example 10.1.0.0/16, ::1/128"
    )
    user_agent: str = Field(
        default=f"Dragoman/{__version__} (news feed collector)",
        min_length=3,
        description="User-Agent that the collector sends",
    )
    outbox_messages: int = Field(
        default=100_000,
        ge=100,
        description="messages kept while Kafka is not available; when the outbox is full, collecting waits",
    )
    ingest_host: str = Field(default="127.0.0.1", description="address of POST /articles")
    ingest_port: int = Field(default=0, ge=0, le=65535, description="port of POST /articles; 0 takes a free port")
    ingest_token: SecretStr = Field(
        default=SecretStr(""), description="bearer token of POST /articles; in DRAGOMAN_HOME/ingest.token when not set"
    )

    @field_validator("allow_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @field_validator("feeds")
    @classmethod
    def _absolute_feeds(cls, value: Path) -> Path:
        return value.absolute()

    @property
    def store_file(self) -> Path:
        """Path of the SQLite store."""
        return self.store_path or self.home / STORE_FILE

    @property
    def quarantine_folder(self) -> Path:
        """Path of the quarantine folder."""
        return self.quarantine_path or self.home / "quarantine"

    @property
    def token_file(self) -> Path:
        """File with the token of POST /articles. It is used when the environment sets no token."""
        return self.home / "ingest.token"
