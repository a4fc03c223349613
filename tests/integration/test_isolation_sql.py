"""Plain SQL in every role: request roles see and touch one tenant, batch roles reach what is theirs and nothing else.

The tables are those that PostgreSQL knows, so that a new one is walked as soon as it exists; one that the tests cannot
fill fails them by its name.
"""

import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from isolation.catalogue import BATCH_OF, REQUEST, SCHEMAS, Relation, columns_with, relations, roles
from isolation.filling import ROWS, TwoTenants, fill, insert, use_json
from isolation.statements import TENANT_SETTINGS, Asker, try_reading, try_writing
from isolation.tally import Tally

# What the platform's admin may see of every tenant: its name, its bindings, and frames that nobody could take in.
ADMIN_SEES = {
    "gateway.tenants",
    "occupancy.applications",
    "occupancy.application_directory",
    "occupancy.orphan_frames",
    "occupancy.orphan_directory",
    "downlink.sync_rounds",
    "downlink.sync_status",
}
ADMIN_CHANGES = {"occupancy.applications", "occupancy.orphan_frames"}
# A request that may ask for a round of the network server: the admin's, too.
ASKS_FOR_ADMIN = ("downlink_dispatcher_request", "downlink.sync_rounds")


@dataclass
class World:
    """A database with two tenants in every table."""

    url: str
    sql: asyncpg.Connection
    tenants: TwoTenants
    relations: list[Relation]
    roles: list[str]

    async def asker(self, tally: Tally, role: str, setting: str, *, admin: bool = False) -> Asker:
        """A connection of its own: a setting once made leaves '' behind, and `unset` must never have been made."""
        connection = await asyncpg.connect(self.url)
        await use_json(connection)
        return Asker(connection, self.tenants, tally, role, setting, admin)


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    sql = await asyncpg.connect(database)
    # Partitions that came after the migrations are closed like those that came with them.
    await sql.fetchval("SELECT occupancy.keep_partitions('sensor_readings', 'day', 5, NULL)")
    tenants = await fill(sql)
    yield World(database, sql, tenants, list(await relations(sql)), await roles(sql))
    await sql.close()


async def test_no_request_role_sees_or_touches_another_tenants_rows(world: World, record_property):
    tally = Tally("SQL, request roles x settings of app.tenant_id x relations")
    request_roles = [role for role in world.roles if role.endswith(REQUEST)]
    assert len(request_roles) == len(SCHEMAS)
    for role, setting in itertools.product(request_roles, TENANT_SETTINGS):
        asker = await world.asker(tally, role, setting)
        for relation in world.relations:
            await try_reading(asker, relation)
            await try_writing(asker, relation)
        await asker.connection.close()
    tally.show()
    record_property("attempts", tally.attempts)
    assert tally.attempts > 10 * len(world.relations) * len(request_roles)
    tally.require_no_leak()


async def test_the_matrix_notices_an_open_table_and_a_view_with_its_owners_rights(world: World):
    holes = (
        ("occupancy.stays", "ALTER TABLE occupancy.stays DISABLE ROW LEVEL SECURITY"),
        ("occupancy.site_directory", "ALTER VIEW occupancy.site_directory SET (security_invoker = false)"),
        ("gateway.users", "CREATE POLICY mistaken ON gateway.users TO api_gateway_request USING (true)"),
    )
    for name, hole in holes:
        await world.sql.execute(hole)
        tally = Tally(name)
        asker = await world.asker(tally, "api_gateway_request", "ours")
        for relation in world.relations:
            if relation.name == name:
                await try_reading(asker, relation)
                await try_writing(asker, relation)
        await asker.connection.close()
        assert tally.leaks, hole


async def test_the_platform_admin_sees_bindings_and_orphans_of_others_and_nothing_else(world: World):
    tally = Tally("SQL, request roles acting for the platform's admin")
    for role in (role for role in world.roles if role.endswith(REQUEST)):
        asker = await world.asker(tally, role, "ours", admin=True)
        for relation in world.relations:
            if relation.name not in ADMIN_SEES:
                await try_reading(asker, relation)
            if relation.name not in ADMIN_CHANGES:
                await try_writing(asker, relation)
        await asker.connection.close()
    tally.show()
    tally.require_no_leak()


async def test_a_request_of_a_tenant_does_see_its_own_rows(world: World):
    """Else the matrix would be a matrix of typing errors."""
    tally, seen = Tally("own rows"), {}
    for role in (role for role in world.roles if role.endswith(REQUEST)):
        asker = await world.asker(tally, role, "ours")
        for relation in world.relations:
            if await columns_with(world.sql, role, relation, "SELECT"):
                rows = await asker.attempt("SELECT", relation, f"SELECT 1 FROM {relation.name}")
                seen[role, relation.name] = len(rows or ())
        await asker.connection.close()
    blind = {key for key, count in seen.items() if not count}
    assert {key for key in blind if key[0] != "api_gateway_request" or key[1] not in ADMIN_SEES} <= {ASKS_FOR_ADMIN}


async def test_batch_roles_reach_every_tenants_rows(world: World, record_property):
    reached = {}
    for role in BATCH_OF.values():
        connection = await asyncpg.connect(world.url, server_settings={"role": role})
        for relation in world.relations:
            readable = await columns_with(world.sql, role, relation, "SELECT")
            if readable and not relation.is_partition:
                count = f"SELECT count(*) FROM (SELECT {readable[0]} FROM {relation.name}) t"
                reached[role, relation.name] = (await connection.fetchval(count), await world.sql.fetchval(count))
        await connection.close()
    print(f"\nbatch roles reach all rows of {len(reached)} relations")  # noqa: T201  part of the matrix
    record_property("reached", len(reached))
    assert {key: counts for key, counts in reached.items() if counts[0] != counts[1]} == {}
    assert all(there >= 2 for (_, name), (_, there) in reached.items() if ROWS.get(name, True))


async def test_a_request_tells_of_its_own_tenants_spaces_and_displays_alone(world: World):
    ours, theirs = world.tenants.ours, world.tenants.theirs
    told = {
        (subject.format(subject_of.id), json.dumps({"tenant_id": str(told_of.id)})): allowed
        for subject_of, told_of, subject, allowed in (
            (ours, ours, "parking.v1.space.{}.x.updated", True),
            (theirs, ours, "parking.v1.space.{}.x.updated", False),
            (ours, ours, "parking.v1.device.reported.{}", True),
            (ours, theirs, "parking.v1.device.reported.{}", False),
            (ours, ours, "parking.v1.device.alert.{}", False),
            (ours, ours, "parking.v1.reservation.{}.x.created", False),
        )
    }
    asker = await world.asker(Tally("outbox"), "occupancy_engine_request", "ours")
    for (subject, body), allowed in told.items():
        row = {"subject": subject, "type": "t", "payload": body.encode()}
        async with asker.acting():
            try:
                await insert(asker.connection, "occupancy.outbox", row)
                assert allowed, subject
            except asyncpg.InsufficientPrivilegeError:
                assert not allowed, subject
    await asker.connection.close()


async def test_no_batch_role_writes_elsewhere(world: World):
    """Rights decide here: a right on another owner's table would be one too many, whatever its policies say."""
    rights = [
        f"{role}: {right} on {relation.name}"
        for role in world.roles
        for relation in world.relations
        for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
        if BATCH_OF[relation.schema] != role.removesuffix(REQUEST) and await _may(world.sql, role, relation, right)
    ]
    assert rights == []


async def _may(sql: asyncpg.Connection, role: str, relation: Relation, right: str) -> bool:
    if right in {"DELETE", "TRUNCATE", "TRIGGER"}:
        return await sql.fetchval("SELECT has_table_privilege($1, $2, $3)", role, relation.name, right)
    return await sql.fetchval("SELECT has_any_column_privilege($1, $2, $3)", role, relation.name, right)


DDL_ON_TABLE = (
    "ALTER TABLE {0} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {0} NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {0} ADD COLUMN more int",
    "ALTER TABLE {0} OWNER TO {1}",
    "CREATE POLICY everything ON {0} USING (true)",
    "CREATE INDEX ON {0} ((1))",
    "DROP TABLE {0}",
)
DDL_ON_VIEW = (
    "CREATE OR REPLACE VIEW {0} AS SELECT 1",
    "ALTER VIEW {0} SET (security_invoker = false)",
    "DROP VIEW {0}",
)
DDL_IN_SCHEMA = (
    "CREATE TABLE {0}.more (id int)",
    "CREATE VIEW {0}.more AS SELECT 1",
    "CREATE FUNCTION {0}.more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "DROP SCHEMA {0} CASCADE",
)
DDL_ANYWHERE = (
    "CREATE SCHEMA more",
    "CREATE ROLE more",
    "CREATE TABLE public.more (id int)",
    "ALTER ROLE {1} BYPASSRLS",
    "SET session_replication_role = replica",
    "CREATE EXTENSION dblink",
    "COPY (SELECT 1) TO PROGRAM 'true'",
)


async def test_no_service_role_changes_the_schema(world: World):
    tally = Tally("DDL, every role")
    for role in world.roles:
        connection = await asyncpg.connect(world.url, server_settings={"role": role})
        tables = [relation.name for relation in world.relations if not relation.is_view]
        views = [relation.name for relation in world.relations if relation.is_view]
        statements = [
            *itertools.product(DDL_ON_TABLE, tables),
            *itertools.product(DDL_ON_VIEW, views),
            *itertools.product(DDL_IN_SCHEMA, SCHEMAS),
            *itertools.product(DDL_ANYWHERE, [""]),
        ]
        for statement, name in statements:
            await _refuse(connection, tally, role, statement.format(name, role))
        await connection.close()
    tally.show()
    tally.require_no_leak()


async def _refuse(connection: asyncpg.Connection, tally: Tally, role: str, statement: str) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        tally.note(role, "DDL", "denied")
    except asyncpg.PostgresError as error:
        tally.leak(role, "DDL", f"{statement}: {type(error).__name__}: {error}")
    else:
        tally.leak(role, "DDL", f"{statement} was done")
    await transaction.rollback()


async def test_row_security_cannot_be_switched_off_to_read_more(world: World):
    """`row_security = off` makes a filtered query fail; it never makes it unfiltered."""
    shown = []
    for role in (role for role in world.roles if role.endswith(REQUEST)):
        connection = await asyncpg.connect(world.url, server_settings={"role": role, "row_security": "off"})
        for relation in world.relations:
            if await columns_with(world.sql, role, relation, "SELECT"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    shown += await connection.fetch(f"SELECT 1 FROM {relation.name}")
        await connection.close()
    assert shown == []
