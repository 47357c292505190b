"""Says in a sentence why Kafka or Elasticsearch refuses a connection, and which setting mends it.

kafka-python tells only that no server could be reached. So Kafka is asked once more with aiokafka, which raises what
happened. No sentence has a secret in it.
"""

from __future__ import annotations

import asyncio
import ssl
from socket import gaierror
from typing import Any

from aiokafka.errors import KafkaConnectionError
from elastic_transport import TlsError
from elasticsearch import AuthenticationException, AuthorizationException
from kafka.errors import AuthorizationError

from services.common.exits import UnusableProcessError
from services.common.kafka import client_options
from services.common.settings import ElasticsearchSettings, KafkaSettings

PROBE_SECONDS = 5.0


def kafka_refusal(settings: KafkaSettings, error: Exception) -> str | None:
    """Why Kafka refuses us. None when it is away, or says nothing that we know. Takes some seconds for each address."""
    where = f"Kafka at {settings.kafka_bootstrap}"
    if isinstance(error, AuthorizationError):
        user = settings.kafka_username or "the user of our certificate"
        return f"{where} gives {user} no right to do this ({type(error).__name__}). Its operator can add an ACL."
    for address in settings.kafka_bootstrap.split(","):
        try:
            asyncio.run(asyncio.wait_for(_ask(settings, address), PROBE_SECONDS))
        except UnusableProcessError as unusable:
            return str(unusable)
        except Exception as found:  # noqa: BLE001 - whatever it is, it is the reason
            if (sentence := _sentence(settings, f"Kafka at {address.strip()}", found)) is not None:
                return sentence
    return None


async def _ask(settings: KafkaSettings, address: str) -> None:
    """Log in, and ask for the topics: a listener with logins closes the connection only then."""
    from aiokafka.conn import create_conn  # slow to import, and rarely needed
    from aiokafka.protocol.metadata import MetadataRequest

    options = client_options(settings)
    del options["bootstrap_servers"]
    host, _, port = address.strip().rpartition(":")
    connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=int(PROBE_SECONDS * 1000), **options)
    try:
        await connection.send(MetadataRequest([]))
    finally:
        connection.close()


def _sentence(settings: KafkaSettings, where: str, error: BaseException) -> str | None:
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and len(causes) < 5:
        causes.append(cause)
    for found in causes:
        if isinstance(found, ssl.SSLError):
            return _tls_sentence(where, found, "KAFKA", settings.kafka_client_cert is not None)
    text = " ".join(str(found) for found in causes)
    if "uthentication" in text or "SaslAuthentication" in text:
        return (
            f"{where} refuses the login of {settings.kafka_username!r} with {settings.kafka_sasl_mechanism}. Check "
            "DRAGOMAN_KAFKA_USERNAME, DRAGOMAN_KAFKA_PASSWORD and DRAGOMAN_KAFKA_SASL_MECHANISM."
        )
    if any(isinstance(found, (ConnectionRefusedError, TimeoutError, gaierror)) for found in causes):
        return None
    if any(isinstance(found, (ConnectionResetError, KafkaConnectionError)) for found in causes):
        return (
            f"{where} closes a connection of {settings.kafka_security_protocol}. It may speak another protocol: check "
            "DRAGOMAN_KAFKA_SECURITY_PROTOCOL."
        )
    return None


def elasticsearch_refusal(settings: ElasticsearchSettings, error: Exception) -> str | None:
    """Why Elasticsearch refuses us. None when it is away, or says nothing that we know."""
    where = f"Elasticsearch at {settings.elasticsearch_url}"
    user = settings.elasticsearch_username or "this API key"
    if isinstance(error, AuthenticationException):
        return (
            f"{where} refuses the login. Check DRAGOMAN_ELASTICSEARCH_USERNAME and DRAGOMAN_ELASTICSEARCH_PASSWORD, or "
            "DRAGOMAN_ELASTICSEARCH_API_KEY."
        )
    if isinstance(error, AuthorizationException) and error.message == "security_exception":
        return f"{where} gives {user} no right to do this: {_reason(error)}. Its operator can change the role."
    if isinstance(error, TlsError):
        return _tls_sentence(where, error, "ELASTICSEARCH", has_certificate=False)
    return None


def _reason(error: AuthorizationException) -> str:
    body: Any = error.body
    try:
        return str(body["error"]["reason"])[:300].rstrip(".")
    except (KeyError, TypeError):
        return error.message


def _tls_sentence(where: str, error: Exception, prefix: str, has_certificate: bool) -> str:  # noqa: FBT001
    text = repr(error)  # elastic_transport has the reason beside its message
    if "certificate has expired" in text:
        return f"The certificate of {where} has expired. Its operator must renew it."
    if "not valid for" in text or "doesn't match" in text:
        return f"The certificate of {where} is for another host name. Use a name that it has."
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"The certificate of {where} is of a CA that is not trusted. Set DRAGOMAN_{prefix}_CA_CERTS to its CA."
    if "CERTIFICATE_REQUIRED" in text or "certificate required" in text:
        return f"{where} asks for a certificate of ours. Set DRAGOMAN_{prefix}_CLIENT_CERT."
    if has_certificate and "ALERT" in text:
        return f"{where} does not trust our certificate. Check DRAGOMAN_{prefix}_CLIENT_CERT."
    return f"{where} speaks no TLS that we understand ({text}). Check the port, and the protocol in the settings."
