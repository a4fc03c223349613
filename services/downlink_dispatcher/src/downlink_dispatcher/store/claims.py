"""Displays that are due, taken by one sender: what waits for each, who may be sent to, and the claim written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from downlink_dispatcher.domain.buckets import Bucket
from downlink_dispatcher.domain.display import Display, DisplayKey
from downlink_dispatcher.domain.turns import Waiting
from downlink_dispatcher.store.columns import columns
from downlink_dispatcher.store.displays import DISPLAY_COLUMNS
from parking_chassis.postgres import Connection
from parking_contracts.downlink import DownlinkKind

# A display has a few open commands; its queue of free-form ones is bounded where they come in.
MOST_OPEN = 500
_WAITING = ", ".join(Waiting.__struct_fields__)


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a display, and where it is.

    `head` is the oldest of `length` free-form commands; `tried` are its states that are to be tried again, the newest
    first; `sent` are states that may still be in the network server's queue, `has_custom_sent`: a free-form command may
    be. No `application_id`: the device is not its tenant's.
    """

    application_id: str | None
    head: Waiting | None = None
    length: int = 0
    tried: tuple[Waiting, ...] = ()
    sent: tuple[UUID, ...] = ()
    has_custom_sent: bool = False


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
    kind: DownlinkKind
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


async def queues_of(connection: Connection, keys: Sequence[DisplayKey]) -> dict[DisplayKey, Queue]:
    """What waits for displays that are held. A command whose time is over is left to the sweep."""
    rows = await connection.fetch(
        f"""
        SELECT k.tenant_id AS of_tenant, k.dev_eui AS of_device, v.application_id, v.is_bound, now() AS now, o.*
        FROM unnest($1::uuid[], $2::text[]) AS k (tenant_id, dev_eui)
        LEFT JOIN LATERAL (
            SELECT application_id, is_bound FROM occupancy.downlink_devices
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui LIMIT 1
        ) v ON true
        LEFT JOIN LATERAL (
            SELECT {_WAITING}, status FROM downlink.downlinks
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui AND ended_at IS NULL
              AND status IN ('queued', 'sent')
            ORDER BY id LIMIT {MOST_OPEN}
        ) o ON true
        """,  # noqa: S608  the columns are constants
        *columns(keys),
    )
    by_display: dict[DisplayKey, list[asyncpg.Record]] = {}
    for row in rows:
        by_display.setdefault((row["of_tenant"], row["of_device"]), []).append(row)
    return {key: _queue(of_one) for key, of_one in by_display.items()}


def _queue(rows: Sequence[asyncpg.Record]) -> Queue:
    """The rows of one display, in the order of their commands; a single one without a command if there is none."""
    first, commands = rows[0], [row for row in rows if row["id"] is not None]
    queued = [row for row in commands if row["status"] == "queued"]
    live = [row for row in queued if row["kind"] == "custom" and row["expires_at"] > row["now"]]
    return Queue(
        application_id=first["application_id"] if first["is_bound"] else None,
        head=_waiting(live[0]) if live else None,
        length=len(live),
        tried=tuple(_waiting(row) for row in reversed(queued) if row["kind"] != "custom"),
        sent=tuple(row["id"] for row in commands if row["status"] == "sent" and row["kind"] != "custom"),
        has_custom_sent=any(row["status"] == "sent" and row["kind"] == "custom" for row in commands),
    )


def _waiting(row: asyncpg.Record) -> Waiting:
    return Waiting(**{name: row[name] for name in Waiting.__struct_fields__})


async def write_decisions(connection: Connection, decisions: Sequence[Decision], left: Mapping[str, Bucket]) -> None:
    """What becomes of displays that are held, and what is left in the buckets that paid for it."""
    await connection.execute(
        """
        WITH paid AS (
            UPDATE downlink.token_buckets b SET tokens = p.tokens, filled_at = p.filled_at
            FROM unnest($7::text[], $8::float8[], $9::timestamptz[]) AS p (key, tokens, filled_at)
            WHERE b.key = p.key
        )
        UPDATE downlink.displays d
        SET due_at = t.due_at, claim = t.claim, claimed_until = t.claimed_until,
            sent_version = CASE WHEN t.is_settled THEN d.desired_version ELSE d.sent_version END
        FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::uuid[], $5::timestamptz[], $6::boolean[])
             AS t (tenant_id, dev_eui, due_at, claim, claimed_until, is_settled)
        WHERE d.tenant_id = t.tenant_id AND d.dev_eui = t.dev_eui
        """,
        *columns(decision.key for decision in decisions),
        [decision.due_at for decision in decisions],
        [decision.claim for decision in decisions],
        [decision.claimed_until for decision in decisions],
        [decision.is_settled for decision in decisions],
        list(left),
        [bucket.tokens for bucket in left.values()],
        [bucket.filled_at for bucket in left.values()],
    )


async def add_state_rows(connection: Connection, rows: Sequence[StateRow]) -> dict[DisplayKey, Waiting]:
    """Rows for states that are about to be sent, with the first step of their history, by display."""
    made = await connection.fetch(
        """
        WITH made AS (
            INSERT INTO downlink.downlinks (tenant_id, dev_eui, space_id, kind, version, f_port, payload, command,
                                            cause, expires_at, tried_at)
            SELECT t.*, now() FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::smallint[],
                                          $7::bytea[], $8::jsonb[], $9::text[], $10::timestamptz[]) AS t
            RETURNING tenant_id, dev_eui, id
        ), told AS (
            INSERT INTO downlink.downlink_steps (tenant_id, downlink_id, at, status)
            SELECT tenant_id, id, now(), 'queued' FROM made
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


async def supersede(connection: Connection, downlinks: Sequence[tuple[UUID, UUID]]) -> None:
    """States (tenant, id) that will not come any more, because another takes their place, unless they are on air."""
    await connection.execute(
        """
        WITH ended AS (
            UPDATE downlink.downlinks d SET status = 'superseded', ended_at = now(), next_attempt_at = NULL
            FROM unnest($1::uuid[], $2::uuid[]) AS t (tenant_id, id)
            WHERE d.tenant_id = t.tenant_id AND d.id = t.id AND d.status IN ('queued', 'sent')
            RETURNING d.tenant_id, d.id
        )
        INSERT INTO downlink.downlink_steps (tenant_id, downlink_id, at, status)
        SELECT tenant_id, id, now(), 'superseded' FROM ended
        """,
        [tenant_id for tenant_id, _ in downlinks],
        [downlink_id for _, downlink_id in downlinks],
    )
