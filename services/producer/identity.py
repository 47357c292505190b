"""The identity of an article: its id and the hash of its content. Both are computed once, in the producer."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import idna

NAMESPACE = uuid.UUID("6f4c6d0e-0d0c-5b5b-9d52-2f8f6a1f7c11")
"""The UUIDv5 namespace of all article ids. Changing it would make every article new."""
TRACKING_PREFIXES = ("utm_", "at_", "mc_", "pk_", "ga_", "wt_", "wt.", "mtm_", "hsa_", "itm_", "ns_m", "_hs")
TRACKING_PARAMETERS = frozenset(
    [
        "fbclid",
        "gclid",
        "gclsrc",
        "gbraid",
        "wbraid",
        "dclid",
        "msclkid",
        "yclid",
        "twclid",
        "ttclid",
        "igshid",
        "igsh",
        "mkt_tok",
        "cmpid",
        "cmp",
        "ncid",
        "ocid",
        "ito",
        "smid",
        "smtyp",
        "sref",
        "spm",
        "ref_src",
        "ref_url",
        "_ga",
        "_gl",
        "xtor",
        "wtmc",
        "wtrid",
        "traffic_source",
        "traffic_medium",
        "echobox",
        "jsessionid",
        "phpsessid",
        "sessionid",
    ]
)
"""Parameters that say how a reader came to the page, or name the visit. They never choose the content."""
CHANNEL_PARAMETERS = frozenset({"ref", "source", "src", "from", "feed", "rss", "via", "medium", "origin"})
"""Parameters that are tracking on some sites and choose the content on others. Their value decides."""
CHANNELS = frozenset(
    [
        "rss",
        "rss2",
        "atom",
        "feed",
        "feeds",
        "feedburner",
        "feedly",
        "flipboard",
        "google",
        "googlenews",
        "google-news",
        "google_news",
        "bing",
        "yahoo",
        "msn",
        "apple",
        "applenews",
        "smartnews",
        "twitter",
        "facebook",
        "fb",
        "instagram",
        "linkedin",
        "telegram",
        "whatsapp",
        "reddit",
        "pinterest",
        "tiktok",
        "youtube",
        "social",
        "share",
        "sharing",
        "mail",
        "email",
        "e-mail",
        "newsletter",
        "push",
        "notification",
        "app",
        "mobile",
        "web",
        "home",
        "homepage",
        "hp",
        "frontpage",
        "sitemap",
        "amp",
        "widget",
        "search",
        "organic",
        "direct",
        "referral",
    ]
)
"""Values of CHANNEL_PARAMETERS that name a way to the page. Any other value may choose the content."""
FLAGS = frozenset({"", "1", "true", "yes", "y"})
FLAG_PARAMETERS = frozenset({"rss", "feed"})
"""`?rss=1` says that the reader came from a feed."""
PLAIN_FRAGMENTS = frozenset(
    [
        "top",
        "main",
        "content",
        "comments",
        "comment",
        "respond",
        "disqus_thread",
        "share",
        "footer",
        "header",
        "body",
        "page",
        "article",
        "start",
    ]
)
"""Fragments that name a place on the page of one article. Any other fragment may name an article of its own."""
WWW = re.compile(r"^(?:www\.)+")
SESSION_PATH = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/;]*", re.IGNORECASE)
ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
DEFAULT_PORTS = {"http": 80, "https": 443}


def canonicalize_url(url: str) -> str:
    """One spelling for one article: https, lower-case ASCII host without `www.`, no tracking, sorted parameters.

    A fragment stays if it may name a part of the page (`#post-2`). Percent-encoding is normalized (RFC 3986, 6.2.2).
    Raises ValueError when `url` is not an http(s) URL.
    """
    parts = urlsplit(url.strip())
    if parts.scheme.lower() not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"not an http(s) URL: {url[:200]!r}")
    host = WWW.sub("", ascii_host(parts.hostname)).rstrip(".")
    if not host:
        raise ValueError(f"not an http(s) URL: {url[:200]!r}")
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme.lower()]) else f":{parts.port}"
    path = SESSION_PATH.sub("", _normalize_escapes(parts.path)).rstrip("/") or "/"
    fragment = _normalize_escapes(parts.fragment)
    return urlunsplit(
        ("https", host + port, path, _content_query(parts.query), "" if _is_plain(fragment) else fragment)
    )


def ascii_host(host: str) -> str:
    """A host name in lower-case ASCII (UTS 46). A name that is no IDN is only made lower-case."""
    try:
        return idna.encode(host, uts46=True).decode("ascii") if not host.isascii() else host.lower()
    except idna.IDNAError:
        return host.lower()


def is_tracking(name: str, value: str) -> bool:
    """Whether a parameter of a URL says only how a reader came to the page."""
    name, value = name.lower(), value.lower()
    if name in TRACKING_PARAMETERS or name.startswith(TRACKING_PREFIXES):
        return True
    if name in FLAG_PARAMETERS and value in FLAGS:
        return True
    return name in CHANNEL_PARAMETERS and value in CHANNELS


def _content_query(query: str) -> str:
    """The parameters that may choose the content, sorted. Bytes are kept: not every site writes UTF-8."""
    pairs = parse_qsl(_normalize_escapes(query), keep_blank_values=True, encoding="latin-1")
    return urlencode(sorted(pair for pair in pairs if not is_tracking(*pair)), encoding="latin-1")


def _is_plain(fragment: str) -> bool:
    """Whether a fragment leads to the same article: a usual place on a page, highlighted words, or tracking."""
    if not fragment or fragment.lower() in PLAIN_FRAGMENTS or fragment.startswith(":~:"):
        return True
    pairs = parse_qsl(fragment, keep_blank_values=True, encoding="latin-1")
    return "=" in fragment and all(is_tracking(*pair) for pair in pairs)


def _normalize_escapes(text: str) -> str:
    """Percent-encoding in one spelling: upper-case digits, unreserved characters as they are, the rest encoded."""

    def spell(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if character in UNRESERVED else f"%{match[1].upper()}"

    return ESCAPE.sub(spell, quote(text, safe="%!#$&'()*+,/:;=?@[]~", errors="surrogatepass"))


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
