"""What a user's role lets him do: one table from role to scopes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

EVERYTHING = frozenset({"*"})
# Who is in the tenant, with which keys, who did what, and where its events are sent: for those who run it.
NOUNS_OF_ADMINS = frozenset({"users", "api_keys", "audit", "webhooks", "ingress_credentials", "privacy", "tenants"})
# What somebody in the car park does: set a state, swap a device, book, acknowledge, send a display something.
NOUNS_OF_OPERATORS = frozenset({"spaces", "devices", "reservations", "alerts", "downlinks"})
# Who comes, with e-mail and phone: not for those who only look.
NOUNS_ABOUT_PEOPLE = frozenset({"reservations"})


class Role(StrEnum):
    """A user's role in his tenant; each includes those before it. The tenant cannot lose its last owner."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    OWNER = "owner"


def scopes_of(role: Role, known: Iterable[str]) -> frozenset[str]:
    """The role's scopes, of all `known` ones (`<noun>:read`, `<noun>:write`)."""
    if role in {Role.ADMIN, Role.OWNER}:
        return EVERYTHING
    reads = {scope for scope in known if scope.endswith(":read") and _noun(scope) not in NOUNS_OF_ADMINS}
    if role is Role.VIEWER:
        return frozenset(scope for scope in reads if _noun(scope) not in NOUNS_ABOUT_PEOPLE)
    return frozenset(reads | {scope for scope in known if _noun(scope) in NOUNS_OF_OPERATORS})


def covers(scopes: Iterable[str], wanted: str) -> bool:
    """Whether `scopes` include the wanted one; `<noun>:*` and `*` stand for all under them."""
    return not {"*", f"{_noun(wanted)}:*", wanted}.isdisjoint(scopes)


def _noun(scope: str) -> str:
    return scope.partition(":")[0]
