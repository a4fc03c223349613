"""Which tenant an application belongs to."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import msgspec

from occupancy_engine.store.columns import columns
from parking_chassis.postgres import Connection
from parking_codecs.object_mapping import ObjectMapping
from parking_contracts.device_commands import Clock


class Binding(msgspec.Struct, frozen=True):
    """Whom an application belongs to, which clock it follows, and how its `object` is read."""

    tenant_id: UUID
    clock: Clock
    mapping: ObjectMapping | None


async def bindings_of(
    connection: Connection, applications: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Binding]:
    """The bindings of these (source, application id) pairs; the unbound ones are missing."""
    rows = await connection.fetch(
        """
        SELECT a.* FROM unnest($1::text[], $2::text[]) AS wanted (source, application_id)
        JOIN occupancy.applications a USING (source, application_id)
        """,
        *columns(applications, 2),
    )
    return {
        (row["source"], row["application_id"]): Binding(
            row["tenant_id"],
            row["clock"],
            row["object_mapping"] and msgspec.convert(row["object_mapping"], ObjectMapping),
        )
        for row in rows
    }
