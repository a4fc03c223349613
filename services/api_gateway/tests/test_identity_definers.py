"""Functions that look past the policies: few, owned by a role that nobody logs in as, and for whom they are meant."""

import asyncpg

from parkstream.migrate import migrate_database

DEFINERS = """
    SELECT p.oid::regprocedure::text AS name, o.rolname AS owner, o.rolcanlogin, o.rolbypassrls OR o.rolsuper AS exempt,
           p.proconfig, EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0) OR p.proacl IS NULL AS is_public
    FROM pg_proc p
    JOIN pg_roles o ON o.oid = p.proowner
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


async def test_definer_functions_are_nobodys_door(owners_url: str) -> None:
    await migrate_database(owners_url)
    connection = await asyncpg.connect(owners_url)
    try:
        found = {row["name"].split("(")[0]: row for row in await connection.fetch(DEFINERS)}
        tenancy = {"gateway.find_api_key", "gateway.find_user", "gateway.find_session"}
        assert tenancy <= set(found)
        for name, row in found.items():
            assert not row["is_public"], f"everybody may call {name}"
            assert any(setting.startswith("search_path=pg_catalog") for setting in row["proconfig"] or ()), name
            assert not row["exempt"], f"{name} is exempt from row-level security"
        for name in tenancy:
            assert (found[name]["owner"], found[name]["rolcanlogin"]) == ("gateway_lookup", False)
            for role, may in (("api_gateway_request", True), ("occupancy_engine_request", False)):
                may_now = await connection.fetchval(
                    "SELECT has_function_privilege($1, $2, 'EXECUTE')", role, found[name]["name"]
                )
                assert may_now == may, (name, role)
    finally:
        await connection.close()
