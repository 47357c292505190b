"""Makes the Elasticsearch client for every service, and asks what an index has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elasticsearch import Elasticsearch

from services.common.settings import ElasticsearchSettings

EVERY_STORY = "stories-all"
"""The alias that has merged stories too. `stories`, which people read, leaves them out."""


def make_client(settings: ElasticsearchSettings, timeout_seconds: float = 30.0) -> Elasticsearch:
    """A client that does not retry by itself, because every caller has its own rule for retries."""
    password = settings.elasticsearch_password.get_secret_value()
    api_key = settings.elasticsearch_api_key.get_secret_value()
    tls: dict[str, Any] = {}
    if settings.elasticsearch_ca_certs:
        tls["ca_certs"] = str(settings.elasticsearch_ca_certs)
    return Elasticsearch(
        settings.elasticsearch_url,
        basic_auth=(settings.elasticsearch_username, password) if settings.elasticsearch_username else None,
        api_key=api_key or None,
        request_timeout=timeout_seconds,
        max_retries=0,
        retry_on_timeout=False,
        retry_on_status=(),
        **tls,
    )


def revisions_of(client: Elasticsearch, index: str, ids: Sequence[str]) -> dict[str, int]:
    """The revisions of the documents that an index has, by id."""
    answer: Any = client.mget(index=index, ids=ids, source_includes=["revision"])
    return {found["_id"]: found["_source"]["revision"] for found in answer["docs"] if found.get("found")}
