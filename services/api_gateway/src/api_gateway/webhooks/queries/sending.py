"""What goes out: deliveries claimed by the sender, and settled by what became of them. Batch role."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from api_gateway.webhooks.outcomes import Answer, Verdict
from parking_chassis.postgres import Connection

# So many failures in a row, and an endpoint gets one attempt at a time.
STRUGGLING_FAILURES = 5
# Fewer say nothing of a receiver that seldom hears of anything.
DISABLING_FAILURES = 10
Settled = tuple[asyncpg.Record, Answer, Verdict]
"""A delivery as it was claimed, what its attempt came to, and what follows."""


async def lock_claims(connection: Connection) -> None:
    """Let replicas claim one after the other, until the transaction ends: each counts what the others have begun."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('gateway.webhook_claims', 0))")


async def claim_due(
    connection: Connection, *, limit: int, per_endpoint: int, lease_seconds: float
) -> list[asyncpg.Record]:
    """Up to `limit` deliveries that are due, each endpoint's in the order of its events, with URL and live secrets.

    Tenants take turns, those with the fewest attempts under way first: the backlog of one keeps nobody else waiting.
    A claim counts as an attempt, and ends by itself: whoever dies with it leaves it to the next one.
    """
    rows = await connection.fetch(
        """
        WITH busy AS (
            SELECT tenant_id, count(*) AS attempts FROM gateway.webhook_deliveries
            WHERE leased_until > now() GROUP BY tenant_id
        ), due AS (
            SELECT d.tenant_id, d.id, d.next_attempt_at AS due_at, d.sequence, e.url, e.failures,
                   ARRAY(SELECT s.secret FROM gateway.webhook_secrets s
                         WHERE s.tenant_id = e.tenant_id AND s.endpoint_id = e.id
                           AND (s.expires_at IS NULL OR s.expires_at > now())
                         ORDER BY s.created_at DESC) AS secrets
            FROM gateway.webhook_endpoints e
            LEFT JOIN busy ON busy.tenant_id = e.tenant_id
            CROSS JOIN LATERAL (
                SELECT CASE WHEN e.failures >= $4 THEN 1 ELSE $2 END - count(*) AS free
                FROM gateway.webhook_deliveries l
                WHERE l.tenant_id = e.tenant_id AND l.endpoint_id = e.id AND l.leased_until > now()
            ) room
            CROSS JOIN LATERAL (
                SELECT c.tenant_id, c.id, c.next_attempt_at, c.sequence FROM gateway.webhook_deliveries c
                WHERE c.tenant_id = e.tenant_id AND c.endpoint_id = e.id AND c.state = 'pending'
                  AND c.next_attempt_at <= now()
                ORDER BY c.next_attempt_at, c.sequence
                LIMIT greatest(room.free, 0)
                FOR NO KEY UPDATE SKIP LOCKED
            ) d
            WHERE e.enabled AND e.deleted_at IS NULL
            ORDER BY coalesce(busy.attempts, 0)
                + row_number() OVER (PARTITION BY d.tenant_id ORDER BY d.next_attempt_at, d.sequence),
                d.next_attempt_at, d.sequence
            LIMIT $1
        )
        UPDATE gateway.webhook_deliveries d
        SET attempts = d.attempts + 1, tries = d.tries + 1, last_attempt_at = statement_timestamp(),
            leased_until = now() + $3 * interval '1 second', next_attempt_at = now() + $3 * interval '1 second'
        FROM due WHERE d.tenant_id = due.tenant_id AND d.id = due.id
        RETURNING d.tenant_id, d.id, d.endpoint_id, d.event_id, d.event_type, d.body, d.attempts, d.tries,
                  due.url, due.failures, due.secrets, due.due_at, due.sequence
        """,
        limit,
        per_endpoint,
        lease_seconds,
        STRUGGLING_FAILURES,
    )
    return sorted(rows, key=lambda row: (row["due_at"], row["sequence"] or 0))


async def settle(connection: Connection, settled: Sequence[Settled], *, disable_days: float) -> list[asyncpg.Record]:
    """Write what became of claimed deliveries; the endpoints that are disabled because of it, and why.

    A claim that has run out and was taken by another one is left alone: the number of the attempt tells. What was
    cancelled meanwhile stays so, unless it was delivered. An endpoint that did well before and now is not touched.
    """
    in_trouble = {row["endpoint_id"] for row, answer, _ in settled if row["failures"] or not answer.is_delivered}
    troubled = [one for one in settled if one[0]["endpoint_id"] in in_trouble]
    await _lock_endpoints(connection, troubled)
    await _settle_deliveries(connection, settled)
    if not troubled:
        return []
    await _count_failures(connection, troubled)
    return await _disable(connection, troubled, disable_days)


async def _lock_endpoints(connection: Connection, settled: Sequence[Settled]) -> None:
    if settled:
        await connection.execute(
            """
            SELECT FROM gateway.webhook_endpoints
            WHERE (tenant_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
            ORDER BY tenant_id, id FOR NO KEY UPDATE
            """,
            [row["tenant_id"] for row, _, _ in settled],
            [row["endpoint_id"] for row, _, _ in settled],
        )


async def _count_failures(connection: Connection, settled: Sequence[Settled]) -> None:
    await connection.execute(
        """
        UPDATE gateway.webhook_endpoints w
        SET failures = CASE WHEN t.delivered THEN 0 ELSE w.failures + t.failures END,
            failing_since = CASE WHEN t.delivered THEN NULL ELSE coalesce(w.failing_since, t.began) END
        FROM (
            SELECT tenant_id, id, bool_or(delivered) AS delivered, count(*) AS failures, min(started_at) AS began
            FROM unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::timestamptz[])
                AS o (tenant_id, id, delivered, started_at)
            WHERE delivered IS NOT NULL GROUP BY tenant_id, id
        ) t
        WHERE w.tenant_id = t.tenant_id AND w.id = t.id AND (w.failures > 0 OR NOT t.delivered)
        """,
        [row["tenant_id"] for row, _, _ in settled],
        [row["endpoint_id"] for row, _, _ in settled],
        [None if answer.interrupted else answer.is_delivered for _, answer, _ in settled],
        [answer.started_at for _, answer, _ in settled],
    )


async def _settle_deliveries(connection: Connection, settled: Sequence[Settled]) -> None:
    await connection.execute(
        """
        WITH told AS (
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::float8[], $6::integer[],
                                 $7::text[], $8::timestamptz[], $9::float8[], $10::boolean[])
                AS t (tenant_id, id, number, state, retry_in, status, error, started_at, seconds, interrupted)
        ), kept AS (
            UPDATE gateway.webhook_deliveries d
            SET state = CASE WHEN d.state = 'cancelled' AND t.state <> 'delivered' THEN d.state ELSE t.state END,
                tries = CASE WHEN t.interrupted THEN d.tries - 1 ELSE d.tries END,
                next_attempt_at = now() + t.retry_in * interval '1 second', leased_until = NULL,
                last_status = t.status,
                last_error = CASE WHEN d.state = 'cancelled' AND t.state <> 'delivered' THEN d.last_error
                    ELSE t.error END,
                finished_at = CASE WHEN t.state = 'pending' THEN d.finished_at ELSE now() END
            FROM told t WHERE d.tenant_id = t.tenant_id AND d.id = t.id AND d.attempts = t.number
        )
        INSERT INTO gateway.webhook_attempts (tenant_id, delivery_id, number, started_at, seconds, status, error)
        SELECT t.tenant_id, t.id, t.number, t.started_at, t.seconds, t.status, t.error
        FROM told t JOIN gateway.webhook_deliveries d ON d.tenant_id = t.tenant_id AND d.id = t.id
        ON CONFLICT DO NOTHING
        """,
        [row["tenant_id"] for row, _, _ in settled],
        [row["id"] for row, _, _ in settled],
        [row["attempts"] for row, _, _ in settled],
        [verdict.state for _, _, verdict in settled],
        [verdict.retry_in_seconds for _, _, verdict in settled],
        [answer.status for _, answer, _ in settled],
        [answer.error for _, answer, _ in settled],
        [answer.started_at for _, answer, _ in settled],
        [answer.seconds for _, answer, _ in settled],
        [answer.interrupted for _, answer, _ in settled],
    )


async def _disable(connection: Connection, settled: Sequence[Settled], disable_days: float) -> list[asyncpg.Record]:
    return await connection.fetch(
        """
        WITH ended AS (
            UPDATE gateway.webhook_endpoints w
            SET enabled = false, disabled_reason = CASE WHEN t.gone THEN 'the receiver answered 410 Gone'
                ELSE format('nothing but failures since %s', to_char(w.failing_since AT TIME ZONE 'UTC',
                            'YYYY-MM-DD"T"HH24:MI:SS"Z"')) END
            FROM (SELECT tenant_id, id, bool_or(gone) AS gone
                  FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS o (tenant_id, id, gone)
                  GROUP BY tenant_id, id) t
            WHERE w.tenant_id = t.tenant_id AND w.id = t.id AND w.enabled
              AND (t.gone OR (w.failures >= $5 AND w.failing_since <= now() - $4 * interval '1 day'))
            RETURNING w.tenant_id, w.id, w.disabled_reason
        ), cancelled AS (
            UPDATE gateway.webhook_deliveries d
            SET state = 'cancelled', finished_at = now(),
                last_error = 'the endpoint was disabled: ' || e.disabled_reason
            FROM ended e WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.id AND d.state = 'pending'
        )
        SELECT * FROM ended
        """,
        [row["tenant_id"] for row, _, _ in settled],
        [row["endpoint_id"] for row, _, _ in settled],
        [answer.is_gone for _, answer, _ in settled],
        disable_days,
        DISABLING_FAILURES,
    )
