"""The identity of an article: its id and the hash of its content. Both are computed once, in the producer."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

NAMESPACE = uuid.UUID("6f4c6d0e-0d0c-5b5b-9d52-2f8f6a1f7c11")
"""The UUIDv5 namespace of all article ids. Changing it would make every article new."""
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
DEFAULT_PORTS = {"http": 80, "https": 443}


def canonicalize_url(url: str) -> str:
    """One spelling for one page: https, lower-case host without `www.`, no tracking, no fragment, sorted parameters.

    Raises ValueError when `url` is not an http(s) URL.
    """
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


def article_id_of(source_id: str, guid: str | None, url: str | None) -> str:
    """UUIDv5 of the canonical URL. Without a URL, UUIDv5 of source id and guid (or of the path inside the source)."""
    if url:
        return str(uuid.uuid5(NAMESPACE, f"url\n{canonicalize_url(url)}"))
    if not guid:
        raise ValueError("an article needs a url or a guid")
    return str(uuid.uuid5(NAMESPACE, f"guid\n{len(source_id)}\n{source_id}\n{guid}"))


def content_hash_of(
    content: str, title: str | None, url: str | None, published_at: datetime | None, declared_language: str | None
) -> str:
    """SHA-256 of all values whose change makes a new revision."""
    digest = hashlib.sha256()
    stated = published_at.isoformat() if published_at else None
    for part in (content, title, url, stated, declared_language):
        data = b"" if part is None else part.encode("utf8", "surrogatepass")
        digest.update(b"%d:%b;" % (-1 if part is None else len(data), data))
    return digest.hexdigest()


def host_name(url: str) -> str:
    """The host of a URL without `www.`. It is the name of the publisher when no other name is given."""
    return (urlsplit(url).hostname or "feed").removeprefix("www.")
