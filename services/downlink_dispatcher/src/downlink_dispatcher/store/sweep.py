"""What the sweep looks for, a page at a time; and what has been kept long enough."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from downlink_dispatcher.domain.display import DisplayKey
from downlink_dispatcher.store.feedback import COMMAND_COLUMNS, CommandRow, read_command
from parking_chassis.postgres import Connection
from parking_chassis.retention import forget_old

NOBODY: DisplayKey = (UUID(int=0), "")
"""Before the first display."""


async def displays_after(connection: Connection, after: DisplayKey, limit: int) -> list[DisplayKey]:
    """The next displays in the order of their keys: with a row, on a space, or counting."""
    rows = await connection.fetch(
        """
        SELECT tenant_id, dev_eui FROM (
            (SELECT tenant_id, dev_eui FROM downlink.displays
             WHERE (tenant_id, dev_eui) > ($1, $2) ORDER BY tenant_id, dev_eui LIMIT $3)
            UNION
            (SELECT tenant_id, display_eui FROM occupancy.space_directory
             WHERE display_eui IS NOT NULL AND deleted_at IS NULL AND (tenant_id, display_eui) > ($1, $2)
             ORDER BY tenant_id, display_eui LIMIT $3)
            UNION
            (SELECT tenant_id, dev_eui FROM downlink.zone_counters
             WHERE (tenant_id, dev_eui) > ($1, $2) ORDER BY tenant_id, dev_eui LIMIT $3)
        ) AS every ORDER BY tenant_id, dev_eui LIMIT $3
        """,
        *after,
        limit,
    )
    return [(row["tenant_id"], row["dev_eui"]) for row in rows]


async def overdue_commands(connection: Connection, limit: int) -> list[CommandRow]:
    """Open commands whose time to live is over, the longest ago first. Their displays are not held yet."""
    rows = await connection.fetch(
        f"""
        SELECT {COMMAND_COLUMNS} FROM downlink.downlinks
        WHERE ended_at IS NULL AND expires_at <= now() ORDER BY expires_at LIMIT $1
        """,  # noqa: S608  the columns are constants
        limit,
    )
    return [read_command(row) for row in rows]


async def still_open(connection: Connection, commands: list[CommandRow]) -> list[CommandRow]:
    """These commands as they are now that their displays are held; without those that have ended."""
    rows = await connection.fetch(
        f"SELECT {COMMAND_COLUMNS} FROM downlink.downlinks WHERE id = ANY($1::uuid[]) AND ended_at IS NULL",  # noqa: S608
        [command.id for command in commands],
    )
    return [read_command(row) for row in rows]


async def displays_not_on_air(connection: Connection, seconds: float, limit: int) -> list[DisplayKey]:
    """Class C displays whose state the network server has had for `seconds` and no LoRaWAN gateway has sent.

    Each time that did not help doubles the patience, so that a gateway that is away is not besieged.
    """
    rows = await connection.fetch(
        """
        SELECT DISTINCT c.tenant_id, c.dev_eui FROM downlink.downlinks c
        JOIN LATERAL (
            SELECT shown_payload FROM downlink.displays d
            WHERE d.tenant_id = c.tenant_id AND d.dev_eui = c.dev_eui AND d.desired IS NOT NULL AND d.claim IS NULL
              AND d.sent_version = d.desired_version LIMIT 1
        ) d ON d.shown_payload = c.payload
        WHERE c.ended_at IS NULL AND c.status = 'sent' AND c.kind <> 'custom'
          AND c.sent_at < now() - make_interval(secs => $1) * power(2, least(6, (
              SELECT count(*) FROM downlink.downlinks earlier
              WHERE earlier.tenant_id = c.tenant_id AND earlier.dev_eui = c.dev_eui AND earlier.version = c.version
                AND earlier.kind <> 'custom' AND earlier.id < c.id AND earlier.created_at > now() - interval '1 day')))
          AND EXISTS (SELECT FROM downlink.network_devices n WHERE n.dev_eui = c.dev_eui AND n.device_class = 'C')
        ORDER BY c.tenant_id, c.dev_eui LIMIT $2
        """,
        seconds,
        limit,
    )
    return [(row["tenant_id"], row["dev_eui"]) for row in rows]


async def wake_forgotten(connection: Connection, silent_for: timedelta) -> int:
    """Make displays due that should show something else than they were sent, and that nothing makes due.

    One that a command did not reach, and that has not been heard since, waits until it is heard, or for `silent_for`.
    """
    status = await connection.execute(
        """
        UPDATE downlink.displays SET due_at = now() WHERE (tenant_id, dev_eui) IN (
            SELECT tenant_id, dev_eui FROM downlink.displays d
            WHERE d.due_at IS NULL AND d.claim IS NULL AND d.desired IS NOT NULL AND d.sent_version < d.desired_version
              AND NOT EXISTS (
                  SELECT FROM (
                      SELECT status, sent_at, ended_at FROM downlink.downlinks c
                      WHERE c.tenant_id = d.tenant_id AND c.dev_eui = d.dev_eui AND c.kind <> 'custom'
                      ORDER BY c.created_at DESC, c.id DESC LIMIT 1
                  ) last
                  WHERE last.status = 'expired' AND coalesce(d.heard_at < last.sent_at, d.heard_at IS NULL)
                    AND last.ended_at > now() - $1::interval)
            ORDER BY tenant_id, dev_eui FOR NO KEY UPDATE SKIP LOCKED)
        """,
        silent_for,
    )
    return int(status.rpartition(" ")[2])


async def displays_at_rest(connection: Connection, given_up_for: timedelta, limit: int) -> list[DisplayKey]:
    """Displays without anything to show that still have an alert: of being stuck, or of a command long given up on."""
    rows = await connection.fetch(
        """
        SELECT tenant_id, dev_eui FROM downlink.displays
        WHERE desired IS NULL AND (alerted_at IS NOT NULL OR failed_at < now() - $1::interval)
        ORDER BY tenant_id, dev_eui LIMIT $2
        """,
        given_up_for,
        limit,
    )
    return [(row["tenant_id"], row["dev_eui"]) for row in rows]


async def prune_commands(connection: Connection, keep: timedelta, limit: int) -> int:
    """Delete the oldest ended commands, with their histories; how many."""
    pruned: int = await connection.fetchval(
        """
        WITH gone AS (
            DELETE FROM downlink.downlinks c USING (
                SELECT tenant_id, id FROM downlink.downlinks
                WHERE created_at < now() - $1::interval AND ended_at IS NOT NULL LIMIT $2
            ) old
            WHERE c.tenant_id = old.tenant_id AND c.id = old.id
            RETURNING c.tenant_id, c.id
        ), steps AS (
            DELETE FROM downlink.downlink_steps s USING gone
            WHERE s.tenant_id = gone.tenant_id AND s.downlink_id = gone.id
        )
        SELECT count(*) FROM gone
        """,
        keep,
        limit,
    )
    return pruned


async def prune_answers(connection: Connection, keep: timedelta) -> None:
    """Delete answers that nobody will ask for again, and buckets that have long been full: none is as good."""
    await forget_old(connection, "downlink.inbox", "answered_at < now() - $1::interval", keep)
    await forget_old(connection, "downlink.token_buckets", "filled_at < now() - interval '1 day'")
