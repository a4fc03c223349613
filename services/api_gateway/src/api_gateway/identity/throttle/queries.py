"""The SQL of the log-in throttle: leaking buckets, worked by the batch role, as nobody's tenant is known yet."""

from __future__ import annotations

from datetime import timedelta

import asyncpg

from parking_chassis.postgres import Connection
from parking_chassis.retention import forget_old


async def fill(connection: Connection, bucket: bytes, *, burst: int, leak_seconds: float) -> asyncpg.Record | None:
    """One more failure: when the bucket's pair last succeeded; None (nothing changed) when the bucket is full."""
    return await connection.fetchrow(
        """
        INSERT INTO gateway.login_failures AS f (bucket, level, measured_at) VALUES ($1, 1, clock_timestamp())
        ON CONFLICT (bucket) DO UPDATE SET
            level = 1 + greatest(
                0, f.level - greatest(0, extract(epoch FROM excluded.measured_at - f.measured_at)) / $3
            ),
            measured_at = greatest(f.measured_at, excluded.measured_at)
        WHERE 1 + f.level - greatest(0, extract(epoch FROM excluded.measured_at - f.measured_at)) / $3 <= $2
        RETURNING succeeded_at
        """,
        bucket,
        float(burst),
        leak_seconds,
    )


async def seconds_until_room(connection: Connection, bucket: bytes, *, burst: int, leak_seconds: float) -> float:
    """How long a full bucket takes until one more fits."""
    seconds = await connection.fetchval(
        """
        SELECT (1 + level - $2) * $3 - extract(epoch FROM clock_timestamp() - measured_at)::double precision
        FROM gateway.login_failures WHERE bucket = $1
        """,
        bucket,
        float(burst),
        leak_seconds,
    )
    return float(seconds or 0)


async def empty(connection: Connection, bucket: bytes) -> None:
    """The pair has logged in."""
    await connection.execute(
        """
        INSERT INTO gateway.login_failures (bucket, level, measured_at, succeeded_at) VALUES ($1, 0, now(), now())
        ON CONFLICT (bucket) DO UPDATE SET level = 0, measured_at = now(), succeeded_at = now()
        """,
        bucket,
    )


async def take_back(connection: Connection, bucket: bytes) -> None:
    """What was counted as a failure was none."""
    await connection.execute(
        "UPDATE gateway.login_failures SET level = greatest(0, level - 1) WHERE bucket = $1", bucket
    )


async def delete_old_buckets(connection: Connection, *, keep: timedelta) -> None:
    """Forget who has neither failed nor succeeded for so long."""
    await forget_old(connection, "gateway.login_failures", "measured_at < now() - $1::interval", keep)
