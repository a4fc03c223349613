"""Rows go to PostgreSQL as arrays of composites, whose fields go by place: their order is told in two languages."""

import asyncpg
import pytest

from occupancy_engine.store import devices


@pytest.mark.parametrize(
    ("row_type", "names"),
    [
        ("device_moved", (*devices._KEY, *devices._MOVING)),
        ("device_changed", (*devices._KEY, *devices._MOVING, *devices._SETTLED)),
    ],
)
async def test_a_device_is_written_by_the_columns_of_its_type(database: str, row_type: str, names: tuple[str, ...]):
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = ('occupancy.' || $1)::regclass AND attnum > 0 "
            "ORDER BY attnum",
            row_type,
        )
    finally:
        await connection.close()
    assert tuple(row["attname"] for row in rows) == names


async def test_a_device_remembers_the_space_it_is_the_sensor_of(database: str):
    connection = await asyncpg.connect(database)
    try:
        tenant = await connection.fetchval("INSERT INTO gateway.tenants (name) VALUES ('t') RETURNING id")
        site = await connection.fetchval(
            "INSERT INTO occupancy.sites (tenant_id, name, time_zone) VALUES ($1, 's', 'UTC') RETURNING id", tenant
        )
        old, new = "00000000000000aa", "00000000000000bb"
        await connection.execute(
            "INSERT INTO occupancy.devices (tenant_id, dev_eui) SELECT $1, unnest($2::text[])", tenant, [old, new]
        )

        async def sensors() -> dict[str, object]:
            rows = await connection.fetch("SELECT dev_eui, space_id FROM occupancy.devices")
            return {row["dev_eui"]: row["space_id"] for row in rows}

        space = await connection.fetchval(
            "INSERT INTO occupancy.spaces (tenant_id, site_id, code, name, sensor_eui, state, state_layer, state_since)"
            " VALUES ($1, $2, 'a', 'a', $3, 'free', 'default', now()) RETURNING id",
            tenant,
            site,
            old,
        )
        assert await sensors() == {old: space, new: None}

        await connection.execute("UPDATE occupancy.spaces SET sensor_eui = $1 WHERE id = $2", new, space)
        assert await sensors() == {old: None, new: space}

        await connection.execute("UPDATE occupancy.spaces SET deleted_at = now() WHERE id = $1", space)
        assert await sensors() == {old: None, new: None}
    finally:
        await connection.close()
