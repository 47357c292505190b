"""The ids and hashes of Dragoman 0.1, for the articles that it has indexed. This module never changes.

It took every fragment and some parameters that choose the content for tracking, and it knew several spellings of one
address. The ledger needs it to find an article under its earlier id (docs/adr/0017).
"""

from __future__ import annotations

import uuid
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from services.producer.identity import DEFAULT_PORTS, NAMESPACE, content_hash_of
from services.producer.sources.base import Entry

TRACKING_PREFIXES = ("utm_", "at_", "mc_", "pk_", "ga_")
TRACKING_PARAMETERS = frozenset(
    [
        "fbclid",
        "gclid",
        "dclid",
        "msclkid",
        "yclid",
        "igshid",
        "mkt_tok",
        "cmpid",
        "cmp",
        "ncid",
        "ocid",
        "ito",
        "smid",
        "sref",
        "spm",
        "ref",
        "ref_src",
        "source",
        "feed",
        "from",
        "_ga",
        "xtor",
        "wt_mc",
        "wtmc",
    ]
)


def earlier_article_id(url: str | None) -> str | None:
    """The id that the URL of an article gave. None without a valid URL: such ids have not changed."""
    try:
        canonical = _canonicalize(url or "")
    except ValueError:
        return None
    return str(uuid.uuid5(NAMESPACE, f"url\n{canonical}"))


def _canonicalize(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme.lower() not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"not an http(s) URL: {url[:200]!r}")
    host = parts.hostname.lower().removeprefix("www.").rstrip(".")
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme.lower()]) else f":{parts.port}"
    query = sorted(
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name.lower() not in TRACKING_PARAMETERS and not name.lower().startswith(TRACKING_PREFIXES)
    )
    return urlunsplit(("https", host + port, parts.path.rstrip("/") or "/", urlencode(query), ""))


def earlier_content_hash(entry: Entry) -> str:
    """The hash that made a new revision when it changed."""
    return content_hash_of(entry.content, entry.title, entry.url, entry.published_at, entry.declared_language)


def earlier_entry_hash(entry: Entry) -> str:
    """The hash that made a look at an entry of a feed necessary when it changed."""
    stated = next((date.at for date in entry.declared.dates if date.kind == "published"), None)
    if not entry.declared.dates:
        stated = entry.published_at
    elif not entry.content:
        stated = max(date.at for date in entry.declared.dates)
    return content_hash_of(entry.content, entry.title, entry.url, stated, entry.declared_language)
