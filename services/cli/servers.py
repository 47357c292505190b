"""Ends a command with a sentence if a server does not answer, or if the ledger or an optional part is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.cli.output import fail

if TYPE_CHECKING:
    from services.common.settings import Settings
    from services.producer.ledger.store import Store
    from services.producer.settings import ProducerSettings

OWN_PACKAGES = frozenset({"schemas", "seeds", "services"})


@contextmanager
def answering(settings: Settings, note: str = "") -> Iterator[None]:
    """End the command with a sentence and exit code 1 if a server does not answer. `note` is added to the sentence."""
    from elasticsearch import ApiError, TransportError
    from kafka.errors import KafkaError

    try:
        yield
    except (KafkaError, ApiError, TransportError) as error:
        fail(f"{problem(settings, error)} {note}".rstrip())


def problem(settings: Settings, error: Exception) -> str:
    """The sentence that names the server, its address and its answer."""
    from kafka.errors import KafkaError

    from services.common.refusals import elasticsearch_refusal, kafka_refusal
    from services.common.settings import ElasticsearchSettings

    if isinstance(error, KafkaError):
        if refusal := kafka_refusal(settings, error):
            return refusal
        return f"Kafka at {settings.kafka_bootstrap} does not answer ({type(error).__name__})."
    where = settings if isinstance(settings, ElasticsearchSettings) else ElasticsearchSettings()
    if refusal := elasticsearch_refusal(where, error):
        return refusal
    return f"Elasticsearch at {where.elasticsearch_url} does not answer correctly: {error}".rstrip(".") + "."


def open_ledger(settings: ProducerSettings) -> Store:
    """The producer's store of this home. Ends with a sentence and exit code 2 if nothing was ever sent from it."""
    from services.producer.ledger.store import Store

    if not settings.store_file.is_file():
        fail(f"There is no ledger in {settings.store_file}: nothing was sent from this home.", code=2)
    return Store.whole(settings.store_file)


def require_embedded(what: str) -> None:
    """End with a sentence and exit code 78 if the packages of the embedded stack are not installed."""
    from services.common.exits import EXIT_CONFIGURATION
    from services.common.extras import describe_missing

    try:
        import services.embedded.stack
        import services.embedded.supervisor  # noqa: F401 - checks that it is installed. The caller uses it.
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OWN_PACKAGES:
            raise
        fail(describe_missing("embedded", what, error.name), code=EXIT_CONFIGURATION)
