"""What a backup knows of its own moment alone, and must not believe when it is restored: `take_back`, top to bottom.

In: a restored database, inside its owner's transaction. Since the backup the platform has gone on and was lost: its
processes hold nothing any more, displays and people were told things that never happened here, and events had versions
that will come again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from parkstream.backup.store.rows import every_row

if TYPE_CHECKING:
    from datetime import datetime

    from parkstream.backup.queries import Connection

# Most of the air time goes to telling displays anew, and the rest is left for what happens meanwhile.
SECONDS_PER_DISPLAY_OF_GATEWAY = 3.0
SECONDS_PER_DISPLAY_OF_TENANT = 0.9
SUPERSEDED = "restored from a backup: what the display should show is sent anew"


async def take_back(connection: Connection, restore: int) -> None:
    """Take it back. `restore` is the restore's number, above every version that the platform has given.

    The last step: its transaction may have begun hours ago, and what begins anew begins now.
    """
    moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
    await _tell_displays_anew(connection, moment)
    await _send_commands_anew(connection, moment)
    await _release_webhooks(connection)
    await _begin_grace_anew(connection, moment)
    await _pass_versions(connection, restore)


async def _tell_displays_anew(connection: Connection, moment: datetime) -> None:
    """Nobody holds a display or knows what it shows, and each is told, one after the other.

    One for which a free-form command waits has its turn at once: a command's time to live may end.
    """
    async with every_row(connection, "downlink.displays"), every_row(connection, "downlink.downlinks"):
        await connection.execute(
            """
            UPDATE downlink.displays d
            SET claim = NULL, claimed_until = NULL, sent_version = 0, shown_payload = NULL, is_right = NULL,
                due_at = $1::timestamptz + interval '1 second' * CASE WHEN EXISTS (
                    SELECT FROM downlink.downlinks c
                    WHERE c.tenant_id = d.tenant_id AND c.dev_eui = d.dev_eui AND c.ended_at IS NULL
                      AND c.kind = 'custom' AND c.status = 'queued') THEN 0 ELSE o.seconds END
            FROM (
                SELECT tenant_id, dev_eui, greatest(
                    CASE WHEN gateway_id IS NULL THEN 0
                         ELSE $2::float8 * (row_number() OVER (PARTITION BY gateway_id ORDER BY dev_eui) - 1) END,
                    $3::float8 * (row_number() OVER (PARTITION BY tenant_id ORDER BY dev_eui) - 1)) AS seconds
                FROM downlink.displays
            ) o
            WHERE (o.tenant_id, o.dev_eui) = (d.tenant_id, d.dev_eui)
            """,
            moment,
            SECONDS_PER_DISPLAY_OF_GATEWAY,
            SECONDS_PER_DISPLAY_OF_TENANT,
        )


async def _send_commands_anew(connection: Connection, moment: datetime) -> None:
    """A state that was on its way ends, lest a report of something later be taken for one of it.

    A free-form command that waited goes out as if it had never been tried.
    """
    async with every_row(connection, "downlink.downlinks"), every_row(connection, "downlink.downlink_steps"):
        await connection.execute(
            """
            WITH ended AS (
                UPDATE downlink.downlinks SET status = 'superseded', ended_at = $1, next_attempt_at = NULL
                WHERE ended_at IS NULL AND kind <> 'custom' AND status IN ('queued', 'sent')
                RETURNING tenant_id, id
            )
            INSERT INTO downlink.downlink_steps (tenant_id, downlink_id, at, status, detail)
            SELECT tenant_id, id, $1, 'superseded', $2 FROM ended
            """,
            moment,
            SUPERSEDED,
        )
        await connection.execute(
            "UPDATE downlink.downlinks SET tried_at = NULL WHERE ended_at IS NULL AND status = 'queued'"
        )


async def _release_webhooks(connection: Connection) -> None:
    """Deliveries that were under way go out in their old place."""
    async with every_row(connection, "gateway.webhook_deliveries"):
        await connection.execute(
            """
            UPDATE gateway.webhook_deliveries SET leased_until = NULL, next_attempt_at = created_at
            WHERE leased_until IS NOT NULL
            """
        )


async def _begin_grace_anew(connection: Connection, moment: datetime) -> None:
    """Nobody is missed by what a sensor said before the backup: who was waited for then is waited for again."""
    async with every_row(connection, "reservation.reservations"):
        await connection.execute(
            """
            UPDATE reservation.reservations SET cleared_at = $1
            WHERE status = 'active' AND opened_at IS NOT NULL AND checked_in_at IS NULL
              AND (obstructed_at IS NULL OR cleared_at IS NOT NULL)
            """,
            moment,
        )


async def _pass_versions(connection: Connection, restore: int) -> None:
    """The lost platform gave versions that would come again, and who has heard them would drop the new ones."""
    for table in ("occupancy.spaces", "reservation.reservations"):
        async with every_row(connection, table):
            await connection.execute(
                f"UPDATE {table} SET version = greatest(version, $1)",  # noqa: S608  the tables are constants
                restore,
            )
