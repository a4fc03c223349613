"""Retention: partitions ahead of time, and what has been kept long enough taken away."""

from __future__ import annotations

from datetime import timedelta

from occupancy_engine.settings import RetentionSettings
from parking_chassis.postgres import Connection
from parking_chassis.retention import forget_old


async def keep_partitions(connection: Connection, retention: RetentionSettings) -> None:
    """Make the partitions of the coming days and months; drop those past their retention."""
    for parent, unit, ahead, keep_days in (
        ("sensor_readings", "day", 3, retention.keep_readings_days),
        ("state_changes", "month", 2, retention.keep_changes_days),
    ):
        await connection.execute(
            "SELECT occupancy.keep_partitions($1, $2, $3, $4)", parent, unit, ahead, timedelta(days=keep_days)
        )


async def prune(connection: Connection, retention: RetentionSettings) -> None:
    """Delete stays, figures, closed alerts, orphans and answered commands past their retention.

    Outside a transaction each portion of each table is by itself: what takes too long undoes nothing else.
    """
    for table, is_old, days in (
        ("occupancy.sensor_readings_other", "received_at < now() - $1::interval", retention.keep_readings_days),
        ("occupancy.state_changes_other", "changed_at < now() - $1::interval", retention.keep_changes_days),
        (
            # One that still runs is what its space shows, however long ago it began.
            "occupancy.stays",
            "received_at < now() - $1::interval AND departed_at IS NOT NULL",
            retention.keep_changes_days,
        ),
        ("occupancy.alerts", "closed_at < now() - $1::interval", retention.keep_changes_days),
        ("occupancy.zone_days", "updated_at < now() - $1::interval", retention.keep_changes_days),
        ("occupancy.space_days", "updated_at < now() - $1::interval", retention.keep_changes_days),
        ("occupancy.orphan_frames", "received_at < now() - $1::interval", retention.keep_orphans_days),
        ("occupancy.inbox", "answered_at < now() - $1::interval", retention.keep_answers_days),
    ):
        await forget_old(connection, table, is_old, timedelta(days=days))
