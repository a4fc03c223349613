"""Who has left is out, his keys too: a key does not outlive the rights of the user who made it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from api_gateway.identity.keys import queries
from api_gateway.identity.roles import EVERYTHING, Role, covers, scopes_of
from parking_chassis.postgres import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping


async def revoke_keys_beyond(
    connection: Connection, tenant_id: UUID, user_id: UUID, role: Role | None, known_scopes: Mapping[str, str]
) -> None:
    """Revoke what the user's keys may do beyond `role`; all of them where he has none any more."""
    rights = scopes_of(role, known_scopes) if role is not None else frozenset[str]()
    if rights == EVERYTHING:
        return
    for key in await queries.keys_made_by(connection, tenant_id, f"user:{user_id}"):
        if role is None or not all(covers(rights, scope) for scope in key["scopes"]):
            await queries.revoke_key(connection, tenant_id, key["id"])
