"""What a device's row learns from its other events."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from occupancy_engine.domain.device_facts import Summary
from occupancy_engine.store.columns import columns
from occupancy_engine.store.devices import DeviceKey
from parking_chassis.postgres import Connection


async def write_said(connection: Connection, said: Mapping[DeviceKey, Summary]) -> None:
    """Write what the known ones of these devices said; a space keeps its surveyed position."""
    rows = [(*key, *msgspec.structs.astuple(summary)) for key, summary in sorted(said.items())]
    if not rows:
        return
    # Locked first, in one order for everybody: a batch of uplinks locks the same rows.
    await connection.execute(
        """
        WITH said AS MATERIALIZED (
            SELECT d.tenant_id, d.dev_eui FROM occupancy.devices d
            JOIN unnest($1::uuid[], $2::text[]) AS wanted (tenant_id, dev_eui) USING (tenant_id, dev_eui)
            ORDER BY d.tenant_id, d.dev_eui FOR NO KEY UPDATE OF d
        )
        SELECT count(*) FROM said
        """,
        *columns([row[:2] for row in rows], 2),
    )
    await connection.execute(
        """
        UPDATE occupancy.devices d SET
            battery_percent = coalesce(said.battery_percent, d.battery_percent),
            margin_db = coalesce(said.margin_db, d.margin_db),
            external_power = coalesce(said.external_power, d.external_power),
            network_errors = d.network_errors + said.network_errors,
            last_error = coalesce(said.last_error, d.last_error),
            latitude = coalesce(said.latitude, d.latitude),
            longitude = coalesce(said.longitude, d.longitude)
        FROM unnest($1::uuid[], $2::text[], $3::real[], $4::smallint[], $5::boolean[], $6::int[], $7::text[],
                    $8::float8[], $9::float8[])
            AS said (tenant_id, dev_eui, battery_percent, margin_db, external_power, network_errors, last_error,
                     latitude, longitude)
        WHERE d.tenant_id = said.tenant_id AND d.dev_eui = said.dev_eui
        """,
        *columns(rows, 9),
    )
