"""The pure rules of identity: passwords, roles, tokens, addresses."""

import ipaddress
import itertools

import pytest
from fastapi import Request

from api_gateway.identity.authentication import SCOPES
from api_gateway.identity.client_address import client_address, throttled_address
from api_gateway.identity.credentials import COMMON, EMAIL, LENGTH, weakness
from api_gateway.identity.roles import Role, covers, scopes_of
from api_gateway.identity.sessions.refresh_tokens import RefreshToken, first_token, parse_refresh_token


@pytest.mark.parametrize(
    ("password", "is_good"),
    [
        ("correct horse battery staple", True),
        ("\u0434\u0432\u0430 \u0437\u0435\u043b\u0451\u043d\u044b\u0445", True),
        ("          x", True),
        ("x" * 9, False),
        ("x" * 201, False),
        ("Password123", False),
        ("1234567890", False),
        ("ZZZZZZZZZZZZ", False),
        ("Long.Name@example.com", False),
        ("long.name-", True),
    ],
)
def test_passwords_are_long_not_common_and_not_the_e_mail(password: str, is_good: bool) -> None:
    assert (weakness(password, "long.name@example.com") is None) == is_good


def test_every_common_password_would_else_be_taken() -> None:
    assert all(len(one) in LENGTH and one == one.casefold() for one in COMMON)


@pytest.mark.parametrize("email", ["", "a", "a@", "@b", "a b@c", "a@b\n", "a@b@c", "x" * 250 + "@example.com"])
def test_what_is_no_e_mail(email: str) -> None:
    assert not EMAIL.fullmatch(email)


def test_each_role_includes_those_before_it() -> None:
    roles = [scopes_of(role, SCOPES) for role in Role]
    for lower, higher in itertools.pairwise(roles):
        assert all(covers(higher, scope) for scope in lower)


def test_a_viewer_writes_nothing_and_sees_nothing_of_the_admins() -> None:
    scopes = scopes_of(Role.VIEWER, SCOPES)
    assert all(scope.endswith(":read") for scope in scopes)
    assert not scopes & {"users:read", "api_keys:read", "audit:read", "webhooks:read", "tenants:read"}
    assert {"spaces:read", "sites:read", "devices:read", "events:read"} <= scopes


def test_a_viewer_sees_nobodys_data_and_an_operator_does() -> None:
    assert "reservations:read" not in scopes_of(Role.VIEWER, SCOPES)
    assert {"reservations:read", "reservations:write"} <= scopes_of(Role.OPERATOR, SCOPES)


def test_an_operator_runs_the_car_park_and_does_not_build_it() -> None:
    scopes = scopes_of(Role.OPERATOR, SCOPES)
    assert {"spaces:write", "devices:write"} <= scopes
    assert not scopes & {"sites:write", "users:write", "api_keys:write"}


def test_a_successor_is_derived_from_secret_key_and_salt() -> None:
    token = first_token(parse_refresh_token(f"rt_{'0' * 32}_{'A' * 43}").session_id)
    derived = token.successor("key", b"salt")
    assert derived == token.successor("key", b"salt")
    others = [token.successor("other", b"salt"), token.successor("key", b"pepper"), token.successor(None, b"salt")]
    others.append(RefreshToken(token.session_id, "B" * 43).successor("key", b"salt"))
    assert derived not in others
    assert parse_refresh_token(derived.text) == derived


TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.2.0.1", "198.51.100.1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_the_nearest_address_that_is_no_proxys(peer: str, forwarded: str | None, client: str) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    request = Request({"type": "http", "client": (peer, 1), "headers": headers})
    assert client_address(request, TRUSTED) == client


def test_an_ipv6_host_has_a_whole_network_to_itself() -> None:
    assert throttled_address("2001:db8::1") == throttled_address("2001:db8::ffff")
    assert throttled_address("2001:db8:0:1::1") != throttled_address("2001:db8::1")
    assert throttled_address("203.0.113.7") == "203.0.113.7"
