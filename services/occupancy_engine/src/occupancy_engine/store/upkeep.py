"""Retention: partitions ahead of time, and what has been kept long enough taken away."""

from __future__ import annotations

from datetime import timedelta

from occupancy_engine.settings import RetentionSettings
from parking_chassis.postgres import Connection


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

    Outside a transaction each table is by itself: one whose deletion takes too long does not undo the others'.
    """
    for statement, days in (
        (
            "DELETE FROM occupancy.sensor_readings_other WHERE received_at < now() - $1::interval",
            retention.keep_readings_days,
        ),
        (
            "DELETE FROM occupancy.state_changes_other WHERE changed_at < now() - $1::interval",
            retention.keep_changes_days,
        ),
        (
            # One that still runs is what its space shows, however long ago it began.
            "DELETE FROM occupancy.stays WHERE received_at < now() - $1::interval AND departed_at IS NOT NULL",
            retention.keep_changes_days,
        ),
        ("DELETE FROM occupancy.alerts WHERE closed_at < now() - $1::interval", retention.keep_changes_days),
        ("DELETE FROM occupancy.zone_days WHERE updated_at < now() - $1::interval", retention.keep_changes_days),
        ("DELETE FROM occupancy.space_days WHERE updated_at < now() - $1::interval", retention.keep_changes_days),
        ("DELETE FROM occupancy.orphan_frames WHERE received_at < now() - $1::interval", retention.keep_orphans_days),
        ("DELETE FROM occupancy.inbox WHERE answered_at < now() - $1::interval", retention.keep_answers_days),
    ):
        await connection.execute(statement, timedelta(days=days))
