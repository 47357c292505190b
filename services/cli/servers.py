"""What a command says when Kafka or Elasticsearch does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.cli.output import fail

if TYPE_CHECKING:
    from services.common.settings import Settings


@contextmanager
def answering(settings: Settings, note: str = "") -> Iterator[None]:
    """End the command with a sentence and exit code 1 where a server does not answer; `note` is added to it."""
    from elasticsearch import ApiError, TransportError
    from kafka.errors import KafkaError

    try:
        yield
    except (KafkaError, ApiError, TransportError) as error:
        fail(f"{problem(settings, error)} {note}".rstrip())


def problem(settings: Settings, error: Exception) -> str:
    """The sentence: which server, where, and what it answered."""
    from kafka.errors import KafkaError

    from services.common.settings import ElasticsearchSettings

    if isinstance(error, KafkaError):
        return f"Kafka at {settings.kafka_bootstrap} does not answer ({type(error).__name__})."
    where = settings if isinstance(settings, ElasticsearchSettings) else ElasticsearchSettings()
    return f"Elasticsearch at {where.elasticsearch_url} does not answer as it should: {error}".rstrip(".") + "."
