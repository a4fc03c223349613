"""Devices as the network server lists them: their application decides whose they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from occupancy_engine.store.columns import columns
from parking_chassis.postgres import Connection
from parking_contracts.network import DeviceSynced

_LISTED = """
    unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[], $8::uuid[])
        AS listed (source, dev_eui, application_id, name, profile_name, is_disabled, asked_at, tenant_id)
"""


async def take_up(
    connection: Connection, synced: Sequence[DeviceSynced], tenants: Mapping[tuple[str, str], UUID]
) -> None:
    """Take up what the network server lists, at most once per source and device.

    The tenant that holds a device's application has it, and gets a row for one that is not disabled. Rows of others,
    made of what this source told of them before, lose their application. A frame that came after the question was
    asked knows better than the answer.
    """
    listed = columns([(*_row(one), tenants.get((one.source, one.application_id))) for one in synced], 8)
    await connection.execute(
        """
        WITH held AS MATERIALIZED (
            SELECT d.tenant_id, d.dev_eui FROM occupancy.devices d
            WHERE d.dev_eui = ANY($1::text[]) ORDER BY d.tenant_id, d.dev_eui FOR NO KEY UPDATE
        )
        SELECT count(*) FROM held
        """,
        listed[1],
    )
    await _unbind_elsewhere(connection, listed)
    await _follow(connection, listed)
    await _add_missing(connection, listed)


def _row(one: DeviceSynced) -> tuple[object, ...]:
    return (
        one.source,
        one.dev_eui,
        one.application_id,
        one.device_name,
        one.device_profile_name,
        one.is_disabled,
        one.received_at,
    )


async def _unbind_elsewhere(connection: Connection, listed: Sequence[list[object]]) -> None:
    await connection.execute(
        f"""
        UPDATE occupancy.devices d SET application_id = NULL FROM {_LISTED}
        WHERE d.dev_eui = listed.dev_eui AND d.source = listed.source AND d.application_id IS NOT NULL
          AND d.tenant_id IS DISTINCT FROM listed.tenant_id
          AND coalesce(d.last_seen_at <= listed.asked_at, true)
        """,  # noqa: S608  the constant above
        *listed,
    )


async def _follow(connection: Connection, listed: Sequence[list[object]]) -> None:
    await connection.execute(
        f"""
        UPDATE occupancy.devices d SET source = listed.source, application_id = listed.application_id,
            profile_name = coalesce(nullif(listed.profile_name, ''), d.profile_name),
            name = coalesce(nullif(d.name, ''), listed.name)
        FROM {_LISTED}
        WHERE d.tenant_id = listed.tenant_id AND d.dev_eui = listed.dev_eui
          AND coalesce(d.last_seen_at <= listed.asked_at, true)
          -- one that is heard through another integration stays there until it is heard through this one
          AND (d.last_seen_at IS NULL OR d.source = listed.source)
          AND (d.source, d.application_id, d.profile_name, d.name) IS DISTINCT FROM
              (listed.source, listed.application_id, coalesce(nullif(listed.profile_name, ''), d.profile_name),
               coalesce(nullif(d.name, ''), listed.name))
        """,  # noqa: S608
        *listed,
    )


async def _add_missing(connection: Connection, listed: Sequence[list[object]]) -> None:
    await connection.execute(
        f"""
        INSERT INTO occupancy.devices (tenant_id, dev_eui, source, application_id, profile_name, name)
        SELECT tenant_id, dev_eui, source, application_id, profile_name, name FROM {_LISTED}
        WHERE tenant_id IS NOT NULL AND NOT is_disabled ORDER BY tenant_id, dev_eui
        ON CONFLICT DO NOTHING
        """,  # noqa: S608
        *listed,
    )
