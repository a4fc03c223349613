"""Displays that are due, taken by one sender: what waits for each, who may be sent to, and the claim written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from downlink_dispatcher.domain.display import Display, DisplayKey
from downlink_dispatcher.domain.turns import Kind, Waiting
from downlink_dispatcher.store.displays import DISPLAY_COLUMNS
from parking_chassis.postgres import Connection

_WAITING = ", ".join(Waiting.__struct_fields__)


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a display, and where it is.

    `head` is the oldest free-form command, `state` its state's row that is to be tried again; `has_custom_sent`: a
    free-form command may still be in the network server's queue. No `application_id`: the device is not its tenant's.
    """

    application_id: str | None
    head: Waiting | None
    state: Waiting | None
    has_custom_sent: bool


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a display that was due: claimed, settled, or due at another time."""

    key: DisplayKey
    due_at: datetime | None
    claim: UUID | None = None
    claimed_until: datetime | None = None
    is_settled: bool = False


class StateRow(msgspec.Struct, frozen=True, kw_only=True):
    """The row that a display's state gets when it is about to be sent."""

    tenant_id: UUID
    dev_eui: str
    space_id: UUID | None
    kind: Kind
    version: int
    f_port: int
    payload: bytes
    command: dict[str, Any] | None
    cause: str
    expires_at: datetime


async def take_due(connection: Connection, limit: int) -> tuple[datetime, list[Display]] | None:
    """Displays that are due and nobody else's, held until the transaction ends, and what time it is; None: none are."""
    rows = await connection.fetch(
        f"""
        SELECT {DISPLAY_COLUMNS}, now() FROM downlink.displays
        WHERE due_at <= now() AND (claim IS NULL OR claimed_until <= now())
        ORDER BY due_at
        LIMIT $1
        FOR NO KEY UPDATE SKIP LOCKED
        """,  # noqa: S608  the columns are constants
        limit,
    )
    displays = [Display(**{name: row[name] for name in Display.__struct_fields__}) for row in rows]
    return (rows[0]["now"], displays) if rows else None


async def next_due_seconds(connection: Connection) -> float | None:
    """How long until a display is due that is not yet; None: none is."""
    seconds: float | None = await connection.fetchval(
        """
        SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM downlink.displays WHERE due_at > now()
        """
    )
    return seconds


async def queues_of(connection: Connection, keys: Sequence[DisplayKey]) -> dict[DisplayKey, Queue]:
    """What waits for displays that are held. A command whose time is over is left to the sweep."""
    rows = await connection.fetch(
        f"""
        SELECT k.tenant_id, k.dev_eui, v.application_id, h AS head, s AS state,
               EXISTS (
                   SELECT FROM downlink.downlinks
                   WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui AND ended_at IS NULL
                     AND kind = 'custom' AND status = 'sent'
               ) AS has_custom_sent
        FROM unnest($1::uuid[], $2::text[]) AS k (tenant_id, dev_eui)
        LEFT JOIN LATERAL (
            SELECT application_id FROM occupancy.downlink_devices
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui AND is_bound LIMIT 1
        ) v ON true
        LEFT JOIN LATERAL (
            SELECT {_WAITING} FROM downlink.downlinks
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui AND ended_at IS NULL
              AND status = 'queued' AND kind = 'custom' AND expires_at > now()
            ORDER BY id LIMIT 1
        ) h ON true
        LEFT JOIN LATERAL (
            SELECT {_WAITING} FROM downlink.downlinks
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui AND ended_at IS NULL
              AND status = 'queued' AND kind <> 'custom'
            ORDER BY id DESC LIMIT 1
        ) s ON true
        """,  # noqa: S608  the columns are constants
        [tenant_id for tenant_id, _ in keys],
        [dev_eui for _, dev_eui in keys],
    )
    return {(row["tenant_id"], row["dev_eui"]): _queue(row) for row in rows}


def _queue(row: asyncpg.Record) -> Queue:
    return Queue(
        application_id=row["application_id"],
        head=_waiting(row["head"]),
        state=_waiting(row["state"]),
        has_custom_sent=row["has_custom_sent"],
    )


def _waiting(row: tuple[Any, ...] | None) -> Waiting | None:
    # A row inside a row has no names; one that does not exist may come as nothing but NULLs.
    if row is None or row[0] is None:
        return None
    return Waiting(**dict(zip(Waiting.__struct_fields__, row, strict=True)))


async def write_decisions(connection: Connection, decisions: Sequence[Decision]) -> None:
    """What becomes of displays that are held."""
    await connection.execute(
        """
        UPDATE downlink.displays d
        SET due_at = t.due_at, claim = t.claim, claimed_until = t.claimed_until,
            sent_version = CASE WHEN t.is_settled THEN d.desired_version ELSE d.sent_version END
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::uuid[], $5::timestamptz[], $6::boolean[])
             AS t (tenant_id, dev_eui, due_at, claim, claimed_until, is_settled)
        WHERE d.tenant_id = t.tenant_id AND d.dev_eui = t.dev_eui
        """,
        [decision.key[0] for decision in decisions],
        [decision.key[1] for decision in decisions],
        [decision.due_at for decision in decisions],
        [decision.claim for decision in decisions],
        [decision.claimed_until for decision in decisions],
        [decision.is_settled for decision in decisions],
    )


async def add_state_rows(connection: Connection, rows: Sequence[StateRow]) -> dict[DisplayKey, Waiting]:
    """Rows for states that are about to be sent, with the first step of their history, by display.

    What was to be tried again of an earlier wish is superseded.
    """
    made = await connection.fetch(
        """
        WITH row AS (
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::smallint[],
                                 $7::bytea[], $8::jsonb[], $9::text[], $10::timestamptz[])
                   AS t (tenant_id, dev_eui, space_id, kind, version, f_port, payload, command, cause, expires_at)
        ), ended AS (
            UPDATE downlink.downlinks o SET status = 'superseded', ended_at = now(), next_attempt_at = NULL
            FROM row
            WHERE o.tenant_id = row.tenant_id AND o.dev_eui = row.dev_eui AND o.ended_at IS NULL
              AND o.status = 'queued' AND o.kind <> 'custom'
            RETURNING o.tenant_id, o.id
        ), made AS (
            INSERT INTO downlink.downlinks (tenant_id, dev_eui, space_id, kind, version, f_port, payload, command,
                                            cause, expires_at, tried_at)
            SELECT row.*, now() FROM row
            RETURNING tenant_id, dev_eui, id
        ), told AS (
            INSERT INTO downlink.downlink_steps (tenant_id, downlink_id, at, status)
            SELECT tenant_id, id, now(), 'queued' FROM made
            UNION ALL
            SELECT tenant_id, id, now(), 'superseded' FROM ended
        )
        SELECT tenant_id, dev_eui, id FROM made
        """,
        *[[getattr(row, name) for row in rows] for name in StateRow.__struct_fields__],
    )
    ids = {(row["tenant_id"], row["dev_eui"]): row["id"] for row in made}
    return {(row.tenant_id, row.dev_eui): _new(row, ids[row.tenant_id, row.dev_eui]) for row in rows}


def _new(row: StateRow, downlink_id: UUID) -> Waiting:
    return Waiting(
        id=downlink_id,
        kind=row.kind,
        version=row.version,
        f_port=row.f_port,
        payload=row.payload,
        expires_at=row.expires_at,
    )


async def mark_tried(connection: Connection, downlinks: Sequence[tuple[UUID, UUID]]) -> None:
    """Commands with a row (tenant, id) that are about to be handed over: after a crash they may be there already."""
    await connection.execute(
        """
        UPDATE downlink.downlinks d SET tried_at = now()
        FROM unnest($1::uuid[], $2::uuid[]) AS t (tenant_id, id)
        WHERE d.tenant_id = t.tenant_id AND d.id = t.id
        """,
        [tenant_id for tenant_id, _ in downlinks],
        [downlink_id for _, downlink_id in downlinks],
    )
