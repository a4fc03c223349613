"""What comes back, at the rows it is about: displays held and their commands read, and both written.

A display's row is locked before its commands, and several in the order of their keys, as everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from downlink_dispatcher.domain.display import Display, DisplayKey
from downlink_dispatcher.domain.outcomes import Standing
from downlink_dispatcher.domain.told import Application
from downlink_dispatcher.store.columns import columns
from parking_chassis.postgres import Connection
from parking_contracts.downlink import DownlinkKind, DownlinkStatus


class CommandRow(msgspec.Struct, kw_only=True):
    """A command as far as feedback changes it; its display's row is held."""

    tenant_id: UUID
    id: UUID
    dev_eui: str
    space_id: UUID | None
    kind: DownlinkKind
    version: int | None
    f_port: int
    payload: bytes
    confirmed: bool
    status: DownlinkStatus
    last_error: str
    tried_at: datetime | None
    queue_item_id: str | None
    f_cnt_down: int | None
    gateway_id: str | None
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    transmitted_at: datetime | None
    acknowledged_at: datetime | None
    ended_at: datetime | None

    @property
    def key(self) -> DisplayKey:
        """Its display."""
        return (self.tenant_id, self.dev_eui)

    @property
    def is_custom(self) -> bool:
        """Whether it is a client's own; else its display's state or count."""
        return self.kind == "custom"

    @property
    def standing(self) -> Standing:
        """As the rules want it."""
        return Standing(self.status, self.confirmed, self.transmitted_at, self.last_error)

    @property
    def on_air_at(self) -> datetime | None:
        """Since when what it says is known to be on air."""
        return self.transmitted_at or self.acknowledged_at


LAST_FEW = 20
COMMAND_COLUMNS = ", ".join(CommandRow.__struct_fields__)


async def tenants_of(connection: Connection, applications: Collection[Application]) -> dict[Application, UUID]:
    """Whose these applications are; the unbound ones are missing."""
    rows = await connection.fetch(
        """
        SELECT a.source, a.application_id, a.tenant_id FROM occupancy.application_tenants a
        WHERE (a.source, a.application_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
        """,
        *columns(applications),
    )
    return {(row["source"], row["application_id"]): row["tenant_id"] for row in rows}


async def commands_of_items(
    connection: Connection, keys: Sequence[DisplayKey], items: Collection[str]
) -> list[CommandRow]:
    """The commands of these displays that are these items of the network server's queue.

    Of those that have ended, each display's last few are looked at: an index of items would cost every downlink two
    writes to all the others.
    """
    rows = await connection.fetch(
        f"""
        SELECT c.* FROM unnest($1::uuid[], $2::text[]) AS k (tenant_id, dev_eui)
        CROSS JOIN LATERAL (
            SELECT {COMMAND_COLUMNS} FROM downlink.downlinks
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui AND ended_at IS NULL AND queue_item_id = ANY($3)
            UNION ALL
            SELECT {COMMAND_COLUMNS} FROM (
                SELECT {COMMAND_COLUMNS} FROM downlink.downlinks
                WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui
                ORDER BY created_at DESC, id DESC LIMIT {LAST_FEW}
            ) last WHERE ended_at IS NOT NULL AND queue_item_id = ANY($3)
        ) c
        """,  # noqa: S608  constants of this module
        *columns(keys),
        list(items),
    )
    return [read_command(row) for row in rows]


async def commands_unrecorded(connection: Connection, keys: Sequence[DisplayKey]) -> list[CommandRow]:
    """The commands that were about to be handed over when last heard of, at most one of each display."""
    rows = await connection.fetch(
        f"""
        SELECT c.* FROM unnest($1::uuid[], $2::text[]) AS k (tenant_id, dev_eui)
        CROSS JOIN LATERAL (
            SELECT {COMMAND_COLUMNS} FROM downlink.downlinks
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui AND ended_at IS NULL AND status = 'queued'
              AND tried_at IS NOT NULL AND queue_item_id IS NULL
            ORDER BY tried_at DESC LIMIT 1
        ) c
        """,  # noqa: S608  the columns are constants
        *columns(keys),
    )
    return [read_command(row) for row in rows]


async def states_sent(connection: Connection, keys: Sequence[DisplayKey]) -> list[CommandRow]:
    """The state, or count, that was sent to each of these displays last, and not taken back."""
    rows = await connection.fetch(
        f"""
        SELECT c.* FROM unnest($1::uuid[], $2::text[]) AS k (tenant_id, dev_eui)
        CROSS JOIN LATERAL (
            SELECT {COMMAND_COLUMNS} FROM downlink.downlinks
            WHERE tenant_id = k.tenant_id AND dev_eui = k.dev_eui AND kind <> 'custom'
              AND status IN ('sent', 'transmitted', 'acknowledged')
            ORDER BY created_at DESC, id DESC LIMIT 1
        ) c
        """,  # noqa: S608
        *columns(keys),
    )
    return [read_command(row) for row in rows]


def read_command(row: asyncpg.Record) -> CommandRow:
    """A row of COMMAND_COLUMNS."""
    return CommandRow(**{**row, "status": DownlinkStatus(row["status"])})


# What feedback changes of a row; the key comes first.
_COMMAND = {
    "status": "text",
    "last_error": "text",
    "queue_item_id": "text",
    "f_cnt_down": "bigint",
    "gateway_id": "text",
    "sent_at": "timestamptz",
    "transmitted_at": "timestamptz",
    "acknowledged_at": "timestamptz",
    "ended_at": "timestamptz",
}
_DISPLAY = {
    "sent_version": "bigint",
    "shown_payload": "bytea",
    "sent_at": "timestamptz",
    "due_at": "timestamptz",
    "claim": "uuid",
    "claimed_until": "timestamptz",
    "failed_at": "timestamptz",
    "heard_at": "timestamptz",
    "gateway_id": "text",
    "session_at": "timestamptz",
    "f_cnt": "bigint",
    "reported": "jsonb",
    "reported_at": "timestamptz",
    "is_right": "boolean",
    "joined_at": "timestamptz",
    "mended": "integer",
    "mended_at": "timestamptz",
    "alerted_at": "timestamptz",
}


async def write_commands(connection: Connection, commands: Sequence[CommandRow]) -> None:
    """What became of commands whose displays are held."""
    if commands:
        rows = [(one.tenant_id, one.id, *(getattr(one, name) for name in _COMMAND)) for one in commands]
        await connection.execute(_update("downlinks", "id", "uuid", _COMMAND), *map(list, zip(*rows, strict=True)))


async def write_displays(connection: Connection, displays: Sequence[Display]) -> None:
    """What became of displays that are held."""
    if displays:
        rows = [(one.tenant_id, one.dev_eui, *(getattr(one, name) for name in _DISPLAY)) for one in displays]
        await connection.execute(_update("displays", "dev_eui", "text", _DISPLAY), *map(list, zip(*rows, strict=True)))


def _update(table: str, key: str, key_type: str, written: Mapping[str, str]) -> str:
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(written.values(), 3))
    return f"""
        UPDATE downlink.{table} d SET {", ".join(f"{name} = t.{name}" for name in written)}
        FROM unnest($1::uuid[], $2::{key_type}[], {arrays}) AS t (tenant_id, {key}, {", ".join(written)})
        WHERE d.tenant_id = t.tenant_id AND d.{key} = t.{key}
    """  # noqa: S608  constants of this module
