"""What came of downlinks that were handed over, written: at their rows, at their displays, in their histories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from downlink_dispatcher.domain.display import DisplayKey
from downlink_dispatcher.store.columns import columns
from parking_chassis.postgres import Connection
from parking_contracts.downlink import DownlinkStatus


class RowResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said at a command's row. `is_at_server`: it may be there, though nobody has said so.

    With a `detail`, an empty one too, this is a step of its history.
    """

    tenant_id: UUID
    id: UUID
    status: DownlinkStatus
    attempts: int
    next_attempt_at: datetime | None = None
    last_error: str = ""
    queue_item_id: str | None = None
    is_at_server: bool = False
    detail: str | None = None


class DisplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said at a display's row, which its sender lets go.

    `sent_version` and `shown_payload` are of what went out; with no version nothing did. `due_at` is when to look
    again, if ever. `has_failed`: a command was given up on, or one has gone out again; None: as it was.
    """

    key: DisplayKey
    sent_version: int | None = None
    shown_payload: bytes | None = None
    is_state: bool = False
    due_at: datetime | None = None
    has_failed: bool | None = None


async def is_known_item(connection: Connection, display: DisplayKey, queue_item_id: str) -> bool:
    """Whether an item that waits at the network server is a command of the display that was recorded."""
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM (
                SELECT queue_item_id FROM downlink.downlinks WHERE tenant_id = $1 AND dev_eui = $2
                ORDER BY created_at DESC, id DESC LIMIT 500
            ) last WHERE queue_item_id = $3
        )
        """,
        *display,
        queue_item_id,
    )
    return found


async def write_rows(connection: Connection, results: Sequence[RowResult]) -> None:
    """Commands' rows and histories. What the network server told meanwhile, that it is on air, stands."""
    await connection.execute(
        """
        WITH written AS (
            UPDATE downlink.downlinks d
            SET status = CASE WHEN d.status = 'queued' THEN t.status ELSE d.status END,
                attempts = t.attempts, next_attempt_at = t.next_attempt_at,
                last_error = t.last_error,
                queue_item_id = coalesce(d.queue_item_id, t.queue_item_id),
                tried_at = CASE WHEN t.is_at_server THEN d.tried_at END,
                sent_at = CASE WHEN t.status = 'sent' THEN coalesce(d.sent_at, now()) ELSE d.sent_at END,
                ended_at = CASE WHEN t.status = 'failed' THEN coalesce(d.ended_at, now()) ELSE d.ended_at END
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[], $5::timestamptz[], $6::text[], $7::text[],
                        $8::boolean[], $9::text[])
                AS t (tenant_id, id, status, attempts, next_attempt_at, last_error, queue_item_id, is_at_server, detail)
            WHERE d.tenant_id = t.tenant_id AND d.id = t.id
            RETURNING d.tenant_id, d.id, t.status, t.detail, old.status AS before
        )
        INSERT INTO downlink.downlink_steps (tenant_id, downlink_id, at, status, detail)
        SELECT tenant_id, id, now(), status, detail FROM written
        -- one that is on air already was told to be sent by that
        WHERE detail IS NOT NULL AND (status <> 'sent' OR before = 'queued')
        """,
        *[[getattr(one, name) for one in results] for name in RowResult.__struct_fields__],
    )


async def write_displays(connection: Connection, results: Sequence[DisplayResult]) -> None:
    """Displays' rows, held by the caller, let go."""
    await connection.execute(
        """
        UPDATE downlink.displays d
        SET claim = NULL, claimed_until = NULL,
            sent_version = coalesce(t.sent_version, d.sent_version),
            shown_payload = CASE WHEN t.sent_version IS NULL THEN d.shown_payload ELSE t.shown_payload END,
            is_right = CASE WHEN t.sent_version IS NULL THEN d.is_right END,
            sent_at = CASE WHEN t.is_state THEN now() ELSE d.sent_at END,
            failed_at = CASE WHEN t.has_failed IS NULL THEN d.failed_at
                             WHEN t.has_failed THEN coalesce(d.failed_at, now()) END,
            due_at = t.due_at
        FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bytea[], $5::boolean[], $6::timestamptz[], $7::boolean[])
             AS t (tenant_id, dev_eui, sent_version, shown_payload, is_state, due_at, has_failed)
        WHERE d.tenant_id = t.tenant_id AND d.dev_eui = t.dev_eui
        """,
        *columns(one.key for one in results),
        [one.sent_version for one in results],
        [one.shown_payload for one in results],
        [one.is_state for one in results],
        [one.due_at for one in results],
        [one.has_failed for one in results],
    )
