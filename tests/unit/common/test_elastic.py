"""The client leaves every retry to its caller, and says who it is where security is on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import certifi
import pytest

from services.common import elastic
from services.common.elastic import make_client
from services.common.settings import ElasticsearchSettings


def options_of(monkeypatch: pytest.MonkeyPatch, home: Path, **stated: Any) -> dict[str, Any]:
    monkeypatch.setattr(elastic, "Elasticsearch", lambda url, **options: {"url": url, **options})
    made: Any = make_client(ElasticsearchSettings(home=home, **stated), timeout_seconds=7)
    return dict(made)


def test_nothing_is_retried_behind_the_callers_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = options_of(monkeypatch, tmp_path, elasticsearch_url="http://es:9200")
    assert options == {
        "url": "http://es:9200",
        "basic_auth": None,
        "api_key": None,
        "request_timeout": 7,
        "max_retries": 0,
        "retry_on_timeout": False,
        "retry_on_status": (),
    }


def test_a_user_a_key_and_certificates_are_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    user = options_of(monkeypatch, tmp_path, elasticsearch_username="ann", elasticsearch_password="secret")
    assert (user["basic_auth"], user["api_key"]) == (("ann", "secret"), None)
    key = options_of(monkeypatch, tmp_path, elasticsearch_api_key="key", elasticsearch_ca_certs=Path("ca.pem"))
    assert (key["basic_auth"], key["api_key"], key["ca_certs"]) == (None, "key", "ca.pem")


def test_the_real_client_takes_these_options(tmp_path: Path) -> None:
    """Making one asks no network."""
    with make_client(ElasticsearchSettings(home=tmp_path)) as plain:
        assert "authorization" not in plain._headers
        assert plain._max_retries == 0
    secured = ElasticsearchSettings(
        home=tmp_path,
        elasticsearch_url="https://es:9200",
        elasticsearch_api_key="key",
        elasticsearch_ca_certs=Path(certifi.where()),
    )
    with make_client(secured) as client:
        assert client._headers["authorization"] == "ApiKey key"
