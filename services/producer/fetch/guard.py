"""Decides which addresses may be connected to: public addresses, and networks that the operator names.

The check happens when the connection is made.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from services.producer.settings import Network

NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""
NEVER = tuple(
    IPv6Network(network)
    for network in ("2001::/32", "2002::/16", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "fec0::/10")
)
"""Teredo, 6to4, local NAT64, IPv4-compatible, IPv4-translated, site-local: they contain or are private addresses."""


class BlockedAddressError(OSError):
    """The host name resolves to an address that must not be fetched from."""


def is_allowed(address: str, allowed: Iterable[Network]) -> bool:
    """Whether an IP address is public, or inside a network that the operator allows.

    Private, loopback, link-local (also cloud metadata), shared, reserved and multicast addresses are not public. IPv6
    addresses that contain such an IPv4 address are not public either.
    """
    try:
        ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip in NAT64:
            ip = IPv4Address(int(ip) & 0xFFFFFFFF)
        elif any(ip in network for network in NEVER) and not any(
            ip in network for network in allowed if network.version == 6
        ):
            return False
    if any(ip.version == network.version and ip in network for network in allowed):
        return True
    return ip.is_global and not ip.is_multicast


def guarded_sockets(allowed: tuple[Network, ...]) -> Callable[[Any], socket.socket]:
    """A socket factory for aiohttp that refuses an address before a packet is sent to it.

    It sees the address of the real connection. A name that resolves differently the second time, a redirect or a number
    in the URL cannot bypass it.
    """

    def make(address_info: Any) -> socket.socket:
        family, kind, protocol, _, address = address_info
        if not is_allowed(str(address[0]), allowed):
            raise BlockedAddressError(
                f"{address[0]} is not a public address (DRAGOMAN_ALLOW_NETWORKS lists exceptions)"
            )
        return socket.socket(family=family, type=kind, proto=protocol)

    return make
