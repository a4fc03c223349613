"""Reads what is left after a round: rows, messages, displays. Nothing here judges.

In: a world at rest, past every proxy. Out: `Evidence`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from chaos.double import ask_displays
from chaos.evidence import (
    ChangeRow,
    Evidence,
    LeftOvers,
    Published,
    Reading,
    ReservationRow,
    SpaceRow,
    StayRow,
)
from chaos.world import World
from parking_contracts import subjects
from parking_contracts.streams import STREAMS
from stack.consumers import has_caught_up

READINGS = """
    SELECT tenant_id::text, dev_eui, session_at, f_cnt, occurred_at, occupied, space_id::text
    FROM occupancy.sensor_readings WHERE dev_eui = ANY($1)
"""
STAYS = """
    SELECT tenant_id::text, space_id::text, dev_eui, arrived_session, arrived_f_cnt, arrived_at, departed_session,
           departed_f_cnt, departed_at
    FROM occupancy.stays
"""
SPACES = """
    SELECT tenant_id::text, id::text AS space_id, sensor_eui, display_eui, state, state_layer AS layer, version
    FROM occupancy.spaces
"""
CHANGES = """
    SELECT tenant_id::text, space_id::text, version, previous, state, cause, occurred_at, changed_at
    FROM occupancy.state_changes
"""
RESERVATIONS = """
    SELECT tenant_id::text, id::text, space_id::text, starts_at, ends_at, status FROM reservation.reservations
"""
LEFT = {
    "rows in the engine's outbox": "SELECT count(*) FROM occupancy.outbox",
    "rows in the reservations' outbox": "SELECT count(*) FROM reservation.outbox",
    "rows in the dispatcher's outbox": "SELECT count(*) FROM downlink.outbox",
    "locks that somebody waits for": "SELECT count(*) FROM pg_locks WHERE NOT granted",
    "transactions left open": """
        SELECT count(*) FROM pg_stat_activity
        WHERE state LIKE 'idle in transaction%' AND xact_start < now() - interval '5 seconds'
    """,
    "displays held by a sender": "SELECT count(*) FROM downlink.displays WHERE claim IS NOT NULL",
    "displays with something to be sent": """
        SELECT count(*) FROM downlink.displays WHERE sent_version < desired_version OR due_at <= now()
    """,
    "downlinks still queued": """
        SELECT count(*) FROM downlink.downlinks
        WHERE ended_at IS NULL AND (status = 'queued' OR expires_at < now())
    """,
    "frames that nobody could place": "SELECT count(*) FROM occupancy.orphan_frames",
}
FETCHED_AT_ONCE = 500


async def left_overs(sql: asyncpg.Connection, bus: Client) -> dict[str, int]:
    """What should be nothing, by name."""
    counts = {name: await sql.fetchval(query) for name, query in LEFT.items()}
    for stream in STREAMS:
        for consumer in stream.consumers:
            if not await has_caught_up(bus, stream.name, consumer.name):
                info = await bus.jetstream().consumer_info(stream.name, consumer.name)
                left = (info.num_pending or 0) + (info.num_ack_pending or 0)
                counts[f"messages of {stream.name} not handled by {consumer.name}"] = max(1, left)
    return counts


async def gather(world: World, sql: asyncpg.Connection, bus: Client) -> Evidence:
    """Everything there is."""
    sensors = [bay.device.dev_eui for town in world.towns for bay in town.city.bays]
    return Evidence(
        ledger=world.ledger,
        gathered_at=datetime.now(UTC),
        families={bay.display.dev_eui: bay.display.family for t in world.towns for bay in t.city.bays if bay.display},
        readings=[Reading(**row) for row in await sql.fetch(READINGS, sensors)],
        stays=[_stay(row) for row in await sql.fetch(STAYS)],
        spaces=[SpaceRow(**row) for row in await sql.fetch(SPACES)],
        changes=[ChangeRow(**row) for row in await sql.fetch(CHANGES)],
        reservations=[ReservationRow(**row) for row in await sql.fetch(RESERVATIONS)],
        published=await _published(bus),
        announced=await _announced(bus),
        displays=await ask_displays(world.control_port),
        left_overs=LeftOvers(counts=await left_overs(sql, bus), dead_letters=await _dead_letters(bus)),
    )


def _stay(row: asyncpg.Record) -> StayRow:
    departed = (row["departed_session"], row["departed_f_cnt"]) if row["departed_session"] else None
    return StayRow(
        tenant_id=row["tenant_id"],
        space_id=row["space_id"],
        dev_eui=row["dev_eui"],
        arrived=(row["arrived_session"], row["arrived_f_cnt"]),
        arrived_at=row["arrived_at"],
        departed=departed,
        departed_at=row["departed_at"],
    )


async def _published(bus: Client) -> list[Published]:
    """SPACES from its beginning; events without a version change nothing that is shown."""
    told = []
    async for sequence, subject, data in _messages(bus, "SPACES", subjects.ALL_SPACES):
        _, _, _, tenant_id, space_id, event = subject.split(".")
        body: dict[str, Any] = msgspec.json.decode(data)
        version = (body.get("space") or body).get("version")
        if version is not None:
            told.append(Published(sequence, tenant_id, space_id, event, version))
    return told


async def _announced(bus: Client) -> list[str]:
    """Reservations that RESERVATIONS says were made."""
    messages = _messages(bus, "RESERVATIONS", subjects.ALL_RESERVATIONS)
    return [
        msgspec.json.decode(data)["reservation_id"] async for _, name, data in messages if name.endswith(".created")
    ]


async def _dead_letters(bus: Client) -> list[str]:
    letters = []
    async for _, subject, data in _messages(bus, "DEAD_LETTERS", subjects.ALL_DEAD_LETTERS):
        body = msgspec.json.decode(data)
        letters.append(f"{subject}: {body.get('detail', '')} {str(body.get('payload', ''))[:80]}")
    return letters


async def _messages(bus: Client, stream: str, subject: str):
    """Everything that a stream holds, in order: (sequence, subject, data)."""
    jetstream = bus.jetstream()
    try:
        state = (await jetstream.stream_info(stream)).state
    except NotFoundError:
        return
    if not state.messages:
        return
    subscription = await jetstream.subscribe(subject, ordered_consumer=True)
    while True:
        message = await subscription.next_msg(timeout=10)
        sequence = message.metadata.sequence.stream
        yield sequence, message.subject, message.data
        if sequence >= state.last_seq:
            break
    await subscription.unsubscribe()
