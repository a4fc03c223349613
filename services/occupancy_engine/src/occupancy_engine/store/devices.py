"""The device rows of a batch: found, made, locked, and written back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from occupancy_engine.domain.hearing import Device, Pending
from occupancy_engine.domain.sessions import Session, Sessions
from occupancy_engine.domain.stays import Reading
from occupancy_engine.store.columns import columns
from occupancy_engine.store.one_statement import ROWS, Row, Write, write_together
from parking_chassis.postgres import Connection

DeviceKey = tuple[UUID, str]
_SIGN = 1 << 63
_decode_past = msgspec.json.Decoder(tuple[Session, ...]).decode


async def lock_devices(connection: Connection, keys: Collection[DeviceKey]) -> dict[DeviceKey, Device]:
    """Lock the known ones of these devices, in one order for everybody, and read them."""
    rows = await connection.fetch(_LOCK, *columns(keys, 2))
    return {(row["tenant_id"], row["dev_eui"]): read_device(row) for row in rows}


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


def read_device(row: asyncpg.Record) -> Device:
    """A row as the rules want it."""
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
        space_id=row["space_id"],
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
    device.settled_as_stored = (*tuple(row)[-len(_SETTLED) : -1], device.sessions.past)
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
    return Sessions(current, _decode_past(row["past_sessions"]))


def _read_newest(row: asyncpg.Record) -> Reading | None:
    if row["reading_session_at"] is None:
        return None
    return Reading(
        place=(row["reading_session_at"], row["reading_f_cnt"]),
        occurred_at=row["reading_occurred_at"],
        received_at=row["reading_received_at"],
        occupied=row["newest_occupied"],
    )


_KEY = ("tenant_id", "dev_eui")
# Every uplink moves these, as `occupancy.device_moved` lists them.
_MOVING = (
    *("last_seen_at", "f_cnt_highest", "f_cnt_bitmap", "highest_at", "reading_f_cnt", "reading_occurred_at"),
    *("reading_received_at", "battery_volts", "battery_percent", "temperature_celsius", "rssi", "snr"),
)
# These change now and then, and are written only when they did: with the others, as `occupancy.device_changed`.
_SETTLED = (
    *("source", "application_id", "name", "profile_name", "codec_in_use", "interval_seconds", "silence_seconds"),
    *("dev_addr", "session_at", "occupied", "occupied_since", "newest_occupied", "reading_session_at", "silent"),
    *("pending_occupied", "pending_since", "pending_due_at", "open_stay_id", "flap_score", "flap_at"),
    *("decoder_errors", "last_error", "past_sessions"),
)
_GIVEN = ("codec", "heartbeat_seconds", "confirm_seconds", "space_id", "assigned_at")

_LOCK = f"""
    SELECT {", ".join(f"d.{name}" for name in (*_KEY, *_GIVEN, *_MOVING, *_SETTLED[:-1]))}, d.past_sessions::text
    FROM occupancy.devices d
    JOIN unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, dev_eui) USING (tenant_id, dev_eui)
    ORDER BY d.tenant_id, d.dev_eui FOR NO KEY UPDATE OF d
"""  # noqa: S608  the constants above


def _update_of(row_type: str, names: Iterable[str]) -> str:
    return f"""
        UPDATE occupancy.devices d SET {", ".join(f"{name} = new.{name}" for name in names)}
        FROM unnest({ROWS}::occupancy.{row_type}[]) AS new
        WHERE d.tenant_id = new.tenant_id AND d.dev_eui = new.dev_eui
    """  # noqa: S608  the constants above


_UPDATE_MOVED = _update_of("device_moved", _MOVING)
_UPDATE_CHANGED = _update_of("device_changed", (*_MOVING, *_SETTLED))


def device_writes(devices: Iterable[Device]) -> tuple[Write, Write]:
    """What writes back what a batch or a clock did to devices."""
    moved: list[Row] = []
    changed: list[Row] = []
    for device in devices:
        settled = _settled(device)
        row = (device.tenant_id, device.dev_eui, *_moving(device))
        if settled == device.settled_as_stored:
            moved.append(row)
        else:
            changed.append(row + settled)
            device.settled_as_stored = settled
    return Write("devices_moved", _UPDATE_MOVED, moved), Write("devices_changed", _UPDATE_CHANGED, changed)


def unwritten(devices: Iterable[Device]) -> list[Device]:
    """Those of which something that seldom changes was not written yet."""
    return [device for device in devices if _settled(device) != device.settled_as_stored]


async def write_devices(connection: Connection, devices: Iterable[Device]) -> None:
    """Write devices back."""
    await write_together(connection, *device_writes(devices))


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
        device.sessions.past,
    )
