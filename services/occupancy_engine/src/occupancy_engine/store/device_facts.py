"""What a device's row learns from its other events."""

from __future__ import annotations

from uuid import UUID

from parking_chassis.postgres import Connection
from parking_contracts.device import DeviceLocated, DeviceLogged, DeviceStatus


async def note_status(connection: Connection, tenant_id: UUID, status: DeviceStatus) -> None:
    """Battery in per cent where the device tells it, margin in dB, and whether it has external power."""
    await connection.execute(
        """
        UPDATE occupancy.devices
        SET battery_percent = coalesce($3, battery_percent), margin_db = $4, external_power = $5
        WHERE tenant_id = $1 AND dev_eui = $2
        """,
        tenant_id,
        status.dev_eui,
        status.battery_percent,
        status.margin,
        status.external_power,
    )


async def note_network_error(connection: Connection, tenant_id: UUID, logged: DeviceLogged) -> None:
    """Count what the network server complains of, and keep the last complaint."""
    await connection.execute(
        """
        UPDATE occupancy.devices SET network_errors = network_errors + 1, last_error = $3
        WHERE tenant_id = $1 AND dev_eui = $2
        """,
        tenant_id,
        logged.dev_eui,
        f"{logged.code}: {logged.description}"[:500],
    )


async def note_position(connection: Connection, tenant_id: UUID, located: DeviceLocated) -> None:
    """The device's own position in WGS 84 degrees; its space keeps the surveyed one."""
    await connection.execute(
        "UPDATE occupancy.devices SET latitude = $3, longitude = $4 WHERE tenant_id = $1 AND dev_eui = $2",
        tenant_id,
        located.dev_eui,
        located.latitude,
        located.longitude,
    )
