"""What the database's own catalogue says about isolation: closed tables, keys that carry the tenant, honest views.

Exceptions are named here one by one, each with its reason; whatever is new has none.
"""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from isolation.catalogue import BATCH_OF, LOOKUP, REQUEST, SCHEMAS, relations, roles
from isolation.filling import needs_recipe

# SECURITY DEFINER functions and who may call them. Each of them runs with more rights than its caller.
OUR_ROLES = (*BATCH_OF.values(), *(f"{service}{REQUEST}" for service in BATCH_OF.values()), LOOKUP)
GATEWAY = {"api_gateway", "api_gateway_request"}
DEFINERS = {
    "gateway.find_api_key": GATEWAY,  # before the tenant is known: who holds this key?
    "gateway.find_user": GATEWAY,  # ... who has this e-mail?
    "gateway.find_session": GATEWAY,  # ... whose session is it?
    "gateway.forget_audit": {"api_gateway"},  # retention: what is older than a month and asked for
    "gateway.find_ingress_credential": {"api_gateway_request"},  # ... who delivers?
    "gateway.tenant_of_application": {"api_gateway_request"},  # ... whose application is it?
    "gateway.source_is_taken": {"api_gateway_request"},  # may an integration be called so? yes or no
    "occupancy.keep_partitions": {"occupancy_engine"},  # DDL of retention, for the names it knows
}
# Tables whose rows belong to no tenant.
SHARED = {
    "gateway.login_failures": "who fails to log in may belong to none; digests alone",
    "gateway.restores": "the platform's own: where the event streams went on",
    "gateway.signing_keys": "the platform's own",
    "downlink.network_devices": "what the network server lists, whoever's it is: for the service alone",
    "downlink.outbox": "the relay's; devices and their alerts",
    "downlink.sync_rounds": "a clock; for the platform's admin",
    "downlink.token_buckets": "of gateways, which may serve several; for the service alone",
    "occupancy.alert_rounds": "a clock",
    "occupancy.orphan_frames": "nobody's yet: for the platform's admin",
    "occupancy.outbox": "the relay's; a subject names the tenant",
    "reservation.outbox": "the relay's; a subject names the tenant",
    "occupancy.source_watermarks": "how far a source has been handled",
}
# Unique without the tenant: to hold such a value twice must fail whoever asks, so it must not be guessable.
GLOBALLY_UNIQUE = {
    "gateway.api_keys (id)": "random",
    "gateway.audit_log (id)": "made by us; a failed log-in has no tenant",
    "gateway.audit_outcomes (audit_id)": "of the audit log",
    "gateway.ingress_credentials (id)": "random",
    "gateway.ingress_credentials (source)": "the name under which a source speaks to the platform",
    "gateway.sessions (id)": "random",
    "gateway.tenants (id)": "the tenant itself",
    "gateway.users (lower(email))": "a log-in names no tenant",
    "occupancy.applications (source, application_id)": "bound by the platform's admin, who sees all of them",
}
# References that need no tenant beside the key.
SIMPLE_REFERENCES = {
    "gateway.audit_outcomes": "of the audit log's rows without a tenant too; written by the batch role alone",
}


@pytest.fixture
async def sql(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    await connection.fetchval("SELECT occupancy.keep_partitions('sensor_readings', 'day', 5, NULL)")
    yield connection
    await connection.close()


async def test_every_table_of_tenants_is_closed_by_row_level_security_even_to_its_owner(sql):
    """Without it are only tables that no request has any right on."""
    tables = [relation for relation in await relations(sql) if not relation.is_view]
    assert len(tables) > 20
    assert {table.kind for table in tables} == {"r", "p"}
    open_ones = [table for table in tables if not (table.row_security and table.forced)]
    assert [table.name for table in open_ones if table.of_tenants] == []
    for table in open_ones:
        for role in await roles(sql):
            assert not (role.endswith(REQUEST) and await has_any_right(sql, role, table.name)), (role, table.name)


async def has_any_right(sql: asyncpg.Connection, role: str, relation: str) -> bool:
    by_column = "SELECT has_any_column_privilege($1, $2, 'SELECT, INSERT, UPDATE, REFERENCES')"
    by_table = "SELECT has_table_privilege($1, $2, 'DELETE, TRUNCATE, TRIGGER')"
    return await sql.fetchval(by_column, role, relation) or await sql.fetchval(by_table, role, relation)


async def test_every_table_names_its_tenant_or_is_known_to_be_shared(sql):
    tables = [relation for relation in await relations(sql) if needs_recipe(relation)]
    assert {table.name for table in tables if not table.of_tenants} == SHARED.keys()


async def test_every_policy_for_request_roles_asks_for_the_tenant_or_the_admin(sql):
    rows = await sql.fetch(
        """
        SELECT schemaname || '.' || tablename AS relation, policyname, roles::text[], qual, with_check, permissive
        FROM pg_policies WHERE schemaname = ANY($1)
        """,
        list(SCHEMAS),
    )
    assert {role for row in rows for role in row["roles"]} & {"public"} == set()
    asked = ("current_tenant", "is_platform_admin")
    open_ones = [
        f"{row['relation']}: {row['policyname']}"
        for row in rows
        if any(role.endswith(REQUEST) for role in row["roles"]) and row["permissive"] == "PERMISSIVE"
        if not any(name in f"{row['qual']} {row['with_check']}" for name in asked)
    ]
    assert open_ones == []


async def test_every_view_works_with_its_readers_rights_and_nobody_writes_to_one(sql):
    views = [relation for relation in await relations(sql) if relation.is_view]
    assert [view.name for view in views if not view.security_invoker] == []
    may_write = [
        (role, view.name)
        for role in await roles(sql)
        for view in views
        if await sql.fetchval("SELECT has_table_privilege($1, $2, 'INSERT, UPDATE, DELETE')", role, view.name)
    ]
    assert may_write == []


async def test_partitions_are_closed_by_their_own_names(sql):
    """Through its parent a partition is under the parent's policies; asked for by name it is under its own."""
    partitions = [relation for relation in await relations(sql) if relation.is_partition]
    assert len(partitions) > 8
    rows = await sql.fetch(
        """
        SELECT r.role, p.partition FROM unnest($1::text[]) AS r (role), unnest($2::text[]) AS p (partition)
        WHERE has_any_column_privilege(role, partition, 'SELECT, INSERT, UPDATE')
           OR has_table_privilege(role, partition, 'DELETE')
        """,
        *(await roles(sql), [partition.name for partition in partitions]),
    )
    assert [
        tuple(row) for row in rows if not row["partition"].endswith("_other") or row["role"].endswith(REQUEST)
    ] == []


async def test_foreign_keys_between_tenants_tables_carry_the_tenant(sql):
    """Else a row could point at another tenant's, and the refusal of one that does not exist would tell of it."""
    rows = await sql.fetch(
        """
        SELECT child.oid::regclass::text AS child, parent.oid::regclass::text AS parent,
               EXISTS (SELECT FROM generate_subscripts(f.conkey, 1) AS at
                       JOIN pg_attribute own ON own.attrelid = f.conrelid AND own.attnum = f.conkey[at]
                       JOIN pg_attribute far ON far.attrelid = f.confrelid AND far.attnum = f.confkey[at]
                       WHERE own.attname = 'tenant_id'
                         AND (far.attname = 'tenant_id' OR f.confrelid = 'gateway.tenants'::regclass)) AS with_tenant
        FROM pg_constraint f JOIN pg_class child ON child.oid = f.conrelid
        JOIN pg_class parent ON parent.oid = f.confrelid
        JOIN pg_namespace n ON n.oid = child.relnamespace
        WHERE f.contype = 'f' AND n.nspname = ANY($1)
        """,
        list(SCHEMAS),
    )
    assert len(rows) > 5
    assert {row["child"] for row in rows if not row["with_tenant"]} == SIMPLE_REFERENCES.keys()


async def test_unique_keys_carry_the_tenant_or_cannot_be_guessed(sql):
    """Uniqueness is checked over all rows, seen or not: a refusal would tell that another tenant holds the value."""
    rows = await sql.fetch(
        """
        SELECT i.indrelid::regclass::text AS relation,
               string_agg(pg_get_indexdef(i.indexrelid, k, true), ', ' ORDER BY k) AS columns
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
             generate_series(1, i.indnkeyatts) AS k
        WHERE (i.indisunique OR i.indisexclusion) AND n.nspname = ANY($1) AND NOT c.relispartition
        GROUP BY i.indexrelid, i.indrelid
        """,
        list(SCHEMAS),
    )
    keys = {f"{row['relation']} ({row['columns']})" for row in rows if row["relation"] not in SHARED}
    assert {key for key in keys if "tenant_id" not in key} == GLOBALLY_UNIQUE.keys()


async def test_functions_with_more_rights_than_their_caller_are_known_and_bounded(sql):
    rows = await sql.fetch(
        """
        SELECT p.oid, n.nspname || '.' || p.proname AS name, pg_get_userbyid(p.proowner) AS owner,
               coalesce(p.proconfig, '{}') AS settings, p.prosecdef AS is_definer
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1)
        """,
        list(SCHEMAS),
    )
    definers = {row["name"]: row for row in rows if row["is_definer"]}
    assert definers.keys() == DEFINERS.keys()
    for name, row in definers.items():
        assert "search_path=pg_catalog, pg_temp" in row["settings"], name
        may_call = {role for role in OUR_ROLES if await may_execute(sql, role, row["oid"])}
        owners = {LOOKUP} if row["owner"] == LOOKUP else set()
        assert may_call - owners == DEFINERS[name], name
        public = "SELECT EXISTS (SELECT FROM aclexplode((SELECT proacl FROM pg_proc WHERE oid = $1)) WHERE grantee = 0)"
        assert not await sql.fetchval(public, row["oid"]), name


async def may_execute(sql: asyncpg.Connection, role: str, function: int) -> bool:
    return await sql.fetchval("SELECT has_function_privilege($1, $2::oid, 'EXECUTE')", role, function)


async def test_service_roles_are_nothing_but_roles(sql):
    rows = await sql.fetch(
        """
        SELECT rolname,
               rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolcanlogin OR rolreplication AS more,
               EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) AS is_member,
               EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid) AS owns_rows
        FROM pg_roles r WHERE rolname = ANY($1)
        """,
        list(OUR_ROLES),
    )
    assert len(rows) == len(OUR_ROLES)
    assert [row["rolname"] for row in rows if row["more"] or row["is_member"] or row["owns_rows"]] == []


async def test_the_look_up_role_only_reads(sql):
    rows = await sql.fetch(
        """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'v')
          AND (has_any_column_privilege($2, c.oid, 'INSERT, UPDATE')
               OR has_table_privilege($2, c.oid, 'DELETE, TRUNCATE'))
        """,
        *(list(SCHEMAS), LOOKUP),
    )
    assert rows == []


async def test_nobody_may_hand_a_right_on_and_nothing_is_granted_to_everybody(sql):
    rows = await sql.fetch(
        """
        SELECT c.oid::regclass::text AS relation, a.grantee, a.is_grantable
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
        WHERE n.nspname = ANY($1) AND a.grantee <> c.relowner AND (a.is_grantable OR a.grantee = 0)
        UNION ALL
        SELECT n.nspname, a.grantee, a.is_grantable FROM pg_namespace n, aclexplode(n.nspacl) a
        WHERE n.nspname = ANY($1) AND a.grantee <> n.nspowner
          AND (a.is_grantable OR a.grantee = 0 OR a.privilege_type <> 'USAGE')
        """,
        list(SCHEMAS),
    )
    assert rows == []


async def test_sequences_tell_nothing_of_how_much_others_do(sql):
    rows = await sql.fetch(
        """
        SELECT c.oid::regclass::text AS sequence, r.role
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest($2::text[]) AS r (role)
        WHERE c.relkind = 'S' AND n.nspname = ANY($1) AND has_sequence_privilege(r.role, c.oid, 'SELECT, UPDATE, USAGE')
        """,
        *(list(SCHEMAS), await roles(sql)),
    )
    assert rows == []
