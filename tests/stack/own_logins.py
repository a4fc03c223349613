"""Every process of the platform logs in as itself, so that all tests run with the permissions that are shipped.

Tests know an account of an embedded server by its operator's URL, who may do everything, and hand that to services:
here it becomes the service's own.
"""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from parking_contracts.permissions import CHIRPSTACK, OPERATOR, SERVICES
from parkstream.access_rules import account_user

USERS = {user.name: user.name for user in SERVICES} | {"parking_simulator.chirpstack": CHIRPSTACK}
VARIABLES = ("PARKSTREAM_NATS_URL", "PARKSTREAM_MQTT_URL")


class Server(Protocol):
    """A server whose users' passwords can be known."""

    def password_of(self, user: str) -> str: ...


_servers: dict[str, Server] = {}


def remember(server: Server) -> None:
    """Know a running server by its operator's password."""
    _servers[server.password_of(OPERATOR)] = server


def as_user(urls: str, user: str) -> str:
    """The same URLs with the login of another user of the same account; strangers' URLs as they are."""
    return ",".join(_one_as_user(url, user) for url in urls.split(","))


def as_itself(module: str, environment: Mapping[str, str]) -> dict[str, str]:
    """A service's environment with its own logins."""
    if (user := USERS.get(module)) is None:
        return dict(environment)
    own = {name: as_user(environment[name], user) for name in VARIABLES if name in environment}
    return {**environment, **own}


def _one_as_user(url: str, user: str) -> str:
    parts = urlsplit(url)
    server = _servers.get(parts.password or "")
    if server is None or parts.username is None:
        return url
    name = user if parts.username == OPERATOR else account_user(parts.username, user)
    return parts._replace(netloc=f"{name}:{server.password_of(user)}@{parts.netloc.rpartition('@')[2]}").geturl()
