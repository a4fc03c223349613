"""The rows of displays: locked, read, and the sender woken for them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from downlink_dispatcher.domain.display import Display, DisplayKey
from downlink_dispatcher.store.columns import columns
from parking_chassis.postgres import Connection

CHANNEL = "downlink_due"
DISPLAY_COLUMNS = ", ".join(Display.__struct_fields__)


async def wake(connection: Connection) -> None:
    """Let the senders look for what is due, when this transaction commits."""
    await connection.execute(f"SELECT pg_notify('{CHANNEL}', '')")


async def ask(connection: Connection) -> None:
    """Find out whether a connection that only listens is still there; nothing else would notice."""
    await connection.execute("SELECT 1")


async def lock_display(connection: Connection, tenant_id: UUID, dev_eui: str) -> Display | None:
    """Hold a display's row until the transaction ends; before any of its downlinks."""
    row = await connection.fetchrow(
        f"""
        SELECT {DISPLAY_COLUMNS} FROM downlink.displays WHERE tenant_id = $1 AND dev_eui = $2 FOR NO KEY UPDATE
        """,  # noqa: S608  the columns are constants
        tenant_id,
        dev_eui,
    )
    return Display(**row) if row is not None else None


async def lock_displays(connection: Connection, keys: Iterable[DisplayKey]) -> list[Display]:
    """Hold the rows of several displays, those that exist, in the order that everybody keeps to."""
    wanted = sorted(set(keys))
    rows = await connection.fetch(
        f"""
        SELECT {DISPLAY_COLUMNS} FROM downlink.displays
        WHERE (tenant_id, dev_eui) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
        ORDER BY tenant_id, dev_eui
        FOR NO KEY UPDATE
        """,  # noqa: S608  the columns are constants
        *columns(wanted),
    )
    return [Display(**row) for row in rows]
