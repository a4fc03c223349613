"""Both tenants in every table, and the traces by which one of them is recognised elsewhere."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from isolation import rows_downlink, rows_gateway, rows_occupancy, rows_reservation, rows_rollups
from isolation.catalogue import Relation, relations
from isolation.tenant import Tenant

# What is None has no row of any tenant.
ROWS: dict[str, Callable[[Tenant], dict[str, Any]] | None] = {
    **rows_gateway.ROWS,
    **rows_occupancy.ROWS,
    **rows_rollups.ROWS,
    **rows_reservation.ROWS,
    **rows_downlink.ROWS,
}
NOW = datetime.now(UTC)
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class TwoTenants:
    """`ours` asks; `theirs` must never be heard of."""

    ours: Tenant
    theirs: Tenant
    traces: frozenset[str]

    def heard_of(self, text: str, said: Iterable[str] = ()) -> set[str]:
        """Which traces of theirs a text carries that were not `said` by the asking side itself."""
        folded = text.lower()
        found = {trace for trace in self.traces if trace in folded}
        return {trace for trace in found if not any(trace in one.lower() for one in said)}


async def use_json(connection: asyncpg.Connection) -> None:
    """Let jsonb columns take and give plain values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )


async def fill(connection: asyncpg.Connection) -> TwoTenants:
    """One row of each tenant in every table.

    Raises:
        AssertionError: A table has no recipe: it says which, and where to write one.
    """
    await use_json(connection)
    there = await relations(connection)
    unknown = sorted(relation.name for relation in there if needs_recipe(relation) and relation.name not in ROWS)
    assert not unknown, (
        f"the isolation matrix cannot fill {', '.join(unknown)}: add a recipe to tests/isolation/rows_<owner>.py"
    )
    gone = sorted(ROWS.keys() - {relation.name for relation in there})
    assert not gone, f"tests/isolation/rows_*.py fills {', '.join(gone)}, which no migration makes"
    ours, theirs = Tenant("a"), Tenant("b")
    for name in await parents_first(connection, list(ROWS)):
        make = ROWS[name]
        for tenant in (ours, theirs) if make else ():
            await insert(connection, name, await missing(connection, name, tenant) | make(tenant))
    return TwoTenants(ours, theirs, await traces_of(connection, theirs, ours, there))


def needs_recipe(relation: Relation) -> bool:
    """Partitions by date are filled through their parent; the default ones need a row that falls into them."""
    if relation.is_view:
        return False
    return not relation.is_partition or relation.name.endswith("_other")


async def parents_first(connection: asyncpg.Connection, names: Sequence[str]) -> list[str]:
    """The tables in an order in which every foreign key finds its row."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT conrelid::regclass::text AS child, confrelid::regclass::text AS parent
        FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND conrelid <> confrelid
        """
    )
    parents: dict[str, set[str]] = {name: set() for name in names}
    for row in rows:
        if row["child"] in parents:
            parents[row["child"]].add(row["parent"])
    ordered: list[str] = []
    while parents:
        ready = sorted(name for name, waiting in parents.items() if not waiting - set(ordered))
        assert ready, f"foreign keys in a circle: {parents}"
        ordered += ready
        for name in ready:
            del parents[name]
    return ordered


# What a column that must have a value gets when its recipe has none for it.
BY_TYPE: Mapping[str, Callable[[Tenant, str], Any]] = {
    "text": lambda tenant, _column: tenant.word,
    "bytea": lambda tenant, _column: tenant.word.encode(),
    "uuid": lambda tenant, column: tenant.own(column),
    "boolean": lambda *_: False,
    "jsonb": lambda *_: {},
    "date": lambda *_: NOW.date(),
    "timestamp with time zone": lambda *_: NOW,
    **dict.fromkeys(("smallint", "integer", "bigint", "real", "double precision"), lambda *_: 0),
}


async def missing(connection: asyncpg.Connection, table: str, tenant: Tenant) -> dict[str, Any]:
    """A value for every column that must have one: recipes name only what matters."""
    rows = await connection.fetch(
        """
        SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
        WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
          AND attnotnull AND NOT atthasdef AND attidentity = '' AND attname <> 'tenant_id'
        """,
        table,
    )
    return {row["name"]: BY_TYPE[row["type"]](tenant, row["name"]) for row in rows if row["type"] in BY_TYPE}


async def insert(connection: asyncpg.Connection, table: str, row: Mapping[str, Any]) -> None:
    """Put in one row, as whoever the connection acts for."""
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())


async def traces_of(
    connection: asyncpg.Connection, theirs: Tenant, ours: Tenant, there: Sequence[Relation]
) -> frozenset[str]:
    """Their word and addresses, and every id that stands in a row of theirs and in none of ours."""
    ids: dict[Tenant, set[str]] = {ours: set(), theirs: set()}
    for relation in there:
        for tenant in () if relation.is_view else (ours, theirs):
            for row in await rows_of(connection, relation, tenant):
                ids[tenant].update(UUID_TEXT.findall(row))
    euis = {theirs.eui(noun) for noun in ("sensor", "display", "sign", "gateway", "orphan")}
    return frozenset({theirs.word, theirs.tag, theirs.key_id(), *euis, *(ids[theirs] - ids[ours])})


async def rows_of(connection: asyncpg.Connection, relation: Relation, tenant: Tenant) -> list[str]:
    """A tenant's rows as text, read by the superuser."""
    rows = await connection.fetch(
        f"SELECT t::text AS row FROM {relation.name} t WHERE t::text LIKE ANY($1)",
        [f"%{tenant.id}%", f"%{tenant.word}%"],
    )
    return [row["row"] for row in rows]


async def fingerprint(connection: asyncpg.Connection, relation: Relation, tenant: Tenant) -> set[str]:
    """Where and by which transaction each of a tenant's rows was written: any write at all changes it."""
    rows = await connection.fetch(
        f"SELECT t.tableoid || ' ' || t.ctid || ' ' || t.xmin AS row FROM {relation.name} t WHERE t::text LIKE ANY($1)",
        [f"%{tenant.id}%", f"%{tenant.word}%"],
    )
    return {row["row"] for row in rows}


async def everything_of(connection: asyncpg.Connection, tenant: Tenant) -> dict[str, list[str]]:
    """All rows of a tenant by table, for comparing before and after."""
    there = [relation for relation in await relations(connection) if not relation.is_view]
    return {relation.name: sorted(await rows_of(connection, relation, tenant)) for relation in there}
