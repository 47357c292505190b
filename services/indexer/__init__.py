"""Writes grouped articles and stories to Elasticsearch."""
