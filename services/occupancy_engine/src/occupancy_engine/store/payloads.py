"""Stored payloads, for reading them again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from occupancy_engine.domain.hearing import Device
from occupancy_engine.domain.stays import Place, Reading
from parking_chassis.postgres import Connection
from parking_codecs.codec import Observation
from parking_contracts.uplink import UplinkReceived


class StoredPayload(msgspec.Struct, frozen=True):
    """A reading's bytes, and what they were last taken to say."""

    place: Place
    received_at: datetime
    f_port: int
    payload: bytes
    object: Any
    occupied: bool | None
    codec: str | None
    decode_error: str | None
    battery_volts: float | None
    battery_percent: float | None
    temperature_celsius: float | None
    attributes: dict[str, Any] | None

    def as_uplink(self, device: Device) -> UplinkReceived:
        """The frame as far as a decoder needs it."""
        return UplinkReceived(
            source=device.source or "",
            dev_eui=device.dev_eui,
            application_id=device.application_id or "",
            device_profile_name=device.profile_name,
            received_at=self.received_at,
            dev_addr="",
            f_cnt=self.place[1],
            f_port=self.f_port,
            data=self.payload,
            object=msgspec.Raw(msgspec.json.encode(self.object)),
        )

    def says(self, observation: Observation | None, error: str | None, codec: str | None) -> bool:
        """Whether the reading says just this already (the columns hold single precision)."""
        if (self.decode_error, self.codec) != (error, codec):
            return False
        if observation is None:
            return True
        if (self.occupied, self.attributes or {}) != (observation.occupied, observation.attributes):
            return False
        return all(
            _same(stored, read)
            for stored, read in (
                (self.battery_volts, observation.battery_volts),
                (self.battery_percent, observation.battery_percent),
                (self.temperature_celsius, observation.temperature_celsius),
            )
        )


def _same(stored: float | None, read: float | None) -> bool:
    return stored == read or (stored is not None and read is not None and abs(stored - read) < 1e-3)


async def stored_payloads(
    connection: Connection, device: Device, *, since: datetime | None, only_failed: bool
) -> AsyncIterator[StoredPayload]:
    """A device's application payloads in order, a few at a time."""
    cursor = connection.cursor(
        """
        SELECT session_at, f_cnt, received_at, f_port, payload, object, occupied, codec, decode_error, battery_volts,
            battery_percent, temperature_celsius, attributes
        FROM occupancy.sensor_readings
        WHERE tenant_id = $1 AND dev_eui = $2 AND f_port <> 0 AND length(payload) > 0
          AND ($3::timestamptz IS NULL OR received_at >= $3) AND (NOT $4 OR decode_error IS NOT NULL)
        ORDER BY session_at, f_cnt
        """,
        device.tenant_id,
        device.dev_eui,
        since,
        only_failed,
        prefetch=500,
    )
    async for row in cursor:
        yield StoredPayload((row["session_at"], row["f_cnt"]), *list(row.values())[2:])


async def write_observation(
    connection: Connection,
    device: Device,
    stored: StoredPayload,
    observation: Observation | None,
    error: str | None,
    codec: str | None,
) -> None:
    """Make a reading say what its payload says today."""
    read = observation or Observation(kind="other")
    await connection.execute(
        """
        UPDATE occupancy.sensor_readings SET occupied = $6, codec = $7, decode_error = $8, battery_volts = $9,
            battery_percent = $10, temperature_celsius = $11, attributes = $12
        WHERE tenant_id = $1 AND dev_eui = $2 AND session_at = $3 AND f_cnt = $4 AND received_at = $5
        """,
        device.tenant_id,
        device.dev_eui,
        *stored.place,
        stored.received_at,
        read.occupied,
        codec,
        error,
        read.battery_volts,
        read.battery_percent,
        read.temperature_celsius,
        read.attributes or None,
    )


async def newest_reading(connection: Connection, device: Device) -> Reading | None:
    """The newest reading that says whether the space is occupied."""
    row = await connection.fetchrow(
        """
        SELECT session_at, f_cnt, occurred_at, received_at, occupied FROM occupancy.sensor_readings
        WHERE tenant_id = $1 AND dev_eui = $2 AND occupied IS NOT NULL
        ORDER BY session_at DESC, f_cnt DESC LIMIT 1
        """,
        device.tenant_id,
        device.dev_eui,
    )
    if row is None:
        return None
    return Reading((row["session_at"], row["f_cnt"]), row["occurred_at"], row["received_at"], row["occupied"])


async def open_stay(connection: Connection, device: Device) -> UUID | None:
    """The stay that lasts, if one does."""
    found: UUID | None = await connection.fetchval(
        """
        SELECT id FROM occupancy.stays
        WHERE tenant_id = $1 AND space_id = $2 AND dev_eui = $3 AND departed_at IS NULL
        """,
        device.tenant_id,
        device.space_id,
        device.dev_eui,
    )
    return found
