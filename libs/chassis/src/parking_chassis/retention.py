"""What has been kept long enough goes in portions: each a statement of its own, over before anybody waits for it.

In: a table and what makes its rows old. Out: how many rows went. One unbounded DELETE over months of rows would hold
their locks, its snapshot and a time-out for as long as it takes; what a stop or a failure leaves is the next round's.
"""

from __future__ import annotations

from parking_chassis.postgres import Connection

PORTION = 5_000


async def forget_old(
    connection: Connection, table: str, condition: str, *arguments: object, portion: int = PORTION
) -> int:
    """Delete the table's rows that meet the condition, `portion` at a time; outside of any transaction."""
    statement = (
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("  # noqa: S608  both are the caller's own words
        f"SELECT ctid FROM {table} WHERE {condition} LIMIT {portion}))"
    )
    forgotten = 0
    while True:
        done = await connection.execute(statement, *arguments)
        count = int(done.rpartition(" ")[2])
        forgotten += count
        if count < portion:
            return forgotten
