"""A managed PostgreSQL gives no superuser: an owner who may make roles migrates, and is bound by the policies too."""

import asyncpg

from parkstream.migrate import migrate_database
from parkstream.queries import tenants


async def test_an_owner_without_superuser_migrates_and_every_role_works(owners_url: str) -> None:
    applied = await migrate_database(owners_url)
    connection = await asyncpg.connect(owners_url)
    try:
        assert len(applied) == await connection.fetchval("SELECT count(*) FROM parkstream.migrations")
        await connection.execute("SET ROLE api_gateway")
        tenant = await connection.fetchval("INSERT INTO gateway.tenants (name) VALUES ('Harbour') RETURNING id")
        await connection.execute(
            "INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes) VALUES ($1, $2, '', '', '{}')",
            *(tenant, "ownerkey01"),
        )
        await connection.execute("SET ROLE api_gateway_request")
        assert await connection.fetchval("SELECT count(*) FROM gateway.api_keys") == 0
        assert await connection.fetchval("SELECT tenant_id FROM gateway.find_api_key('ownerkey01')") == tenant
        await connection.execute("RESET ROLE")
        assert await connection.fetchval("SELECT count(*) FROM gateway.tenants") == 0
        assert await tenants(connection) == {tenant: "Harbour"}
    finally:
        await connection.close()


async def test_partitions_come_and_take_what_waited_for_them(owners_url: str) -> None:
    await migrate_database(owners_url)
    connection = await asyncpg.connect(owners_url)
    try:
        await connection.execute("SET ROLE api_gateway")
        tenant = await connection.fetchval("INSERT INTO gateway.tenants (name) VALUES ('Harbour') RETURNING id")
        await connection.execute("SET ROLE occupancy_engine")
        await connection.execute(
            "INSERT INTO occupancy.sensor_readings (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at,"
            " f_port, payload) VALUES ($1, '0101010101010101', now(), 1, now() + interval '5 days', now(), 1, '')",
            tenant,
        )
        made = await connection.fetchval("SELECT occupancy.keep_partitions('sensor_readings', 'day', 6, NULL)")
        assert made == 3
        assert await connection.fetchval("SELECT count(*) FROM occupancy.sensor_readings_other") == 0
        assert await connection.fetchval("SELECT count(*) FROM occupancy.sensor_readings") == 1
    finally:
        await connection.close()
