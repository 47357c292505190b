"""The options of every client of Kafka, from one settings class: addresses, encryption, user.

kafka-python, aiokafka and faust name them differently. Nobody else reads the settings of the connection.
"""

from __future__ import annotations

import ssl
from typing import Any

from services.common.exits import EXIT_CONFIGURATION, UnusableProcessError
from services.common.settings import KafkaSettings


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """The arguments of kafka-python's consumer, producer and admin client.

    UnusableProcessError: a certificate cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap.split(","),
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_has_tls:
        options["ssl_context"] = make_ssl_context(settings)
    if settings.kafka_has_sasl:
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


def options_for(bootstrap: str, ours: KafkaSettings | None) -> dict[str, Any]:
    """The arguments of kafka-python for the servers at an address. Our user goes to our own servers only."""
    if ours is not None and ours.kafka_bootstrap == bootstrap:
        return client_options(ours)
    return {"bootstrap_servers": bootstrap.split(",")}


def faust_options(settings: KafkaSettings) -> dict[str, Any]:
    """The arguments of `faust.App`: `broker` and, in a secured cluster, `broker_credentials`."""
    import faust  # slow to import, and most commands do without

    options: dict[str, Any] = {"broker": f"aiokafka://{';'.join(settings.kafka_bootstrap.split(','))}"}
    context = make_ssl_context(settings) if settings.kafka_has_tls else None
    if settings.kafka_has_sasl:
        options["broker_credentials"] = faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    elif context is not None:
        options["broker_credentials"] = faust.SSLCredentials(context)
    return options


def make_ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    """A context that checks the certificate of the broker and its host name, with our certificate where there is one.

    UnusableProcessError says which file cannot be read.
    """
    path = settings.kafka_ca_certs
    try:
        context = ssl.create_default_context(cafile=None if path is None else str(path))
        if settings.kafka_client_cert is not None:
            path = settings.kafka_client_key or settings.kafka_client_cert
            context.load_cert_chain(settings.kafka_client_cert, settings.kafka_client_key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        reason = f"{path} is no certificate or key in PEM format that can be read: {error}"
        raise UnusableProcessError(EXIT_CONFIGURATION, reason) from error
    return context


def _no_password() -> str:
    raise OSError("it has a password")
