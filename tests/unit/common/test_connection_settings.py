"""How Kafka and Elasticsearch are reached, where secrets come from, and to whom they never go."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import faust
import pytest
import trustme
from pydantic import ValidationError

from services.common.elastic import make_client
from services.common.exits import UnusableProcessError
from services.common.kafka import client_options, faust_options, make_ssl_context, options_for
from services.common.settings import ElasticsearchSettings, Settings

SECRET = "hush-hush"


@pytest.fixture
def ca(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


def settings(home: Path, **values: Any) -> Settings:
    return Settings(home=home, **values)


def test_without_settings_nothing_is_secured(tmp_path: Path) -> None:
    assert client_options(settings(tmp_path, kafka_bootstrap="a:1,b:2")) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
    }
    assert faust_options(settings(tmp_path, kafka_bootstrap="a:1,b:2")) == {"broker": "aiokafka://a:1;b:2"}


@pytest.mark.usefixtures("ca")
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_user_password_and_encryption_reach_every_client(tmp_path: Path, protocol: str, mechanism: str) -> None:
    values = {"kafka_username": "news", "kafka_password": SECRET, "kafka_sasl_mechanism": mechanism}
    if protocol == "SASL_SSL":
        values["kafka_ca_certs"] = str(tmp_path / "ca.pem")
    made = settings(tmp_path, kafka_security_protocol=protocol, **values)
    options = client_options(made)
    assert options["security_protocol"] == protocol
    assert options["sasl_mechanism"] == mechanism
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("news", SECRET)
    credentials = faust_options(made)["broker_credentials"]
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.protocol.value, credentials.mechanism.value) == (protocol, mechanism)
    assert (credentials.username, credentials.password) == ("news", SECRET)
    for context in (options.get("ssl_context"), credentials.ssl_context):
        assert (context is not None) is (protocol == "SASL_SSL")
        assert context is None or (context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED)


def test_a_certificate_of_ours_is_for_mutual_tls(tmp_path: Path, ca: trustme.CA) -> None:
    ours = ca.issue_cert("client@example.org")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    made = settings(
        tmp_path,
        kafka_security_protocol="SSL",
        kafka_ca_certs=tmp_path / "ca.pem",
        kafka_client_cert=tmp_path / "both.pem",
    )
    assert client_options(made)["ssl_context"].get_ca_certs()
    assert isinstance(faust_options(made)["broker_credentials"], faust.SSLCredentials)


@pytest.mark.parametrize("field", ["kafka_ca_certs", "kafka_client_cert", "kafka_client_key"])
@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_file_that_is_no_certificate_is_named(
    tmp_path: Path, ca: trustme.CA, field: str, content: str | None
) -> None:
    bad = tmp_path / "bad.pem"
    if content:
        bad.write_text(content)
    ours = ca.issue_cert("client@example.org")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    values = {"kafka_ca_certs": tmp_path / "ca.pem"}
    if field == "kafka_client_key":
        values["kafka_client_cert"] = tmp_path / "cert.pem"
    made = settings(tmp_path, kafka_security_protocol="SSL", **(values | {field: bad}))
    with pytest.raises(UnusableProcessError, match=r"bad\.pem is no certificate or key in PEM format"):
        make_ssl_context(made)


@pytest.mark.parametrize("missing", ["kafka_username", "kafka_password"])
def test_half_a_login_is_refused_without_telling_the_other_half(tmp_path: Path, missing: str) -> None:
    values = {"kafka_username": SECRET, "kafka_password": SECRET}
    del values[missing]
    with pytest.raises(ValidationError, match="SASL_SSL needs DRAGOMAN_KAFKA_USERNAME") as refused:
        settings(tmp_path, kafka_security_protocol="SASL_SSL", **values)
    assert SECRET not in str(refused.value)


def test_a_certificate_without_encryption_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="DRAGOMAN_KAFKA_SECURITY_PROTOCOL=SSL"):
        settings(tmp_path, kafka_ca_certs=tmp_path / "ca.pem")


def test_a_secret_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    monkeypatch.setenv("DRAGOMAN_ELASTICSEARCH_PASSWORD_FILE", str(tmp_path / "password"))
    assert ElasticsearchSettings(home=tmp_path).elasticsearch_password.get_secret_value() == SECRET
    monkeypatch.setenv("DRAGOMAN_ELASTICSEARCH_PASSWORD", "stated")
    assert ElasticsearchSettings(home=tmp_path).elasticsearch_password.get_secret_value() == "stated"


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), (b" \n", "is empty"), (b"\xff", "is no text")])
def test_a_secret_file_that_says_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    monkeypatch.setenv("DRAGOMAN_KAFKA_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(UnusableProcessError, match=f"DRAGOMAN_KAFKA_PASSWORD_FILE=.*{reason}") as refused:
        Settings(home=tmp_path)
    assert refused.value.exit_code == 78


ENDPOINTS = {
    "kafka_bootstrap": "127.0.0.1:1",
    "kafka_security_protocol": "SASL_PLAINTEXT",
    "kafka_username": "dragoman",
    "kafka_password": SECRET,
    "elasticsearch_url": "http://127.0.0.1:2",
    "elasticsearch_username": "operator",
    "elasticsearch_password": SECRET,
}


def test_passwords_of_the_embedded_servers_go_to_no_other_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "endpoints.json").write_text(json.dumps(ENDPOINTS))
    own = ElasticsearchSettings(home=tmp_path)
    assert own.kafka_password.get_secret_value() == own.elasticsearch_password.get_secret_value() == SECRET
    same = ElasticsearchSettings(home=tmp_path, kafka_bootstrap="127.0.0.1:1", elasticsearch_url="http://127.0.0.1:2")
    assert same == own
    monkeypatch.setenv("DRAGOMAN_KAFKA_BOOTSTRAP", "kafka.example:9092")
    elsewhere = ElasticsearchSettings(home=tmp_path)
    assert (elsewhere.kafka_username, elsewhere.kafka_password.get_secret_value()) == ("", "")
    assert elsewhere.kafka_security_protocol == "PLAINTEXT"
    assert elsewhere.elasticsearch_username == "operator"
    other = ElasticsearchSettings(home=tmp_path, elasticsearch_url="https://search.example")
    assert (other.elasticsearch_username, other.elasticsearch_password.get_secret_value()) == ("", "")


def test_an_api_key_takes_the_place_of_user_and_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endpoints.json").write_text(json.dumps(ENDPOINTS))
    monkeypatch.setenv("DRAGOMAN_ELASTICSEARCH_API_KEY", "key")
    found = ElasticsearchSettings(home=tmp_path)
    assert (found.elasticsearch_username, found.elasticsearch_password.get_secret_value()) == ("", "")
    assert found.kafka_username == "dragoman"
    make_client(found).close()


def test_an_empty_variable_does_not_hide_the_file_of_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose writes one for `${KAFKA_PASSWORD:-}`."""
    (tmp_path / "password").write_text(SECRET)
    monkeypatch.setenv("DRAGOMAN_KAFKA_PASSWORD", "")
    monkeypatch.setenv("DRAGOMAN_KAFKA_PASSWORD_FILE", str(tmp_path / "password"))
    assert Settings(home=tmp_path).kafka_password.get_secret_value() == SECRET


def test_our_user_goes_to_our_own_kafka_only(tmp_path: Path) -> None:
    (tmp_path / "endpoints.json").write_text(json.dumps(ENDPOINTS))
    ours = Settings(home=tmp_path)
    assert options_for("127.0.0.1:1", ours) == client_options(ours)
    assert options_for("wire.example:9092", ours) == {"bootstrap_servers": ["wire.example:9092"]}
    assert options_for("127.0.0.1:1", None) == {"bootstrap_servers": ["127.0.0.1:1"]}


def test_no_secret_is_shown(tmp_path: Path) -> None:
    made = ElasticsearchSettings(
        home=tmp_path,
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_username="news",
        kafka_password=SECRET,
        elasticsearch_api_key=SECRET,
    )
    assert SECRET not in f"{made!r} {made} {made.model_dump_json()}"
