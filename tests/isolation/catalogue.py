"""What there is, as PostgreSQL knows it: nothing here is a list of our own, so that what is new is walked as well."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

SCHEMAS = ("gateway", "occupancy", "reservation", "downlink")
# Which service's batch role owns the rows of a schema.
BATCH_OF = {
    "gateway": "api_gateway",
    "occupancy": "occupancy_engine",
    "reservation": "reservation_service",
    "downlink": "downlink_dispatcher",
}
LOOKUP = "gateway_lookup"
REQUEST = "_request"


@dataclass(frozen=True)
class Relation:
    """A table, a partition or a view."""

    name: str
    kind: str
    is_partition: bool
    row_security: bool
    forced: bool
    security_invoker: bool
    columns: tuple[str, ...]
    writable: tuple[str, ...]

    @property
    def schema(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_view(self) -> bool:
        return self.kind == "v"

    @property
    def of_tenants(self) -> bool:
        """Whether its rows say whose they are."""
        return "tenant_id" in self.columns or self.name == "gateway.tenants"


async def roles(connection: asyncpg.Connection) -> list[str]:
    """The roles that services work in."""
    rows = await connection.fetch(
        """
        SELECT rolname FROM pg_roles WHERE rolname = ANY($1) OR rolname = ANY($2) ORDER BY rolname
        """,
        list(BATCH_OF.values()),
        [f"{service}{REQUEST}" for service in BATCH_OF.values()],
    )
    return [row["rolname"] for row in rows]


async def relations(connection: asyncpg.Connection) -> Sequence[Relation]:
    """Everything in our schemas that has rows."""
    rows = await connection.fetch(
        """
        SELECT n.nspname || '.' || c.relname AS name, c.relkind::text AS kind, c.relispartition AS is_partition,
               c.relrowsecurity AS row_security, c.relforcerowsecurity AS forced,
               coalesce(c.reloptions, '{}') @> '{security_invoker=true}' AS security_invoker,
               array_agg(a.attname ORDER BY a.attnum) AS columns,
               coalesce(array_agg(a.attname ORDER BY a.attnum)
                        FILTER (WHERE a.attgenerated = '' AND a.attidentity = ''), '{}') AS writable
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname = ANY($1) AND c.relkind NOT IN ('i', 'I', 'S', 'c', 't')
        GROUP BY c.oid, n.nspname ORDER BY 1
        """,
        list(SCHEMAS),
    )
    return [
        Relation(**{**dict(row), "columns": tuple(row["columns"]), "writable": tuple(row["writable"])}) for row in rows
    ]


async def columns_with(connection: asyncpg.Connection, role: str, relation: Relation, right: str) -> tuple[str, ...]:
    """The columns on which a role has a right, in their order."""
    rows = await connection.fetch(
        "SELECT name FROM unnest($1::text[]) WITH ORDINALITY AS n (name, place) "
        "WHERE has_column_privilege($2, $3, name, $4) ORDER BY place",
        list(relation.columns),
        *(role, relation.name, right),
    )
    return tuple(row["name"] for row in rows)
