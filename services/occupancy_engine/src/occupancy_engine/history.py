"""Mending history: the stays around late or re-decoded readings are folded again from what is stored."""

from __future__ import annotations

from collections.abc import Sequence

from occupancy_engine import metrics
from occupancy_engine.domain.stays import repair
from occupancy_engine.store import readings as reading_rows
from occupancy_engine.store.readings import Stretch
from occupancy_engine.store.stale_rollups import Stale, leave_stale
from parking_chassis.postgres import Connection


async def repair_stays(connection: Connection, stretches: Sequence[Stretch]) -> int:
    """Fold the stays of each stretch again; answers how many changed. The readings are stored already."""
    if not stretches:
        return 0
    around = await reading_rows.readings_around(connection, stretches)
    told = [(stretch, readings) for stretch, readings in zip(stretches, around, strict=True) if readings]
    if not told:
        return 0
    stored = await reading_rows.stays_around(
        connection, [stretch for stretch, _ in told], [readings for _, readings in told]
    )
    changed = 0
    stale: list[Stale] = []
    for (stretch, readings), stays in zip(told, stored, strict=True):
        mended = repair(readings, stays)
        changed += len(mended.removed) + len(mended.written)
        await reading_rows.write_repair(connection, stretch.device, mended)
        if (extent := mended.extent(stays)) is not None and stretch.device.space_id is not None:
            stale.append((stretch.device.tenant_id, stretch.device.space_id, *extent))
    await leave_stale(connection, stale)
    metrics.STAYS_REPAIRED.inc(changed)
    return changed
