"""Frames that waited for an application or a codec, taken in once they can be."""

from __future__ import annotations

from occupancy_engine.batch import take_in
from occupancy_engine.decoders import Decoders
from occupancy_engine.store import orphans as orphan_rows
from parking_chassis.postgres import Connection

AT_ONCE = 500


async def take_in_orphans(
    connection: Connection, decoders: Decoders, source: str, application_id: str, dev_eui: str | None = None
) -> int:
    """Take an application's waiting frames in, or one device's; those that still cannot be read wait on."""
    waiting = await orphan_rows.take_orphans(connection, source, application_id, dev_eui)
    taken = 0
    for start in range(0, len(waiting), AT_ONCE):
        frames = waiting[start : start + AT_ONCE]
        outcome = await take_in(connection, frames, decoders)
        taken += len(frames) - outcome.orphans
    return taken


async def take_in_stranded(connection: Connection, decoders: Decoders) -> int:
    """Take in frames that became orphans at the very moment their application was bound or their codec set."""
    return sum(
        [
            await take_in_orphans(connection, decoders, source, application_id, dev_eui)
            for source, application_id, dev_eui in await orphan_rows.stranded(connection)
        ]
    )
