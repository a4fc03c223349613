"""The state of the whole city for /metrics, counted by a clock in every engine: the figures of two engines agree.

In: rows. Out: gauges. A kind of which there is none says 0 where an alert rule needs to see it go away.
"""

from __future__ import annotations

from occupancy_engine import metrics
from occupancy_engine.store import measures
from parking_chassis.postgres import Pool
from parking_contracts.space import SpaceState

HEARING = ("heard", "silent", "never_heard")


class CityMeasures:
    """The clock's work."""

    SECONDS = 30.0

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def measure_city(self) -> None:
        """One round: a pass over the spaces, and four statements that cost little however much is stored."""
        async with self._pool.acquire() as connection:
            spaces = await measures.count_spaces(connection)
            alerts = await measures.count_open_alerts(connection)
            orphan_devices, orphan_frames = await measures.count_orphans(connection)
            until = await measures.partitions_until(connection)
            ages = await measures.watermark_ages(connection)
        for state in SpaceState:
            metrics.SPACES.labels(state).set(spaces.by_state[state])
        for hearing in HEARING:
            metrics.DEVICES.labels(hearing).set(spaces.by_hearing[hearing])
        metrics.ALERTS_OPEN.clear()
        for kind, count in alerts.items():
            metrics.ALERTS_OPEN.labels(kind).set(count)
        metrics.ORPHAN_DEVICES.set(orphan_devices)
        metrics.ORPHAN_FRAMES.set(orphan_frames)
        for table, end in until.items():
            metrics.PARTITIONS_UNTIL.labels(table).set(end.timestamp())
        metrics.WATERMARK_AGE_SECONDS.clear()
        for source, seconds in ages.items():
            metrics.WATERMARK_AGE_SECONDS.labels(source).set(max(0.0, seconds))
