"""Frames that nobody could place yet: kept, and taken out when their application or codec is known."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from occupancy_engine.store.columns import columns
from parking_chassis.postgres import Connection
from parking_contracts.uplink import UplinkReceived

encode = msgspec.json.encode


async def insert_orphans(connection: Connection, orphans: Sequence[tuple[UplinkReceived, str]]) -> None:
    """Keep frames that belong to nobody yet, with the reason; a frame delivered again is kept once."""
    if orphans:
        await connection.execute(
            """
            INSERT INTO occupancy.orphan_frames
                (source, application_id, dev_eui, deduplication_id, reason, envelope, received_at)
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[],
                                 $7::timestamptz[])
            ON CONFLICT DO NOTHING
            """,
            *columns(
                [
                    (
                        one.source,
                        one.application_id,
                        one.dev_eui,
                        one.deduplication_id,
                        why,
                        encode(one),
                        one.received_at,
                    )
                    for one, why in orphans
                ],
                7,
            ),
        )


async def take_orphans(
    connection: Connection, source: str, application_id: str, dev_eui: str | None = None
) -> list[UplinkReceived]:
    """Take the waiting frames of an application (or of one device of it) out, oldest first."""
    rows = await connection.fetch(
        """
        DELETE FROM occupancy.orphan_frames
        WHERE source = $1 AND application_id = $2 AND ($3::text IS NULL OR dev_eui = $3)
        RETURNING id, envelope
        """,
        source,
        application_id,
        dev_eui,
    )
    ordered = sorted(rows, key=lambda row: row["id"])
    return [msgspec.json.decode(row["envelope"], type=UplinkReceived) for row in ordered]


async def stranded(connection: Connection) -> list[tuple[str, str, str]]:
    """(source, application id, device) of waiting frames that wait for nothing any more."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT o.source, o.application_id, o.dev_eui FROM occupancy.orphan_frames o
        JOIN occupancy.applications a USING (source, application_id)
        LEFT JOIN occupancy.devices d ON d.tenant_id = a.tenant_id AND d.dev_eui = o.dev_eui
        WHERE o.reason = 'unknown_application' OR d.codec IS NOT NULL
        ORDER BY o.source, o.application_id, o.dev_eui
        """
    )
    return [(row["source"], row["application_id"], row["dev_eui"]) for row in rows]
