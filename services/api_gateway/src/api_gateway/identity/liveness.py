"""Which credentials still open a door: what an event stream asks about its client, twice a second for all together."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from uuid import UUID

from api_gateway.identity.queries import live_keys
from api_gateway.identity.sessions.queries import live_sessions
from parking_chassis.postgres import Connection


async def live_credentials(connection: Connection, credentials: AbstractSet[str]) -> set[str]:
    """Those of `key:<id>` and `session:<id>` that are neither revoked nor expired; every role may follow events."""
    keys = [one.removeprefix("key:") for one in credentials if one.startswith("key:")]
    sessions = [UUID(one.removeprefix("session:")) for one in credentials if one.startswith("session:")]
    live = {f"key:{one}" for one in await live_keys(connection, keys)} if keys else set()
    if sessions:
        live |= {f"session:{one}" for one in await live_sessions(connection, sessions)}
    return live
