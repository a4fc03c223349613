"""The device rows of a batch: found, made, locked, and written back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from occupancy_engine.domain.hearing import Device, Pending
from occupancy_engine.domain.sessions import Session, Sessions
from occupancy_engine.domain.stays import Reading
from occupancy_engine.store.columns import columns
from parking_chassis.postgres import Connection

DeviceKey = tuple[UUID, str]
_SIGN = 1 << 63


async def lock_devices(connection: Connection, keys: Collection[DeviceKey]) -> dict[DeviceKey, Device]:
    """Lock the known ones of these devices, in one order for everybody, and read them with their spaces."""
    wanted = columns(keys, 2)
    rows = await connection.fetch(
        """
        SELECT d.* FROM occupancy.devices d
        JOIN unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, dev_eui) USING (tenant_id, dev_eui)
        ORDER BY d.tenant_id, d.dev_eui FOR NO KEY UPDATE OF d
        """,
        *wanted,
    )
    # A statement of its own: it sees who was assigned while we waited for the locks.
    spaces = await connection.fetch(
        """
        SELECT s.tenant_id, s.sensor_eui, s.id FROM occupancy.spaces s
        JOIN unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, dev_eui)
            ON s.tenant_id = wanted.tenant_id AND s.sensor_eui = wanted.dev_eui
        WHERE s.deleted_at IS NULL
        """,
        *wanted,
    )
    space_ids = {(row["tenant_id"], row["sensor_eui"]): row["id"] for row in spaces}
    return {(row["tenant_id"], row["dev_eui"]): read_device(row, space_ids) for row in rows}


async def add_devices(connection: Connection, keys: Iterable[DeviceKey]) -> None:
    """Make rows for devices heard for the first time."""
    await connection.execute(
        """
        INSERT INTO occupancy.devices (tenant_id, dev_eui)
        SELECT * FROM unnest($1::uuid[], $2::text[]) AS new (tenant_id, dev_eui) ORDER BY tenant_id, dev_eui
        ON CONFLICT DO NOTHING
        """,
        *columns(keys, 2),
    )


def read_device(row: asyncpg.Record, space_ids: Mapping[DeviceKey, UUID]) -> Device:
    """A row as the rules want it."""
    key = (row["tenant_id"], row["dev_eui"])
    device = Device(
        tenant_id=row["tenant_id"],
        dev_eui=row["dev_eui"],
        codec=row["codec"],
        heartbeat_seconds=row["heartbeat_seconds"],
        confirm_seconds=row["confirm_seconds"],
        source=row["source"],
        application_id=row["application_id"],
        name=row["name"],
        profile_name=row["profile_name"],
        codec_in_use=row["codec_in_use"],
        interval_seconds=row["interval_seconds"],
        silence_seconds=row["silence_seconds"],
        last_seen_at=row["last_seen_at"],
        sessions=_read_sessions(row),
        occupied=row["occupied"],
        occupied_since=row["occupied_since"],
        newest=_read_newest(row),
        silent=row["silent"],
        pending=None
        if row["pending_occupied"] is None
        else Pending(row["pending_occupied"], row["pending_since"], row["pending_due_at"]),
        space_id=space_ids.get(key),
        assigned_at=row["assigned_at"],
        open_stay_id=row["open_stay_id"],
        battery_volts=row["battery_volts"],
        battery_percent=row["battery_percent"],
        temperature_celsius=row["temperature_celsius"],
        rssi=row["rssi"],
        snr=row["snr"],
        flap_score=row["flap_score"],
        flap_at=row["flap_at"],
        decoder_errors=row["decoder_errors"],
        last_error=row["last_error"],
    )
    device.settled_as_stored = _settled(device)
    return device


def _read_sessions(row: asyncpg.Record) -> Sessions:
    if row["dev_addr"] is None:
        return Sessions()
    current = Session(
        row["dev_addr"],
        row["session_at"],
        row["f_cnt_highest"],
        row["f_cnt_bitmap"] + (_SIGN * 2 if row["f_cnt_bitmap"] < 0 else 0),
        row["highest_at"],
    )
    past = row["past_sessions"]
    return Sessions(current, msgspec.convert(past, tuple[Session, ...]) if past else ())


def _read_newest(row: asyncpg.Record) -> Reading | None:
    if row["reading_session_at"] is None:
        return None
    return Reading(
        place=(row["reading_session_at"], row["reading_f_cnt"]),
        occurred_at=row["reading_occurred_at"],
        received_at=row["reading_received_at"],
        occupied=row["newest_occupied"],
    )


# Every uplink moves these.
_MOVING = {
    "last_seen_at": "timestamptz",
    "f_cnt_highest": "bigint",
    "f_cnt_bitmap": "bigint",
    "highest_at": "timestamptz",
    "reading_f_cnt": "bigint",
    "reading_occurred_at": "timestamptz",
    "reading_received_at": "timestamptz",
    "battery_volts": "real",
    "battery_percent": "real",
    "temperature_celsius": "real",
    "rssi": "smallint",
    "snr": "real",
}
# These change now and then, and are written only when they did.
_SETTLED = {
    "source": "text",
    "application_id": "text",
    "name": "text",
    "profile_name": "text",
    "codec_in_use": "text",
    "interval_seconds": "integer",
    "silence_seconds": "integer",
    "dev_addr": "text",
    "session_at": "timestamptz",
    "past_sessions": "text",
    "occupied": "boolean",
    "occupied_since": "timestamptz",
    "newest_occupied": "boolean",
    "reading_session_at": "timestamptz",
    "silent": "boolean",
    "pending_occupied": "boolean",
    "pending_since": "timestamptz",
    "pending_due_at": "timestamptz",
    "open_stay_id": "uuid",
    "flap_score": "real",
    "flap_at": "timestamptz",
    "decoder_errors": "integer",
    "last_error": "text",
}


def _update_of(kinds: Mapping[str, str]) -> str:
    names = ", ".join(kinds)
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds.values(), 3))
    assignments = ", ".join(f"{name} = new.{name}" + _CASTS.get(name, "") for name in kinds)
    return f"""
        UPDATE occupancy.devices d SET {assignments}
        FROM unnest($1::uuid[], $2::text[], {arrays}) AS new (tenant_id, dev_eui, {names})
        WHERE d.tenant_id = new.tenant_id AND d.dev_eui = new.dev_eui
    """  # noqa: S608  built from the constants above


_CASTS = {"past_sessions": "::jsonb"}
_UPDATE_MOVING = _update_of(_MOVING)
_UPDATE_SETTLED = _update_of(_SETTLED)


async def write_devices(connection: Connection, devices: Sequence[Device]) -> None:
    """Write back what a batch or a clock changed."""
    if not devices:
        return
    moving = [(device.tenant_id, device.dev_eui, *_moving(device)) for device in devices]
    await connection.execute(_UPDATE_MOVING, *columns(moving, 2 + len(_MOVING)))
    settled = [
        (device.tenant_id, device.dev_eui, *now)
        for device in devices
        if (now := _settled(device)) != device.settled_as_stored
    ]
    if settled:
        await connection.execute(_UPDATE_SETTLED, *columns(settled, 2 + len(_SETTLED)))


def _moving(device: Device) -> tuple[Any, ...]:
    session, newest = device.sessions.current, device.newest
    return (
        device.last_seen_at,
        session and session.highest,
        (session.seen - _SIGN * 2 if session.seen >= _SIGN else session.seen) if session else 0,
        session and session.highest_at,
        newest and newest.place[1],
        newest and newest.occurred_at,
        newest and newest.received_at,
        device.battery_volts,
        device.battery_percent,
        device.temperature_celsius,
        device.rssi,
        device.snr,
    )


def _settled(device: Device) -> tuple[Any, ...]:
    session, newest, pending = device.sessions.current, device.newest, device.pending
    return (
        device.source,
        device.application_id,
        device.name,
        device.profile_name,
        device.codec_in_use,
        device.interval_seconds,
        device.silence_seconds,
        session and session.dev_addr,
        session and session.session_at,
        msgspec.json.encode(device.sessions.past).decode() if device.sessions.past else "[]",
        device.occupied,
        device.occupied_since,
        newest and newest.occupied,
        newest and newest.place[0],
        device.silent,
        pending and pending.occupied,
        pending and pending.since,
        pending and pending.due_at,
        device.open_stay_id,
        device.flap_score,
        device.flap_at,
        device.decoder_errors,
        device.last_error,
    )
