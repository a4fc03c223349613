"""Alerts that another service finds: opened and closed as it says, by its name and its key."""

from __future__ import annotations

from occupancy_engine.store.alerts import close_where, open_where
from parking_chassis.postgres import Connection
from parking_contracts.device_alert import DeviceAlert


async def open_one(connection: Connection, alert: DeviceAlert) -> int:
    """Open an alert and tell of it; 0 when it is open, or was opened and closed since. Its space may be unknown."""
    return await open_where(
        connection,
        """
        SELECT $1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text,
            (SELECT s.id FROM occupancy.spaces s WHERE s.tenant_id = $1 AND s.id = $7),
            $8::text, $9::jsonb, $10::timestamptz
        WHERE NOT EXISTS (
            SELECT FROM occupancy.alerts earlier
            WHERE earlier.tenant_id = $1 AND earlier.dev_eui = $6 AND earlier.opened_at >= $10
              AND earlier.source = $2 AND earlier.key = $3)
        """,
        alert.tenant_id,
        alert.source,
        alert.key,
        alert.kind,
        alert.severity,
        alert.dev_eui,
        alert.space_id,
        alert.summary,
        alert.details,
        alert.at,
    )


async def close_one(connection: Connection, alert: DeviceAlert) -> int:
    """Close an alert and tell of it; 0 when it is not open, or was opened after this was said."""
    return await close_where(
        connection,
        "a.tenant_id = $2 AND a.source = $3 AND a.key = $4 AND a.opened_at <= $1",
        alert.at,
        alert.tenant_id,
        alert.source,
        alert.key,
    )
