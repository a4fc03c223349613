"""Which SQL statements an uplink costs, by PostgreSQL's own account (pg_stat_statements).

In: a connection, and how many uplinks there have been meanwhile. Out: the statements that took longest, with their time
per uplink. Waiting for locks and for the disk is in it, parsing and sending rows are not; nor is what this benchmark
asks for itself, under a role of its own.
"""

from dataclasses import dataclass

import asyncpg
from rich.table import Table

TOP = 15
SHOWN_CHARACTERS = 60
STATEMENTS = """
    SELECT query, sum(calls)::bigint AS calls, sum(total_exec_time) AS milliseconds, sum(rows)::bigint AS rows
    FROM pg_stat_statements WHERE userid <> current_user::regrole GROUP BY query ORDER BY milliseconds DESC LIMIT $1
"""


@dataclass(frozen=True)
class Statement:
    """One statement, all its parameters alike."""

    text: str
    calls: int
    rows: int
    us_per_uplink: float


async def forget_statements(database: asyncpg.Connection) -> None:
    """Count from now on."""
    await database.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    await database.execute("SELECT pg_stat_statements_reset()")


async def read_statements(database: asyncpg.Connection, uplinks: int) -> list[Statement]:
    """The longest first."""
    return [
        Statement(" ".join(row["query"].split()), row["calls"], row["rows"], row["milliseconds"] * 1000 / uplinks)
        for row in await database.fetch(STATEMENTS, TOP)
    ]


def table_of(statements: list[Statement]) -> Table:
    """A row per statement."""
    table = Table(title="PostgreSQL by statement, waiting included", title_justify="left")
    table.add_column("statement", no_wrap=True)
    for name in ("calls", "rows", "per uplink"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in statements:
        text = one.text if len(one.text) <= SHOWN_CHARACTERS else f"{one.text[:SHOWN_CHARACTERS]}..."
        table.add_row(text, f"{one.calls:,}", f"{one.rows:,}", f"{one.us_per_uplink:.1f} us")
    return table
