"""What happens by time alone: silence, held-back changes, overrides and reservations that run out, and upkeep.

Every engine runs these clocks; each looks again under the row's lock, so replicas do no harm to each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from occupancy_engine import SCHEMA, SERVICE, metrics
from occupancy_engine.alerts import AlertClock
from occupancy_engine.city_measures import CityMeasures
from occupancy_engine.decoders import Decoders
from occupancy_engine.domain.health import is_silent
from occupancy_engine.domain.hearing import Device, confirm
from occupancy_engine.domain.showing import Cause, show
from occupancy_engine.orphans import take_in_stranded
from occupancy_engine.rollups import Rollups
from occupancy_engine.sensing import Sensed, sensor_layer, show_sensed
from occupancy_engine.settings import EngineSettings, RetentionSettings
from occupancy_engine.store import devices as device_rows
from occupancy_engine.store import spaces as space_rows
from occupancy_engine.store import upkeep
from occupancy_engine.store import watermarks as watermark_rows
from occupancy_engine.store.watermarks import Due
from occupancy_engine.watermarks import Watermarks
from parking_chassis.bus_measures import MEASURE_SECONDS, BusMeasures
from parking_chassis.clock import every
from parking_chassis.outbox import OutboxRelay
from parking_chassis.outbox_measures import OutboxMeasures
from parking_chassis.postgres import Connection, Pool
from parking_contracts.streams import MEASURED_BY

if TYPE_CHECKING:
    from nats.aio.client import Client

log = structlog.get_logger()

AT_ONCE = 500
# Of one engine's time: what goes through every space or device must not cost the uplinks of a large city more.
SWEEP_SHARE = 0.02
ROLLUP_SHARE = 0.05


class Clocks:
    """The engine's clocks."""

    def __init__(self, pool: Pool, watermarks: Watermarks, decoders: Decoders, retention: RetentionSettings) -> None:
        self._pool = pool
        self._decoders = decoders
        self._watermarks = watermarks
        self._retention = retention

    def ticking(
        self, settings: EngineSettings, stop: asyncio.Event, nats: Client, relay: OutboxRelay
    ) -> list[Coroutine[Any, Any, None]]:
        """Every clock, to be run until the service stops."""
        rollups = Rollups(self._pool, refresh_seconds=settings.rollup_refresh_seconds)
        alerts = AlertClock(self._pool, self._decoders, settings)
        return [
            # Never more seldom: a gap between two ticks that were seen is an outage.
            every(settings.silence_sweep_seconds, stop, self._watermarks.advance, name="advance_watermarks"),
            every(settings.silence_sweep_seconds, stop, self.judge_silence, share=SWEEP_SHARE),
            every(settings.overdue_sweep_seconds, stop, self.end_overdue),
            every(settings.orphan_sweep_seconds, stop, self.take_in_stranded),
            every(settings.upkeep_seconds, stop, self.keep_house),
            every(settings.alert_sweep_seconds, stop, alerts.look_for_alerts),
            every(settings.rollup_refresh_seconds, stop, rollups.keep_up, share=ROLLUP_SHARE),
            every(MEASURE_SECONDS, stop, BusMeasures(nats, MEASURED_BY[SERVICE]).measure_bus),
            every(MEASURE_SECONDS, stop, OutboxMeasures(self._pool, relay, schema=SCHEMA).measure_outbox),
            every(CityMeasures.SECONDS, stop, CityMeasures(self._pool).measure_city, share=SWEEP_SHARE),
        ]

    async def judge_silence(self) -> int:
        """Look at every device that is overdue by the watermarks; answers how many changed."""
        changed = 0
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                due = await watermark_rows.devices_due(connection, AT_ONCE)
                settled = await _settle_due(connection, due)
            changed += settled
            if len(due) < AT_ONCE or settled == 0:
                return changed

    async def end_overdue(self) -> None:
        """Take off overrides and reservations whose time is over."""
        async with self._pool.acquire() as connection, connection.transaction():
            keys = await space_rows.spaces_overdue(connection, datetime.now(UTC), AT_ONCE)
            spaces = await space_rows.lock_spaces(connection, keys)
            now = datetime.now(UTC)  # under the locks: moments must follow each other as versions do
            changes = []
            for space in spaces.values():
                layers = space.layers
                if layers.override and layers.override.until and layers.override.until <= now:
                    layers = msgspec.structs.replace(layers, override=None)
                if layers.reserved and layers.reserved.until and layers.reserved.until <= now:
                    layers = msgspec.structs.replace(layers, reserved=None)
                cause = Cause(source="clock", cause="clock:until", occurred_at=now, changed_at=now)
                if change := show(space, layers, cause):
                    changes.append(change)
            await space_rows.write_shown(connection, list(spaces.values()), changes)

    async def take_in_stranded(self) -> None:
        """Take in the frames that wait for nothing any more."""
        await take_in_stranded(self._pool, self._decoders)

    async def keep_house(self) -> None:
        """Make the coming partitions, and drop what has been kept long enough."""
        async with self._pool.acquire() as connection:
            # A transaction of its own: to drop a partition locks its table, and uplinks must not wait for the pruning.
            async with connection.transaction():
                await upkeep.keep_partitions(connection, self._retention)
            await upkeep.prune(connection, self._retention)


async def _settle_due(connection: Connection, due: list[Due]) -> int:
    devices = await device_rows.lock_devices(connection, [one.key for one in due])
    now = datetime.now(UTC)
    sensed, changed = [], []
    for one in due:
        device = devices.get(one.key)
        what = device and _settle(device, one)
        if device is None or what is None:
            continue
        changed.append(device)
        if device.space_id is not None:
            occurred = device.occupied_since if what == "confirmed" else None
            layer = sensor_layer(device)
            sensed.append(Sensed(device.tenant_id, device.space_id, layer, "clock", f"clock:{what}", occurred or now))
    await device_rows.write_devices(connection, changed)
    await show_sensed(connection, sensed)
    return len(changed)


def _settle(device: Device, due: Due) -> str | None:
    """Look again, now that the row is locked: what happened to the device, if anything."""
    if confirm(device, due.heard_until):
        return "confirmed"
    newest = device.newest
    if device.silent or newest is None or device.interval_seconds is None or device.silence_seconds is None:
        return None
    if not is_silent(
        heard_at=newest.received_at,
        interval_seconds=device.interval_seconds,
        silence_seconds=device.silence_seconds,
        heard_until=due.heard_until,
        resumed_at=due.resumed_at,
    ):
        return None
    device.silent = True
    metrics.DEVICES_SILENT.inc()
    log.info("device_silent", tenant=str(device.tenant_id), dev_eui=device.dev_eui)
    return "silent"
