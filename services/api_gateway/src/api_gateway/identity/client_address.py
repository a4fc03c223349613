"""From where a request comes: the peer, or what a proxy that we trust says of it."""

from __future__ import annotations

import ipaddress

from fastapi import Request

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def client_address(request: Request, trusted: Networks) -> str:
    """The nearest address that is no trusted proxy's; X-Forwarded-For of anybody else is a client's own invention."""
    address = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while forwarded and _is_in(address, trusted):
        before = forwarded.pop().strip()
        if _parse(before) is None:
            break
        address = before
    return address


def throttled_address(address: str) -> str:
    """What is throttled as one client: an IPv4 address, or the /64 that an IPv6 host has to itself."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def _is_in(address: str, networks: Networks) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
