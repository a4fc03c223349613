"""Which addresses a webhook may connect to: the public internet's, and what the operator allows. Pure.

Tenants choose the hosts, so an address of ours (loopback, private, link-local with the cloud's metadata service,
shared, multicast, reserved) must not be reached, in whichever way it is written: IPv4-mapped, NAT64 and 6to4 addresses
are judged by the IPv4 address inside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

# Python's `is_global` has changed between its versions: what is refused here is refused under all of them.
_NEVER_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NEVER_V6 = (IPv6Network("2001::/23"), IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRule:
    """Says of an address whether it may be connected to."""

    def __init__(self, allowed: Sequence[IpNetwork] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, address: IpAddress) -> bool:
        """Whether it is public, or in one of the allowed networks."""
        inner = _embedded(address)
        return self._is_allowed(address) or self._is_allowed(inner) or _is_public(inner)

    def _is_allowed(self, address: IpAddress) -> bool:
        return any(address.version == network.version and address in network for network in self._allowed)


def read_address(text: str) -> IpAddress | None:
    """The address that a text writes out, without a zone; None when it is a name."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def read_network(text: str) -> IpNetwork:
    """A network such as 10.1.0.0/16.

    Raises:
        ValueError: It is none.
    """
    return ip_network(text)


def _embedded(address: IpAddress) -> IpAddress:
    """The IPv4 address that a packet to this one would end at, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: IpAddress) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NEVER_V4)
    return address in _GLOBAL_UNICAST and not any(address in network for network in _NEVER_V6)
