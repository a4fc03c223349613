"""Whether events can come in over HTTP at all: said every five seconds by every gateway for which it is so.

Devices that are heard over HTTP are called silent by the watermark of "ingress". While no gateway takes events, that is
our outage and not theirs, and the watermark must stand still: the ingestor ticks for "ingress" no further than this.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import msgspec
from nats.errors import Error as NatsError

from api_gateway.bus import Bus
from parking_chassis.postgres import Pool, database_check
from parking_contracts import subjects
from parking_contracts.uplink import Tick

EVERY_SECONDS = 5.0
# An event that was received by then is stored or was refused: a request for one does not last longer.
UNDER_WAY = timedelta(seconds=10)


async def announce_door(bus: Bus, pool: Pool) -> None:
    """Say it for ever; nothing is said while the database, which knows the senders, or NATS is away."""
    client = await bus.opened()
    while True:
        if client.is_connected and await database_check(pool) is None:
            tick = Tick(source="ingress", at=datetime.now(UTC) - UNDER_WAY)
            with contextlib.suppress(NatsError, OSError):  # the next one says more
                await client.publish(subjects.INGRESS_OPEN, msgspec.json.encode(tick))
        await asyncio.sleep(EVERY_SECONDS)
