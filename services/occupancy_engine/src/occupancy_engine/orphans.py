"""Frames that waited for an application or a codec, taken in once they can be.

The command that makes them readable takes in the first of them at once; a clock takes in the rest, and those that
became orphans at the very moment. Each transaction takes few, so that it locks devices before spaces, like a batch.
"""

from __future__ import annotations

from occupancy_engine import SCHEMA
from occupancy_engine.batch import frame_letter, take_in
from occupancy_engine.decoders import Decoders
from occupancy_engine.store import orphans as orphan_rows
from parking_chassis.dead_letters import PoisonError
from parking_chassis.isolation import failure_of
from parking_chassis.outbox import write_events
from parking_chassis.postgres import Connection, Pool
from parking_chassis.subscriber import DEPENDENCY_AWAY
from parking_contracts.errors import DeadLetterCode
from parking_contracts.uplink import UplinkReceived

AT_ONCE = 500


async def take_in_orphans(
    connection: Connection, decoders: Decoders, source: str, application_id: str, dev_eui: str | None = None
) -> int:
    """Take the first of an application's waiting frames in, or of one device's; answers how many it could."""
    frames = await orphan_rows.take_orphans(connection, source, application_id, dev_eui, AT_ONCE)
    outcome = await take_in(connection, frames, decoders)
    return len(frames) - outcome.orphans


async def take_in_stranded(pool: Pool, decoders: Decoders) -> None:
    """Take in every frame that waits for nothing any more. One that cannot be handled is set aside, alone."""
    at_once = AT_ONCE
    while True:
        frames: list[UplinkReceived] = []
        failure = await failure_of(_take_in_some(pool, decoders, at_once, frames))
        if failure is None and len(frames) < at_once:
            return
        if isinstance(failure, DEPENDENCY_AWAY):
            raise failure
        if failure is not None and at_once == 1:
            await _set_aside(pool, failure)
        elif failure is not None:
            at_once = 1


async def _take_in_some(pool: Pool, decoders: Decoders, at_once: int, frames: list[UplinkReceived]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        frames += await orphan_rows.take_stranded(connection, at_once)
        await take_in(connection, frames, decoders)


async def _set_aside(pool: Pool, failure: Exception) -> None:
    async with pool.acquire() as connection, connection.transaction():
        for frame in await orphan_rows.take_stranded(connection, 1):
            letter = frame_letter(frame, PoisonError(DeadLetterCode.UNEXPECTED_ERROR, repr(failure)))
            await write_events(connection, SCHEMA, [letter])
