"""What people read when a secured cluster refuses them: one sentence that says what to do, and never a secret."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import ApiError, TransportError
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from schemas.topics import RAW
from services.common.elastic import make_client
from services.common.kafka import client_options
from services.common.refusals import elasticsearch_refusal, kafka_refusal
from services.common.settings import ElasticsearchSettings
from services.common.topics import ensure_topics
from tests.secured.certificates import Certificates
from tests.secured.servers import LISTENERS, NO_RIGHTS, PASSWORD, USER, Cluster, show_certificate

WRONG = "wrong-and-secret"
Apply = Callable[[dict[str, str]], ElasticsearchSettings]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Apply:
    """The settings of an environment."""

    def apply(variables: dict[str, str]) -> ElasticsearchSettings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return ElasticsearchSettings(home=tmp_path)

    return apply


def topics_of(settings: ElasticsearchSettings, seconds: float = 30) -> list[str]:
    admin = KafkaAdminClient(**client_options(settings), bootstrap_timeout_ms=int(seconds * 1000))
    try:
        found: list[str] = admin.list_topics()
    finally:
        admin.close()
    return found


@pytest.mark.parametrize("listener", LISTENERS[:3])
def test_the_right_settings_open_kafka(cluster: Cluster, settings: Apply, listener: str) -> None:
    made = settings(cluster.kafka(listener))
    ensure_topics(made, (RAW,))
    assert RAW.name in topics_of(made)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("listener", ["LOGIN", "BOTH"])
def test_each_mechanism_opens_kafka(cluster: Cluster, settings: Apply, listener: str, mechanism: str) -> None:
    made = settings({**cluster.kafka(listener), "DRAGOMAN_KAFKA_SASL_MECHANISM": mechanism})
    ensure_topics(made, (RAW,))
    assert RAW.name in topics_of(made)


BAD: dict[str, tuple[str, Callable[[Certificates], dict[str, str | None]], str]] = {
    "wrong password": ("BOTH", lambda _: {"PASSWORD": WRONG}, "refuses the login of 'news' with SCRAM-SHA-512. Check"),
    "wrong password, PLAIN": (
        "LOGIN",
        lambda _: {"PASSWORD": WRONG, "SASL_MECHANISM": "PLAIN"},
        "refuses the login of 'news' with PLAIN. Check DRAGOMAN_KAFKA_USERNAME, DRAGOMAN_KAFKA_PASSWORD",
    ),
    "unknown user": ("BOTH", lambda _: {"USERNAME": "nobody"}, "refuses the login of 'nobody'"),
    "expired": ("EXPIRED", lambda _: {}, "has expired. Its operator must renew it"),
    "other host name": ("OTHERHOST", lambda _: {}, "is for another host name"),
    "unknown CA": ("BOTH", lambda c: {"CA_CERTS": str(c.other_ca)}, "Set DRAGOMAN_KAFKA_CA_CERTS to its CA"),
    "CA of the system": ("BOTH", lambda _: {"CA_CERTS": None}, "Set DRAGOMAN_KAFKA_CA_CERTS to its CA"),
    "no certificate": ("TLS", lambda _: {"CLIENT_CERT": None}, "Set DRAGOMAN_KAFKA_CLIENT_CERT"),
    "certificate of a stranger": ("TLS", lambda c: {"CLIENT_CERT": str(c.stranger)}, "does not trust our certificate"),
    "no TLS where there is some": (
        "BOTH",
        lambda _: {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "CA_CERTS": None},
        "check DRAGOMAN_KAFKA_SECURITY_PROTOCOL",
    ),
    "nothing where a login is asked for": (
        "LOGIN",
        lambda _: {"SECURITY_PROTOCOL": "PLAINTEXT"},
        "closes a connection of PLAINTEXT",
    ),
    "TLS where there is none": (
        "LOGIN",
        lambda c: {"SECURITY_PROTOCOL": "SASL_SSL", "CA_CERTS": str(c.ca)},
        "check DRAGOMAN_KAFKA_SECURITY_PROTOCOL",
    ),
}


@pytest.mark.parametrize(("listener", "change", "sentence"), BAD.values(), ids=BAD)
def test_kafka_refuses_in_a_sentence(
    cluster: Cluster,
    certificates: Certificates,
    settings: Apply,
    monkeypatch: pytest.MonkeyPatch,
    listener: str,
    change: Callable[[Certificates], dict[str, str | None]],
    sentence: str,
) -> None:
    variables: dict[str, Any] = cluster.kafka(listener)
    variables |= {f"DRAGOMAN_KAFKA_{name}": value for name, value in change(certificates).items()}
    for name in [name for name, value in variables.items() if value is None]:
        monkeypatch.delenv(name, raising=False)
        del variables[name]
    made = settings(variables)
    with pytest.raises(KafkaError) as refused:
        topics_of(made, seconds=2.5)
    said = kafka_refusal(made, refused.value)
    assert said is not None
    assert sentence in said
    assert said.count(". ") <= 1, "one sentence of what is wrong and one of what to do"
    assert WRONG not in said
    assert PASSWORD not in said


def test_a_user_without_rights_is_told_so(cluster: Cluster, settings: Apply) -> None:
    ensure_topics(settings(cluster.kafka("BOTH")), (RAW,))
    made = settings({**cluster.kafka("BOTH"), "DRAGOMAN_KAFKA_USERNAME": NO_RIGHTS})
    with pytest.raises(KafkaError) as refused:
        ensure_topics(made, (RAW,))
    assert f"gives {NO_RIGHTS} no right to do this" in (kafka_refusal(made, refused.value) or "")


def test_a_kafka_that_is_away_is_no_refusal(settings: Apply) -> None:
    made = settings({"DRAGOMAN_KAFKA_BOOTSTRAP": "127.0.0.1:9"})
    assert kafka_refusal(made, KafkaError()) is None


def health(settings: ElasticsearchSettings) -> object:
    client = make_client(settings)
    try:
        return client.cluster.health()["status"]
    finally:
        client.close()


def test_the_right_settings_open_elasticsearch(cluster: Cluster, settings: Apply) -> None:
    assert health(settings(cluster.elasticsearch())) in ("green", "yellow")


ELASTIC = {
    "wrong password": ({"PASSWORD": WRONG}, "refuses the login. Check DRAGOMAN_ELASTICSEARCH_USERNAME"),
    "wrong key": ({"USERNAME": "", "PASSWORD": "", "API_KEY": "d3Jvbmc6a2V5"}, "or DRAGOMAN_ELASTICSEARCH_API_KEY"),
    "no rights": ({"USERNAME": NO_RIGHTS}, f"gives {NO_RIGHTS} no right to do this"),
    "unknown CA": ({"CA_CERTS": "OTHER"}, "Set DRAGOMAN_ELASTICSEARCH_CA_CERTS to its CA"),
}


@pytest.mark.parametrize(("change", "sentence"), ELASTIC.values(), ids=ELASTIC)
def test_elasticsearch_refuses_in_a_sentence(
    cluster: Cluster, certificates: Certificates, settings: Apply, change: dict[str, str], sentence: str
) -> None:
    values = {name: str(certificates.other_ca) if value == "OTHER" else value for name, value in change.items()}
    made = settings(
        {**cluster.elasticsearch(), **{f"DRAGOMAN_ELASTICSEARCH_{name}": value for name, value in values.items()}}
    )
    with pytest.raises((ApiError, TransportError)) as refused:
        health(made)
    said = elasticsearch_refusal(made, refused.value)
    assert said is not None
    assert sentence in said
    assert WRONG not in said


def test_a_bad_certificate_of_elasticsearch_is_named_and_a_new_one_is_taken(
    cluster: Cluster, certificates: Certificates, settings: Apply
) -> None:
    made = settings(cluster.elasticsearch())
    assert made.elasticsearch_username == USER
    try:
        for pem, sentence in ((certificates.expired, "has expired"), (certificates.other_host, "another host name")):
            show_certificate(cluster.elasticsearch_config, pem)
            assert sentence in _until(made, lambda said, wanted=sentence: wanted in said)
    finally:
        show_certificate(cluster.elasticsearch_config, certificates.server)
        assert _until(made, lambda said: said == "") == ""


def _until(settings: ElasticsearchSettings, is_wanted: Callable[[str], bool]) -> str:
    """What Elasticsearch says once it has taken a new certificate."""
    deadline, said = time.monotonic() + 30, ""
    while time.monotonic() < deadline:
        try:
            health(settings)
            said = ""
        except TransportError as error:
            said = elasticsearch_refusal(settings, error) or str(error)
        if is_wanted(said):
            break
        time.sleep(0.5)
    return said
