"""The lock of a space: whoever writes its reservations holds it until the end of the transaction.

It puts the contenders for one slot in a queue, so that an exclusion constraint never makes them wait for each other in
a circle, and lets the events of a space leave in the order of their commits. Who takes more than one takes the others
without waiting.
"""

from __future__ import annotations

from uuid import UUID

from parking_chassis.postgres import Connection

SpaceKey = tuple[UUID, UUID]
"""(tenant, space)."""


async def lock_space(connection: Connection, tenant_id: UUID, space_id: UUID) -> bool:
    """Wait for the lock. Raises LockNotAvailableError after the connection's lock_timeout."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 2))", _name(tenant_id, space_id))
    return True


async def try_lock_space(connection: Connection, tenant_id: UUID, space_id: UUID) -> bool:
    """Take the lock if nobody holds it."""
    taken: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 2))", _name(tenant_id, space_id)
    )
    return taken


def _name(tenant_id: UUID, space_id: UUID) -> str:
    return f"reservation {tenant_id} {space_id}"
