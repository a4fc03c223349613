"""A device and an application binding as nouns."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import UNSET

from parking_chassis.postgres import Connection
from parking_contracts.device_commands import BindApplication, DeviceView, RegisterDevice


async def bind(connection: Connection, tenant_id: UUID, binding: BindApplication) -> bool:
    """Bind an application, or change its binding; false when it is another tenant's."""
    bound = await connection.fetchval(
        """
        INSERT INTO occupancy.applications AS a (source, application_id, tenant_id, clock, object_mapping)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (source, application_id) DO UPDATE
            SET clock = excluded.clock, object_mapping = excluded.object_mapping
            WHERE a.tenant_id = excluded.tenant_id
        RETURNING true
        """,
        binding.source,
        binding.application_id,
        tenant_id,
        binding.clock,
        binding.object_mapping,
    )
    return bool(bound)


async def unbind(connection: Connection, tenant_id: UUID, source: str, application_id: str) -> bool:
    """Take a binding away; false when there is none of this tenant's."""
    gone = await connection.fetchval(
        """
        DELETE FROM occupancy.applications
        WHERE source = $1 AND application_id = $2 AND tenant_id = $3 RETURNING true
        """,
        source,
        application_id,
        tenant_id,
    )
    return bool(gone)


async def applications(connection: Connection, tenant_id: UUID) -> list[tuple[str, str]]:
    """The tenant's (source, application id) pairs."""
    rows = await connection.fetch(
        "SELECT source, application_id FROM occupancy.applications WHERE tenant_id = $1", tenant_id
    )
    return [(row["source"], row["application_id"]) for row in rows]


async def write_settings(connection: Connection, tenant_id: UUID, dev_eui: str, settings: RegisterDevice) -> None:
    """Write the settings that are named."""
    await connection.execute(
        """
        UPDATE occupancy.devices SET
            name = CASE WHEN $3 THEN $4 ELSE name END,
            codec = CASE WHEN $5 THEN $6 ELSE codec END,
            heartbeat_seconds = CASE WHEN $7 THEN $8 ELSE heartbeat_seconds END,
            confirm_seconds = CASE WHEN $9 THEN $10 ELSE confirm_seconds END
        WHERE tenant_id = $1 AND dev_eui = $2
        """,
        tenant_id,
        dev_eui,
        *_named(settings.name),
        *_named(settings.codec),
        *_named(settings.heartbeat_seconds),
        *_named(settings.confirm_seconds),
    )


def _named(value: object) -> tuple[bool, object]:
    return (value is not UNSET, None if value is UNSET else value)


async def remove(connection: Connection, tenant_id: UUID, dev_eui: str) -> None:
    """Delete the row; readings stay."""
    await connection.execute("DELETE FROM occupancy.devices WHERE tenant_id = $1 AND dev_eui = $2", tenant_id, dev_eui)


async def view(connection: Connection, tenant_id: UUID, dev_eui: str) -> DeviceView | None:
    """The device as clients see it."""
    row = await connection.fetchrow(
        """
        SELECT tenant_id, dev_eui, name, profile_name, codec, codec_in_use,
            coalesce(interval_seconds, 0) AS heartbeat_seconds, space_id, occupied, last_seen_at, silent, flapping,
            battery_volts, battery_percent, temperature_celsius, rssi, snr, decoder_errors, network_errors, last_error
        FROM occupancy.device_directory WHERE tenant_id = $1 AND dev_eui = $2
        """,
        tenant_id,
        dev_eui,
    )
    return msgspec.convert(dict(row), DeviceView) if row else None
