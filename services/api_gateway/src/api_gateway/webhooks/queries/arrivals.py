"""What comes in: the lock that lets one replica take events in, whom they concern, and their deliveries. Batch role."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from api_gateway.webhooks.events import WebhookEvent
from parking_chassis.postgres import Connection


async def still_there(connection: Connection) -> None:
    """Fail if the connection, and the lock with it, is gone."""
    await connection.execute("SELECT 1")


async def tenants_with_endpoints(connection: Connection, tenants: Collection[UUID]) -> set[UUID]:
    """Which of these tenants have an endpoint that wants anything."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT tenant_id FROM gateway.webhook_endpoints
        WHERE tenant_id = ANY($1) AND enabled AND deleted_at IS NULL
        """,
        list(tenants),
    )
    return {row["tenant_id"] for row in rows}


async def insert_deliveries(
    connection: Connection, events: Sequence[WebhookEvent], *, endpoint_id: UUID | None = None, replay: int = 0
) -> int:
    """A delivery for each event and endpoint that wants it; how many are new. Written before: no effect.

    Live, an endpoint wants what came since it was made or enabled; the 5 s forgive clocks that differ.
    """
    done = await connection.execute(
        """
        INSERT INTO gateway.webhook_deliveries
            (tenant_id, endpoint_id, event_id, event_type, stream, sequence, replay, body, next_attempt_at)
        SELECT e.tenant_id, w.id, e.event_id, e.event_type, e.stream, e.sequence, $10::bigint, e.body,
               least(e.stored_at, now())
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::bigint[],
                    $8::timestamptz[], $9::bytea[])
            AS e (tenant_id, event_id, event_type, space_id, site_id, stream, sequence, stored_at, body)
        JOIN gateway.webhook_endpoints w ON w.tenant_id = e.tenant_id AND w.enabled AND w.deleted_at IS NULL
        LEFT JOIN occupancy.space_directory s
            ON s.tenant_id = e.tenant_id AND s.id = e.space_id AND e.site_id IS NULL AND w.site_ids <> '{}'
        WHERE (w.event_types = '{}' OR e.event_type = ANY(w.event_types))
          AND (w.site_ids = '{}' OR coalesce(e.site_id, s.site_id) = ANY(w.site_ids))
          AND CASE WHEN $10::bigint = 0 THEN e.stored_at >= w.active_from - interval '5 seconds'
              ELSE w.id = $11::uuid END
        ON CONFLICT (tenant_id, endpoint_id, event_id, replay) DO NOTHING
        """,
        [event.tenant_id for event in events],
        [event.event_id for event in events],
        [event.event_type for event in events],
        [event.space_id for event in events],
        [event.site_id for event in events],
        [event.stream for event in events],
        [event.sequence for event in events],
        [event.stored_at for event in events],
        [event.body for event in events],
        replay,
        endpoint_id,
    )
    return int(done.rpartition(" ")[2])
