"""The alerts: which are open, opening and closing them set-wise, and their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from occupancy_engine import SCHEMA, SERVICE
from occupancy_engine.domain.alerts import Finding
from occupancy_engine.store.columns import columns
from occupancy_engine.store.devices import DeviceKey
from parking_chassis.outbox import Event, write_events
from parking_chassis.postgres import Connection
from parking_contracts import subjects
from parking_contracts.alert import EVENT_TYPES, AlertView, SpaceAlertClosed, SpaceAlertOpened


class Found(msgspec.Struct, frozen=True):
    """A finding about a device on a space."""

    tenant_id: UUID
    dev_eui: str
    space_id: UUID
    finding: Finding


_VIEW = """
    tenant_id, id, source, key, kind, severity, dev_eui, space_id, summary, details, opened_at, closed_at,
    acknowledged_at, acknowledged_by, note
"""
# An event needs the place of the space, which a change of alerts does not touch.
_PLACED = """
    SELECT changed.*, s.site_id, s.code, s.zone
    FROM changed LEFT JOIN occupancy.spaces s ON s.tenant_id = changed.tenant_id AND s.id = changed.space_id
    ORDER BY changed.id
"""


async def take_turn(connection: Connection, seconds: float) -> bool:
    """Whether it is this engine's turn to look: one round per `seconds`, however many engines there are."""
    turn = await connection.fetchval(
        """
        UPDATE occupancy.alert_rounds SET begun_at = clock_timestamp()
        WHERE begun_at < clock_timestamp() - make_interval(secs => $1) RETURNING true
        """,
        seconds,
    )
    return bool(turn)


async def open_alerts(connection: Connection, keys: Sequence[DeviceKey]) -> Mapping[DeviceKey, dict[str, UUID]]:
    """The engine's open alerts of these devices, by kind."""
    # Device by device (OFFSET 0 forbids another order): a plan made while there were no alerts compared every open one
    # with every device, and took 125 ms for a page once there were 5,000.
    rows = await connection.fetch(
        """
        SELECT wanted.tenant_id, wanted.dev_eui, a.kind, a.id
        FROM unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, dev_eui)
        CROSS JOIN LATERAL (
            SELECT kind, id FROM occupancy.alerts
            WHERE tenant_id = wanted.tenant_id AND dev_eui = wanted.dev_eui AND source = $3 AND closed_at IS NULL
            OFFSET 0
        ) AS a
        """,
        *columns(keys, 2),
        SERVICE,
    )
    found: dict[DeviceKey, dict[str, UUID]] = {}
    for row in rows:
        found.setdefault((row["tenant_id"], row["dev_eui"]), {})[row["kind"]] = row["id"]
    return found


async def open_found(connection: Connection, found: Sequence[Found], now: datetime) -> int:
    """Open alerts, and tell of them. One that another engine has just opened stays as it is."""
    if not found:
        return 0
    return await open_where(
        connection,
        """
        SELECT tenant_id, $8, dev_eui || ':' || kind, kind, severity, dev_eui, space_id, summary, details, $9
        FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
            AS new (tenant_id, dev_eui, space_id, kind, severity, summary, details)
        """,
        *columns([_row(one) for one in found], 7),
        SERVICE,
        now,
    )


async def open_where(connection: Connection, which: str, *arguments: object) -> int:
    """Open what a query of the columns below tells, unless it is open, and tell of those that have a space."""
    rows = await connection.fetch(
        f"""
        WITH changed AS (
            INSERT INTO occupancy.alerts
                (tenant_id, source, key, kind, severity, dev_eui, space_id, summary, details, opened_at)
            {which}
            ON CONFLICT (tenant_id, source, key) WHERE closed_at IS NULL DO NOTHING
            RETURNING {_VIEW}
        ) {_PLACED}
        """,
        *arguments,
    )
    await _tell(connection, rows, SpaceAlertOpened)
    return len(rows)


def _row(one: Found) -> tuple[Any, ...]:
    finding = one.finding
    return (
        one.tenant_id,
        one.dev_eui,
        one.space_id,
        finding.kind,
        finding.severity,
        finding.summary,
        msgspec.json.encode(finding.details),
    )


async def close_alerts(connection: Connection, alerts: Sequence[tuple[UUID, UUID]], now: datetime) -> int:
    """Close these (tenant, alert), and tell of it; what another engine has just closed stays as it is."""
    if not alerts:
        return 0
    return await close_where(
        connection,
        """
        (a.tenant_id, a.id) IN (SELECT * FROM unnest($2::uuid[], $3::uuid[]))
        """,
        now,
        *columns(alerts, 2),
    )


async def close_misplaced(connection: Connection, now: datetime) -> int:
    """Close the engine's alerts of devices that were swapped, moved or taken off, or whose space is gone."""
    return await close_where(
        connection,
        """
        a.source = $2 AND NOT EXISTS (
            SELECT FROM occupancy.spaces s
            WHERE s.tenant_id = a.tenant_id AND s.id = a.space_id AND s.sensor_eui = a.dev_eui AND s.deleted_at IS NULL)
        """,
        now,
        SERVICE,
    )


async def close_where(connection: Connection, which: str, now: datetime, *arguments: object) -> int:
    """Close the open alerts that a condition names, and tell of those that have a space. $1 is the moment."""
    rows = await connection.fetch(
        f"""
        WITH changed AS (
            UPDATE occupancy.alerts a SET closed_at = greatest(a.opened_at, $1)
            WHERE a.closed_at IS NULL AND {which} RETURNING {_VIEW}
        ) {_PLACED}
        """,  # noqa: S608  constants of the stores
        now,
        *arguments,
    )
    await _tell(connection, rows, SpaceAlertClosed)
    return len(rows)


async def _tell(
    connection: Connection, rows: Sequence[asyncpg.Record], event: type[SpaceAlertOpened | SpaceAlertClosed]
) -> None:
    await write_events(connection, SCHEMA, [_event(dict(row), event) for row in rows if row["site_id"] is not None])


def _event(row: dict[str, Any], kind: type[SpaceAlertOpened | SpaceAlertClosed]) -> Event:
    told = msgspec.convert({**row, "alert_id": row["id"]}, kind)
    event_type = EVENT_TYPES[kind]
    subject = subjects.space(told.tenant_id, told.space_id, subjects.event_of(event_type))
    return Event(subject=subject, type=event_type, payload=msgspec.json.encode(told))


async def acknowledge(
    connection: Connection, tenant_id: UUID, alert_id: UUID, caller: str, note: str
) -> AlertView | None:
    """Note who has seen it first; a later acknowledgement changes nothing. None: there is no such alert."""
    row = await connection.fetchrow(
        f"""
        UPDATE occupancy.alerts SET acknowledged_at = coalesce(acknowledged_at, now()),
            acknowledged_by = coalesce(acknowledged_by, $3),
            note = CASE WHEN acknowledged_at IS NULL THEN $4 ELSE note END
        WHERE tenant_id = $1 AND id = $2 RETURNING {_VIEW}
        """,  # noqa: S608  the constant above
        tenant_id,
        alert_id,
        caller,
        note,
    )
    return msgspec.convert(dict(row), AlertView) if row else None
