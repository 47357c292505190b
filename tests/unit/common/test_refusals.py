"""Sentences for what Kafka and Elasticsearch refuse. tests/secured has the real servers."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig, TlsError
from elasticsearch import AuthenticationException, AuthorizationException
from kafka.errors import KafkaError, TopicAuthorizationFailedError

from services.common import refusals
from services.common.refusals import elasticsearch_refusal, kafka_refusal
from services.common.settings import ElasticsearchSettings

META = ApiResponseMeta(403, "1.1", HttpHeaders(), 0.0, NodeConfig("https", "search.example", 9200))


@pytest.fixture
def settings(tmp_path: Path) -> ElasticsearchSettings:
    return ElasticsearchSettings(
        home=tmp_path,
        kafka_bootstrap="a:9093, b:9093",
        kafka_security_protocol="SASL_SSL",
        kafka_username="news",
        kafka_password="hush",
        elasticsearch_url="https://search.example:9200",
        elasticsearch_username="indexer",
    )


def answering(monkeypatch: pytest.MonkeyPatch, **errors: BaseException | None) -> list[str]:
    """Each host fails in its way. Returns the addresses that were asked."""
    asked: list[str] = []

    async def ask(_: object, address: str) -> None:
        asked.append(address.strip())
        error = errors[address.strip()[0]]
        if error is not None:
            raise error

    monkeypatch.setattr(refusals, "_ask", ask)
    return asked


def test_the_next_server_is_asked_where_one_is_away(
    settings: ElasticsearchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, a=ConnectionRefusedError(), b=SaslAuthenticationFailed("invalid credentials"))
    said = kafka_refusal(settings, KafkaError())
    assert said is not None
    assert said.startswith("Kafka at b:9093 refuses the login of 'news' with SCRAM-SHA-512.")
    assert asked == ["a:9093", "b:9093"]


@pytest.mark.parametrize("error", [None, ConnectionRefusedError(), TimeoutError(), RuntimeError("another thing")])
def test_what_is_no_refusal_is_none(
    settings: ElasticsearchSettings, monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    answering(monkeypatch, a=error, b=error)
    assert kafka_refusal(settings, KafkaError()) is None


KAFKA = {
    "closed": (KafkaConnectionError("Connection at a:9093 closed"), "closes a connection of SASL_SSL"),
    "expired": (ssl.SSLCertVerificationError(1, "certificate has expired"), "has expired"),
    "no TLS": (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "speaks no TLS that we understand"),
}


@pytest.mark.parametrize(("error", "sentence"), KAFKA.values(), ids=KAFKA)
def test_what_a_connection_says(
    settings: ElasticsearchSettings, monkeypatch: pytest.MonkeyPatch, error: BaseException, sentence: str
) -> None:
    answering(monkeypatch, a=error, b=error)
    assert sentence in (kafka_refusal(settings, KafkaError()) or "")


def test_a_missing_right_asks_nobody(settings: ElasticsearchSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch)
    said = kafka_refusal(settings, TopicAuthorizationFailedError("x"))
    assert "gives news no right to do this" in (said or "")
    assert asked == []


def body(kind: str) -> dict[str, Any]:
    return {"error": {"type": kind, "reason": "action [indices:admin/create] is unauthorized for user [indexer]"}}


def test_a_missing_right_in_elasticsearch_is_named(settings: ElasticsearchSettings) -> None:
    said = elasticsearch_refusal(settings, AuthorizationException("security_exception", META, body("x")))
    assert "gives indexer no right to do this: action [indices:admin/create] is unauthorized" in (said or "")


def test_a_full_disk_is_no_missing_right(settings: ElasticsearchSettings) -> None:
    """Elasticsearch answers 403, too, while an index may not be written."""
    error = AuthorizationException("cluster_block_exception", META, body("cluster_block_exception"))
    assert elasticsearch_refusal(settings, error) is None


def test_a_login_and_a_certificate_that_are_wrong(settings: ElasticsearchSettings) -> None:
    said = elasticsearch_refusal(settings, AuthenticationException("security_exception", META, {}))
    assert "Check DRAGOMAN_ELASTICSEARCH_USERNAME" in (said or "")
    unknown = TlsError("TLS error", errors=(Exception("CERTIFICATE_VERIFY_FAILED"),))
    assert "Set DRAGOMAN_ELASTICSEARCH_CA_CERTS" in (elasticsearch_refusal(settings, unknown) or "")
