"""Readings and stays: written in bulk, and read back around late readings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import msgspec

from occupancy_engine.domain.hearing import Device, StayBegun, StayEnded
from occupancy_engine.domain.stays import Place, Reading, Repair, Stay
from occupancy_engine.store.columns import columns
from occupancy_engine.store.one_statement import ROWS, Row, Write
from parking_chassis.postgres import Connection

ReadingRow = Row
"""A value for each of the table's columns, in their order; JSON as bytes."""

# Not by COPY, which refuses tables under row-level security.
_INSERT_READINGS = f"INSERT INTO occupancy.sensor_readings SELECT * FROM unnest({ROWS}::occupancy.sensor_readings[])"  # noqa: S608


def reading_writes(rows: Sequence[ReadingRow]) -> tuple[Write]:
    """What stores readings; the caller has made sure that none is stored already."""
    return (Write("readings", _INSERT_READINGS, rows),)


ReadingKey = tuple[UUID, str, datetime, int]


async def stored_readings(connection: Connection, keys: Collection[ReadingKey]) -> set[ReadingKey]:
    """Which of these (tenant, device, session, fCnt) are stored already."""
    rows = await connection.fetch(
        """
        SELECT r.tenant_id, r.dev_eui, r.session_at, r.f_cnt FROM occupancy.sensor_readings r
        JOIN unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[])
            AS wanted (tenant_id, dev_eui, session_at, f_cnt) USING (tenant_id, dev_eui, session_at, f_cnt)
        """,
        *columns(keys, 4),
    )
    return {(row["tenant_id"], row["dev_eui"], row["session_at"], row["f_cnt"]) for row in rows}


_INSERT_STAYS = f"""
    INSERT INTO occupancy.stays SELECT * FROM unnest({ROWS}::occupancy.stays[])
    RETURNING tenant_id, space_id, arrived_at, departed_at
"""  # noqa: S608
_END_STAYS = f"""
    UPDATE occupancy.stays s SET departed_at = greatest(s.arrived_at, new.departed_at),
        departed_session = new.departed_session, departed_f_cnt = new.departed_f_cnt
    FROM unnest({ROWS}::occupancy.stay_ended[]) AS new
    WHERE s.tenant_id = new.tenant_id AND s.id = new.id
    RETURNING s.tenant_id, s.space_id, s.arrived_at, s.departed_at
"""  # noqa: S608
_LEAVE_WORD = """
    INSERT INTO occupancy.rollup_queue (tenant_id, space_id, from_at, until_at)
    SELECT * FROM stays_begun WHERE departed_at IS NOT NULL UNION ALL SELECT * FROM stays_ended
"""


def stay_writes(moves: Iterable[StayBegun | StayEnded]) -> tuple[Write, ...]:
    """What begins and ends stays, in order; a stay may do both in one batch.

    An ended one leaves word for the rollups. A running one need not: their clock looks at what runs.
    """
    begun, ended = {}, {}
    for move in moves:
        if isinstance(move, StayBegun):
            begun[move.id] = move
        else:
            ended[move.id] = move
    return (
        Write("stays_begun", _INSERT_STAYS, [_begun_row(move, ended.pop(move.id, None)) for move in begun.values()]),
        Write("stays_ended", _END_STAYS, [_ended_row(move) for move in ended.values()]),
        Write("left_word", _LEAVE_WORD),
    )


def _begun_row(begun: StayBegun, ended: StayEnded | None) -> Row:
    device, reading = begun.device, begun.reading
    return (
        device.tenant_id,
        begun.id,
        device.space_id,
        device.dev_eui,
        reading.occurred_at,
        max(reading.occurred_at, ended.departed_at) if ended else None,
        *reading.place,
        *((ended.departed if ended else None) or (None, None)),
        reading.received_at,
    )


def _ended_row(ended: StayEnded) -> Row:
    return (ended.device.tenant_id, ended.id, ended.departed_at, *(ended.departed or (None, None)))


class Stretch(msgspec.Struct, frozen=True):
    """A device's late readings span from `low` to `high`: what lies there is folded again."""

    device: Device
    low: Place
    high: Place


async def readings_around(connection: Connection, stretches: Sequence[Stretch]) -> list[list[Reading]]:
    """Each stretch's readings in order, with the neighbour before and the neighbour after, on its present space."""
    rows = await connection.fetch(
        """
        SELECT n, found.* FROM unnest($1::int[], $2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[],
            $6::timestamptz[], $7::bigint[], $8::timestamptz[], $9::bigint[])
            AS late (n, tenant, eui, space, since, low_session, low_f_cnt, high_session, high_f_cnt)
        CROSS JOIN LATERAL (
            (SELECT session_at, f_cnt, occurred_at, received_at, occupied FROM occupancy.sensor_readings
             WHERE tenant_id = tenant AND dev_eui = eui AND (session_at, f_cnt) < (low_session, low_f_cnt)
               AND space_id = space AND occupied IS NOT NULL AND received_at >= since
             ORDER BY session_at DESC, f_cnt DESC LIMIT 1)
            UNION ALL
            (SELECT session_at, f_cnt, occurred_at, received_at, occupied FROM occupancy.sensor_readings
             WHERE tenant_id = tenant AND dev_eui = eui
               AND (session_at, f_cnt) BETWEEN (low_session, low_f_cnt) AND (high_session, high_f_cnt)
               AND space_id = space AND occupied IS NOT NULL AND received_at >= since)
            UNION ALL
            (SELECT session_at, f_cnt, occurred_at, received_at, occupied FROM occupancy.sensor_readings
             WHERE tenant_id = tenant AND dev_eui = eui AND (session_at, f_cnt) > (high_session, high_f_cnt)
               AND space_id = space AND occupied IS NOT NULL AND received_at >= since
             ORDER BY session_at, f_cnt LIMIT 1)
        ) AS found
        ORDER BY n, session_at, f_cnt
        """,
        *columns(
            [(number, *_whose(one.device), *one.low, *one.high) for number, one in enumerate(stretches)],
            9,
        ),
    )
    found: list[list[Reading]] = [[] for _ in stretches]
    for row in rows:
        place = (row["session_at"], row["f_cnt"])
        found[row["n"]].append(Reading(place, row["occurred_at"], row["received_at"], row["occupied"]))
    return found


async def stays_around(
    connection: Connection, stretches: Sequence[Stretch], readings: Sequence[Sequence[Reading]]
) -> list[list[Stay]]:
    """Each stretch's stays that touch its readings, first to last."""
    rows = await connection.fetch(
        """
        SELECT n, found.* FROM unnest($1::int[], $2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[],
            $6::timestamptz[], $7::bigint[], $8::timestamptz[], $9::bigint[])
            AS late (n, tenant, eui, space, since, low_session, low_f_cnt, high_session, high_f_cnt)
        CROSS JOIN LATERAL (
            (SELECT * FROM occupancy.stays
             WHERE tenant_id = tenant AND space_id = space AND dev_eui = eui AND received_at >= since
               AND (arrived_session, arrived_f_cnt) < (low_session, low_f_cnt)
             ORDER BY arrived_session DESC, arrived_f_cnt DESC LIMIT 1)
            UNION ALL
            (SELECT * FROM occupancy.stays
             WHERE tenant_id = tenant AND space_id = space AND dev_eui = eui AND received_at >= since
               AND (arrived_session, arrived_f_cnt) BETWEEN (low_session, low_f_cnt) AND (high_session, high_f_cnt))
        ) AS found
        ORDER BY n, arrived_session, arrived_f_cnt
        """,
        *columns(
            [
                (number, *_whose(one.device), *around[0].place, *around[-1].place)
                for number, (one, around) in enumerate(zip(stretches, readings, strict=True))
            ],
            9,
        ),
    )
    found: list[list[Stay]] = [[] for _ in stretches]
    for row in rows:
        departed = None if row["departed_session"] is None else (row["departed_session"], row["departed_f_cnt"])
        arrived = (row["arrived_session"], row["arrived_f_cnt"])
        found[row["n"]].append(
            Stay(arrived, row["arrived_at"], row["received_at"], departed, row["departed_at"], str(row["id"]))
        )
    return found


def _whose(device: Device) -> tuple[object, ...]:
    return (device.tenant_id, device.dev_eui, device.space_id, device.assigned_at)


async def write_repair(connection: Connection, device: Device, repair: Repair) -> None:
    """Make a space's stays what its readings say."""
    if repair.removed:
        await connection.execute(
            "DELETE FROM occupancy.stays WHERE tenant_id = $1 AND id = ANY($2::uuid[])",
            device.tenant_id,
            [stay.id for stay in repair.removed],
        )
    for stay in repair.written:
        stay_id = UUID(stay.id) if stay.id else uuid4()
        await connection.execute(
            """
            INSERT INTO occupancy.stays (tenant_id, id, space_id, dev_eui, arrived_at, departed_at, arrived_session,
                arrived_f_cnt, departed_session, departed_f_cnt, received_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (tenant_id, id) DO UPDATE SET arrived_at = excluded.arrived_at,
                departed_at = excluded.departed_at, arrived_session = excluded.arrived_session,
                arrived_f_cnt = excluded.arrived_f_cnt, departed_session = excluded.departed_session,
                departed_f_cnt = excluded.departed_f_cnt, received_at = excluded.received_at
            """,
            device.tenant_id,
            stay_id,
            device.space_id,
            device.dev_eui,
            stay.arrived_at,
            stay.departed_at,
            *stay.arrived,
            *(stay.departed or (None, None)),
            stay.received_at,
        )
        if stay.departed_at is None:
            device.open_stay_id = stay_id
