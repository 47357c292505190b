"""Keeps the pages of other sites out of our HTTP ports: requests that a browser sends for them, and rebound names.

A page of another site can make a browser send requests to loopback. It sends `Origin` or `Sec-Fetch-Site` with them
(Fetch Standard; Fetch Metadata Request Headers). Where the page has made its own name point to loopback (DNS
rebinding), the request looks like one of the same site, and only `Host` tells.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

PRIVATE = (".localhost", ".svc", ".cluster.local")
"""Ends of names that are not in the public DNS (RFC 6761; Kubernetes)."""
SAME = frozenset({"same-origin", "none"})
"""`none` is a request of the user: an address that was typed, or a bookmark."""


def refusal(headers: Mapping[str, str], allowed_hosts: Collection[str] = ()) -> str | None:
    """Why a request with these headers is refused with 403, or None. Names of headers are in their usual spelling."""
    host = headers.get("Host")
    if host is not None and not is_own_host(host, allowed_hosts):
        return f"this is no name of this server: {host[:100]!r}. DRAGOMAN_ALLOWED_HOSTS lists further names"
    if headers.get("Sec-Fetch-Site", "none") not in SAME:
        return "a page of another site sent this request"
    origin = headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != (host or "").lower():
        return "a page of another site sent this request"
    return None


def is_own_host(host: str, allowed: Collection[str]) -> bool:
    """Whether a `Host` can be meant for this server: an address, `localhost`, a name without a dot, or a listed one.

    Rebinding needs a name in the public DNS, and those have a dot. Names without one are those of containers, and
    those under `PRIVATE` exist only inside of a cluster. A request without a `Host` is of no browser.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in allowed:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and (name.endswith(PRIVATE) or "." not in name)
    return True
