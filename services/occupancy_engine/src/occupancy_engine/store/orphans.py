"""Frames that nobody could place yet: kept, and taken out when their application or codec is known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import asyncpg
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
                        one.deduplication_id or hashlib.sha256(encode(one)).hexdigest(),
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
    connection: Connection, source: str, application_id: str, dev_eui: str | None, limit: int
) -> list[UplinkReceived]:
    """Take the oldest waiting frames of an application (or of one device of it) out, in order."""
    rows = await connection.fetch(
        """
        DELETE FROM occupancy.orphan_frames WHERE id IN (
            SELECT id FROM occupancy.orphan_frames
            WHERE source = $1 AND application_id = $2 AND ($3::text IS NULL OR dev_eui = $3)
            ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)
        RETURNING id, envelope
        """,
        source,
        application_id,
        dev_eui,
        limit,
    )
    return _in_order(rows)


async def take_stranded(connection: Connection, limit: int) -> list[UplinkReceived]:
    """Take the oldest frames out that wait for nothing any more: their application is bound, or their codec set.

    Or a mapping has read their device by now: from a frame that was taken in beside theirs, and had an object.
    """
    rows = await connection.fetch(
        """
        DELETE FROM occupancy.orphan_frames WHERE id IN (
            SELECT o.id FROM occupancy.orphan_frames o
            JOIN occupancy.applications a USING (source, application_id)
            LEFT JOIN occupancy.devices d ON d.tenant_id = a.tenant_id AND d.dev_eui = o.dev_eui
            WHERE o.reason = 'unknown_application' OR d.codec IS NOT NULL
               OR (d.codec_in_use = 'object' AND a.object_mapping IS NOT NULL)
            ORDER BY o.id LIMIT $1 FOR UPDATE OF o SKIP LOCKED)
        RETURNING id, envelope
        """,
        limit,
    )
    return _in_order(rows)


def _in_order(rows: Sequence[asyncpg.Record]) -> list[UplinkReceived]:
    ordered = sorted(rows, key=lambda row: row["id"])
    return [msgspec.json.decode(row["envelope"], type=UplinkReceived) for row in ordered]
