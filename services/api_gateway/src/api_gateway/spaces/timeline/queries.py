"""The SQL of a space's timeline: one statement over everything that is kept about the space.

Each source gives its newest entries behind the cursor, bounded by the page, walking an index of its own; they are then
put into one order. (at, rank, key) is an entry's place: what follows from something at the same moment ranks above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]
Place = tuple[datetime, int, str]
# Reservations and alerts have steps of several times: so many of the newest by their beginning are looked at.
_MOST_NOUNS = 1000
# A downlink's last step may come after the first ones of so many that were made later; and so many steps has each.
_MOST_OVERTAKING, _MOST_STEPS = 200, 100

# $1 tenant, $2 space, $3 since, ($4, $5, $6) the place behind which to go on, $7 how many, $8 the kinds left out.
_TIMELINE = f"""
    WITH commands AS (
        SELECT l.at, 0 AS rank, l.id::text AS key, 'command' AS kind,
               jsonb_build_object('caller', l.actor, 'action', l.action, 'request_id', l.request_id,
                                  'status', o.status) AS facts
        FROM gateway.audit_log l LEFT JOIN gateway.audit_outcomes o ON o.audit_id = l.id
        WHERE l.tenant_id = $1
          AND l.path IN ('/api/v6/spaces/' || $2::uuid::text, '/api/v6/spaces/' || $2::uuid::text || '/state')
          AND l.at >= $3 AND l.at <= $4 AND (l.at, 0, l.id::text) < ($4, $5, $6)
        ORDER BY l.at DESC, l.id DESC LIMIT $7
    ), uplinks AS (
        SELECT received_at AS at, 1 AS rank, lpad(f_cnt::text, 10, '0') || dev_eui || session_at AS key,
               'uplink' AS kind,
               jsonb_build_object('dev_eui', dev_eui, 'f_cnt', f_cnt, 'occurred_at', occurred_at, 'occupied', occupied,
                                  'f_port', f_port, 'codec', codec, 'decode_error', decode_error) AS facts
        FROM occupancy.reading_history
        WHERE tenant_id = $1 AND space_id = $2 AND received_at >= $3 AND received_at <= $4
          AND (received_at, 1, lpad(f_cnt::text, 10, '0') || dev_eui || session_at) < ($4, $5, $6)
        ORDER BY received_at DESC, key DESC LIMIT $7
    ), stays AS (
        SELECT moved.at, 2 AS rank, s.id::text || moved.kind AS key, moved.kind,
               jsonb_build_object('stay_id', s.id, 'dev_eui', s.dev_eui, 'arrived_at', s.arrived_at) AS facts
        FROM (
            SELECT id, dev_eui, arrived_at, departed_at FROM occupancy.stay_history
            WHERE tenant_id = $1 AND space_id = $2 AND arrived_at <= $4 ORDER BY arrived_at DESC LIMIT $7 + 1
        ) s
        CROSS JOIN LATERAL (VALUES ('arrival', arrived_at), ('departure', departed_at)) AS moved (kind, at)
        WHERE moved.at >= $3 AND (moved.at, 2, s.id::text || moved.kind) < ($4, $5, $6)
    ), reservations AS (
        SELECT step.at, 3 AS rank, r.id::text || step.event AS key, 'reservation' AS kind,
               jsonb_build_object('reservation_id', r.id, 'event', step.event, 'detail', step.detail,
                                  'starts_at', r.starts_at, 'ends_at', r.ends_at, 'caller', step.caller) AS facts
        FROM (
            SELECT * FROM reservation.reservation_directory
            WHERE tenant_id = $1 AND space_id = $2 AND starts_at <= $4::timestamptz + interval '90 days'
            ORDER BY starts_at DESC, id DESC LIMIT {_MOST_NOUNS}
        ) r
        CROSS JOIN LATERAL (VALUES
            ('created', created_at, '', created_by), ('opened', opened_at, '', NULL),
            ('checked_in', checked_in_at, checked_in_by, NULL), ('obstructed', obstructed_at, '', NULL),
            ('overstayed', overstayed_at, '', NULL), (status, ended_at, cancel_reason, NULL)
        ) AS step (event, at, detail, caller)
        WHERE step.at >= $3 AND (step.at, 3, r.id::text || step.event) < ($4, $5, $6)
    ), changes AS (
        SELECT changed_at AS at, 4 AS rank, lpad(version::text, 19, '0') AS key, 'change' AS kind,
               jsonb_build_object('version', version, 'previous', previous, 'state', state, 'layer', layer,
                                  'reason', reason, 'source', source, 'cause', cause, 'request_id', request_id,
                                  'occurred_at', occurred_at) AS facts
        FROM occupancy.state_history
        WHERE tenant_id = $1 AND space_id = $2 AND changed_at >= $3 AND changed_at <= $4
          AND (changed_at, 4, lpad(version::text, 19, '0')) < ($4, $5, $6)
        ORDER BY changed_at DESC, version DESC LIMIT $7
    ), alerts AS (
        SELECT turn.at, 5 AS rank, a.id::text || turn.event AS key, 'alert' AS kind,
               jsonb_build_object('alert_id', a.id, 'event', turn.event, 'alert_kind', a.kind, 'severity', a.severity,
                                  'dev_eui', a.dev_eui, 'summary', a.summary, 'caller', turn.caller,
                                  'note', turn.note) AS facts
        FROM (
            SELECT * FROM occupancy.alert_directory
            WHERE tenant_id = $1 AND space_id = $2 AND opened_at <= $4 ORDER BY opened_at DESC LIMIT {_MOST_NOUNS}
        ) a
        CROSS JOIN LATERAL (VALUES
            ('opened', opened_at, NULL, ''), ('acknowledged', acknowledged_at, acknowledged_by, note),
            ('closed', closed_at, NULL, '')
        ) AS turn (event, at, caller, note)
        WHERE turn.at >= $3 AND (turn.at, 5, a.id::text || turn.event) < ($4, $5, $6)
    ), downlinks AS (
        SELECT step.at, 6 AS rank, lpad(step.n::text, 19, '0') AS key, 'downlink' AS kind,
               jsonb_build_object('downlink_id', d.id, 'dev_eui', d.dev_eui, 'status', step.status,
                                  'detail', step.detail, 'downlink_kind', d.kind, 'command', d.command,
                                  'f_port', d.f_port, 'payload', encode(d.payload, 'hex'), 'cause', d.cause,
                                  'gateway_id', CASE WHEN step.status = 'transmitted' THEN d.gateway_id END,
                                  'f_cnt_down', CASE WHEN step.status = 'transmitted' THEN d.f_cnt_down END) AS facts
        FROM (
            SELECT * FROM downlink.downlink_directory
            WHERE tenant_id = $1 AND space_id = $2 AND created_at <= $4 ORDER BY created_at DESC
            LIMIT $7 + {_MOST_OVERTAKING}
        ) d
        -- bounded, so that each downlink's few steps are looked up by their key whatever the planner knows of the table
        CROSS JOIN LATERAL (
            SELECT n, at, status, detail FROM downlink.step_history
            WHERE tenant_id = $1 AND downlink_id = d.id ORDER BY n LIMIT {_MOST_STEPS}
        ) step
        WHERE step.at >= $3 AND (step.at, 6, lpad(step.n::text, 19, '0')) < ($4, $5, $6)
    )
    SELECT * FROM (
        SELECT * FROM commands UNION ALL SELECT * FROM uplinks UNION ALL SELECT * FROM stays
        UNION ALL SELECT * FROM reservations UNION ALL SELECT * FROM changes UNION ALL SELECT * FROM alerts
        UNION ALL SELECT * FROM downlinks
    ) everything
    WHERE kind <> ALL($8::text[]) ORDER BY at DESC, rank DESC, key DESC LIMIT $7
"""  # noqa: S608  the constant above


async def has_space(connection: Connection, tenant_id: UUID, space_id: UUID) -> bool:
    """Whether the tenant has, or had, this space."""
    found = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM occupancy.space_directory WHERE (tenant_id, id) = ($1, $2))", tenant_id, space_id
    )
    return bool(found)


async def list_entries(
    connection: Connection,
    tenant_id: UUID,
    space_id: UUID,
    *,
    since: datetime,
    behind: Place,
    limit: int,
    without: Sequence[str] = (),
) -> Rows:
    """Entries behind a place, the newest first, none older than `since` and none of the kinds `without`.

    Of each: at, rank, key, kind and what is known.
    """
    return await connection.fetch(_TIMELINE, tenant_id, space_id, since, *behind, limit, without)
