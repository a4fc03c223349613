"""Several writes as one statement: one round trip where there are as many tables.

Latency is made of round trips, and of what each costs on both sides. The writes of one statement see one snapshot:
none sees what another writes, but by that one's name what it returns.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from parking_chassis.postgres import Connection

Row = tuple[Any, ...]
ROWS = "{rows}"


class Write(msgspec.Struct, frozen=True):
    """An INSERT or UPDATE called `name`. `sql` takes its rows, one array of a composite type, where it says {rows}."""

    name: str
    sql: str
    rows: Sequence[Row] = ()


async def write_together(connection: Connection, *writes: Write) -> None:
    """Do all of them, unless none has a row."""
    taking = [write for write in writes if ROWS in write.sql]
    if any(write.rows for write in taking):
        sql = _statement(tuple((write.name, write.sql) for write in writes))
        await connection.execute(sql, *(write.rows for write in taking))


@functools.cache
def _statement(parts: tuple[tuple[str, str], ...]) -> str:
    """One text per combination of writes, whichever of them have rows: it is planned once."""
    taken = 0
    written = []
    for name, sql in parts:
        taken += ROWS in sql
        written.append(f"{name} AS ({sql.replace(ROWS, f'${taken}')})")
    return f"WITH {', '.join(written)} SELECT"
