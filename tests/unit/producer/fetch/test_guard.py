"""Only public addresses are connected to. Names, numbers and IPv6 forms cannot bypass this."""

from __future__ import annotations

import socket

import pytest

from services.producer.fetch.guard import BlockedAddressError, guarded_sockets, is_allowed
from services.producer.settings import parse_networks

PRIVATE = (
    "127.0.0.1 127.8.9.1 10.0.0.1 172.16.5.4 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 "
    "255.255.255.255 192.0.2.1 198.18.0.1 240.0.0.1 :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 "
    "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a00:1 2002:7f00:1:: 2001:0:1::1 "
    "2001:db8::1 no-address"
)
PUBLIC = "1.1.1.1 93.184.216.34 2606:4700:4700::1111 ::ffff:1.1.1.1 64:ff9b::101:101"


@pytest.mark.parametrize("address", PRIVATE.split())
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not is_allowed(address, ())


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address, ())


def test_the_operator_may_name_networks_and_only_they_open() -> None:
    allowed = parse_networks("10.1.0.0/16, ::1/128")
    assert is_allowed("10.1.2.3", allowed)
    assert is_allowed("::1", allowed)
    assert not is_allowed("10.2.0.1", allowed)
    assert is_allowed("::ffff:10.1.2.3", allowed)


def test_no_socket_is_made_for_a_refused_address() -> None:
    make = guarded_sockets(())
    with pytest.raises(BlockedAddressError, match=r"127\.0\.0\.1"):
        make((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80)))
    with make((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 80))) as made:
        assert made.family is socket.AF_INET
