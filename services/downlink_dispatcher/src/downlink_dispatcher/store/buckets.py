"""The token buckets that all replicas share. Their rows are locked in the order of their keys, after any display."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from downlink_dispatcher.domain.buckets import Bucket, Limits, capacity
from parking_chassis.postgres import Connection


async def lock_buckets(
    connection: Connection, keys: Collection[str], limits: Limits, now: datetime
) -> dict[str, Bucket]:
    """Hold these buckets until the transaction ends; one that nobody has used yet is made, full."""
    wanted = sorted(keys)
    held = await _lock(connection, wanted)
    if len(held) < len(wanted):
        await connection.execute(
            """
            INSERT INTO downlink.token_buckets (key, tokens, filled_at)
            SELECT key, tokens, $3 FROM unnest($1::text[], $2::float8[]) AS t (key, tokens)
            ON CONFLICT (key) DO NOTHING
            """,
            wanted,
            [capacity(limits.of(key)) for key in wanted],
            now,
        )
        held = await _lock(connection, wanted)
    return held


async def _lock(connection: Connection, keys: list[str]) -> dict[str, Bucket]:
    rows = await connection.fetch(
        """
        SELECT key, tokens, filled_at FROM downlink.token_buckets WHERE key = ANY($1) ORDER BY key FOR NO KEY UPDATE
        """,
        keys,
    )
    return {row["key"]: Bucket(row["tokens"], row["filled_at"]) for row in rows}


async def give_back(connection: Connection, tokens: Mapping[str, int], limits: Limits) -> None:
    """Tokens of downlinks that were not sent after all."""
    if not tokens:
        return
    keys = sorted(tokens)
    await _lock(connection, keys)
    await connection.execute(
        """
        UPDATE downlink.token_buckets b SET tokens = least(b.tokens + t.given, t.capacity)
        FROM unnest($1::text[], $2::float8[], $3::float8[]) AS t (key, given, capacity)
        WHERE b.key = t.key
        """,
        keys,
        [float(tokens[key]) for key in keys],
        [capacity(limits.of(key)) for key in keys],
    )
