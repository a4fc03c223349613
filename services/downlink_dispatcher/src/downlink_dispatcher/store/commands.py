"""What clients' commands read and write: run in the request role, so that one tenant is all there is.

In: a connection that acts for the command's tenant. The display's row is locked before its downlinks.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from downlink_dispatcher.domain.outcomes import TOO_LARGE
from downlink_dispatcher.domain.requested import Request
from downlink_dispatcher.store.displays import lock_display
from downlink_dispatcher.store.downlinks import DOWNLINK_COLUMNS, read_view
from parking_chassis.postgres import Connection
from parking_contracts.downlink import DisplayView, DownlinkView

_DISPLAY = ", ".join(DisplayView.__struct_fields__)


class Device(msgspec.Struct, frozen=True):
    """A device as the engine knows it, and whether this tenant's applications have it."""

    dev_eui: str
    codec: str | None
    codec_in_use: str | None
    profile_name: str | None
    is_bound: bool
    space_id: UUID | None


class Reach(msgspec.Struct, frozen=True):
    """The way to a display: its gateway as it was last told of, and how many others there are."""

    gateway_id: str | None
    state: str | None
    last_seen_at: datetime | None
    gateways: int
    online: int


async def find_device(connection: Connection, tenant_id: UUID, dev_eui: str) -> Device | None:
    """One device of the tenant."""
    row = await connection.fetchrow(
        """
        SELECT dev_eui, codec, codec_in_use, profile_name, is_bound, space_id FROM occupancy.downlink_devices
        WHERE tenant_id = $1 AND dev_eui = $2
        """,
        tenant_id,
        dev_eui,
    )
    return Device(**row) if row is not None else None


async def find_reach(connection: Connection, tenant_id: UUID, dev_eui: str, fresh: timedelta) -> Reach:
    """How the display can be reached, by what the network server told within `fresh`."""
    (row,) = await connection.fetch(
        """
        WITH known AS MATERIALIZED (
            SELECT gateway_id, state, last_seen_at FROM downlink.gateways
            WHERE tenant_id = $1 AND synced_at > now() - $3::interval
        )
        SELECT last.gateway_id,
               (SELECT state FROM known WHERE known.gateway_id = last.gateway_id) AS state,
               (SELECT last_seen_at FROM known WHERE known.gateway_id = last.gateway_id) AS last_seen_at,
               (SELECT count(*) FROM known) AS gateways,
               (SELECT count(*) FROM known WHERE state = 'online') AS online
        FROM (SELECT (SELECT gateway_id FROM downlink.displays WHERE tenant_id = $1 AND dev_eui = $2)) last (gateway_id)
        """,
        tenant_id,
        dev_eui,
        fresh,
    )
    return Reach(**row)


async def hold_display(connection: Connection, tenant_id: UUID, device: Device, codec: str) -> None:
    """Hold the display's row, made if there was none yet, until the transaction ends."""
    await connection.execute(
        """
        INSERT INTO downlink.displays (tenant_id, dev_eui, codec, space_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, dev_eui) DO NOTHING
        """,
        tenant_id,
        device.dev_eui,
        codec,
        device.space_id,
    )
    await lock_display(connection, tenant_id, device.dev_eui)


async def count_waiting(connection: Connection, tenant_id: UUID, dev_eui: str) -> int:
    """How many free-form commands wait for the display."""
    count: int = await connection.fetchval(
        """
        SELECT count(*) FROM downlink.downlinks
        WHERE tenant_id = $1 AND dev_eui = $2 AND ended_at IS NULL AND kind = 'custom' AND status = 'queued'
        """,
        tenant_id,
        dev_eui,
    )
    return count


async def smallest_refused(connection: Connection, tenant_id: UUID, dev_eui: str) -> int | None:
    """The fewest bytes that the network server found too many for the display's data rate, within an hour."""
    size: int | None = await connection.fetchval(
        """
        SELECT min(length(payload)) FROM downlink.downlinks
        WHERE tenant_id = $1 AND dev_eui = $2 AND created_at > now() - interval '1 day'
          AND status = 'failed' AND ended_at > now() - interval '1 hour' AND starts_with(last_error, $3)
        """,
        tenant_id,
        dev_eui,
        TOO_LARGE,
    )
    return size


async def queue(
    connection: Connection,
    tenant_id: UUID,
    device: Device,
    request: Request,
    *,
    confirmed: bool,
    ttl: timedelta,
    cause: str,
    requested_by: str,
    request_id: str,
) -> tuple[UUID, datetime]:
    """Put a free-form command behind those that wait, and make the display due; its id, and when it began."""
    (row,) = await connection.fetch(
        """
        WITH queued AS (
            INSERT INTO downlink.downlinks (tenant_id, dev_eui, space_id, kind, f_port, payload, confirmed, command,
                                            cause, requested_by, request_id, next_attempt_at, expires_at)
            VALUES ($1, $2, $3, 'custom', $4, $5, $6, $7, $8, $9, $10, now(), now() + $11::interval)
            RETURNING id, created_at
        ), told AS (
            UPDATE downlink.displays SET due_at = now() WHERE tenant_id = $1 AND dev_eui = $2
        )
        SELECT id, created_at FROM queued
        """,
        tenant_id,
        device.dev_eui,
        device.space_id,
        request.f_port,
        request.payload,
        confirmed,
        request.command,
        cause,
        requested_by,
        request_id,
        ttl,
    )
    return row["id"], row["created_at"]


async def device_of_downlink(connection: Connection, tenant_id: UUID, downlink_id: UUID) -> str | None:
    """Whom a command is for."""
    dev_eui: str | None = await connection.fetchval(
        "SELECT dev_eui FROM downlink.downlinks WHERE tenant_id = $1 AND id = $2", tenant_id, downlink_id
    )
    return dev_eui


async def view_downlink(connection: Connection, tenant_id: UUID, downlink_id: UUID) -> DownlinkView | None:
    """A command as it is answered."""
    row = await connection.fetchrow(
        f"SELECT {DOWNLINK_COLUMNS} FROM downlink.downlinks WHERE tenant_id = $1 AND id = $2",  # noqa: S608
        tenant_id,
        downlink_id,
    )
    return read_view(dict(row)) if row is not None else None


async def is_being_sent(connection: Connection, tenant_id: UUID, downlink_id: UUID) -> bool:
    """Whether it was handed to the network server, or is being handed over at this moment."""
    found: bool = await connection.fetchval(
        "SELECT tried_at IS NOT NULL FROM downlink.downlinks WHERE tenant_id = $1 AND id = $2", tenant_id, downlink_id
    )
    return found


async def cancel(connection: Connection, tenant_id: UUID, downlink_id: UUID) -> datetime:
    """It is sent no more; since when."""
    at: datetime = await connection.fetchval(
        """
        UPDATE downlink.downlinks SET status = 'cancelled', ended_at = now(), next_attempt_at = NULL
        WHERE tenant_id = $1 AND id = $2 RETURNING ended_at
        """,
        tenant_id,
        downlink_id,
    )
    return at


async def forget_shown(connection: Connection, tenant_id: UUID, dev_eui: str) -> None:
    """Nobody knows what the display shows: what it should show is due again."""
    await connection.execute(
        """
        UPDATE downlink.displays SET sent_version = 0, shown_payload = NULL, is_right = NULL, due_at = now()
        WHERE tenant_id = $1 AND dev_eui = $2 AND desired IS NOT NULL
        """,
        tenant_id,
        dev_eui,
    )


async def view_display(connection: Connection, tenant_id: UUID, dev_eui: str) -> DisplayView | None:
    """A display as it is answered."""
    row = await connection.fetchrow(
        f"SELECT {_DISPLAY} FROM downlink.display_directory WHERE tenant_id = $1 AND dev_eui = $2",  # noqa: S608
        tenant_id,
        dev_eui,
    )
    return DisplayView(**row) if row is not None else None
