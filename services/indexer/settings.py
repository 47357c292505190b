"""Settings of the indexer."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import ElasticsearchSettings


class IndexerSettings(ElasticsearchSettings):
    """The settings of the indexer, in addition to those of Elasticsearch."""

    bulk_documents: int = Field(
        default=500, ge=1, le=5000, description="maximum number of documents in one bulk request"
    )
    bulk_requests: int = Field(
        default=2, ge=1, le=8, description="bulk requests at once. Few documents go into one request"
    )
    bulk_linger_seconds: float = Field(
        default=0.25, ge=0, le=10, description="how long a bulk request waits for more documents"
    )
    bulk_bytes: int = Field(
        default=10 * 1024 * 1024, ge=1024, description="approximate maximum of bytes in one bulk request"
    )
    replicas: int = Field(default=0, ge=0, description="replicas of each index")
    shards: int = Field(default=1, ge=1, description="primary shards of each index")
    refresh_interval: str = Field(default="1s", description="how soon an indexed document becomes searchable")
