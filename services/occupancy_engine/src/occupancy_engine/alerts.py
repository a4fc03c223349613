"""The clock of alerts: what is wrong with the devices of spaces is looked at again and again.

A round measures a few devices anew (batteries over a month, radio over a day), closes the alerts of devices that are no
longer where they were, then judges every device on a space, page by page, one transaction each. Engines take turns;
two that look at once do no harm, since one open alert per device and kind is PostgreSQL's own rule.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from occupancy_engine import metrics
from occupancy_engine.decoders import Decoders
from occupancy_engine.domain.alerts import Facts, Thresholds, findings
from occupancy_engine.domain.measures import BatteryTrend, ErrorRun, Radio, battery_trend, follow
from occupancy_engine.settings import AlertSettings
from occupancy_engine.store import alerts as alert_rows
from occupancy_engine.store import conditions as condition_rows
from occupancy_engine.store.alerts import Found
from occupancy_engine.store.conditions import NOBODY, Measured
from occupancy_engine.store.devices import DeviceKey
from parking_chassis.postgres import Connection, Pool

log = structlog.get_logger()

# Judged without a pause: uplinks wait meanwhile.
PAGE = 250
MEASURED_AT_ONCE = 200
# A clock that ticks a little early must not lose its turn.
TURN_SHARE = 0.9


class AlertClock:
    """Opens and closes alerts."""

    def __init__(self, pool: Pool, decoders: Decoders, settings: AlertSettings) -> None:
        self._pool = pool
        self._decoders = decoders
        self._settings = settings

    async def look_for_alerts(self) -> None:
        """One round, unless another engine has the turn."""
        async with self._pool.acquire() as connection:
            if not await alert_rows.take_turn(connection, self._settings.alert_sweep_seconds * TURN_SHARE):
                return
        await self._measure()
        async with self._pool.acquire() as connection, connection.transaction():
            closed = await alert_rows.close_misplaced(connection, datetime.now(UTC))
        _count(0, closed)
        after: DeviceKey | None = NOBODY
        while after is not None:
            began = time.monotonic()
            after = await self._judge_page(after)
            await asyncio.sleep(time.monotonic() - began)  # for uplinks, which waited

    async def _measure(self) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            measured = await condition_rows.measure_stale(
                connection, older_seconds=self._settings.alert_measure_seconds, limit=MEASURED_AT_ONCE
            )
            await condition_rows.write_measures(connection, [(one.key, _trend(one), one.radio) for one in measured])

    async def _judge_page(self, after: DeviceKey) -> DeviceKey | None:
        """Judge the next devices; the last of them, or None when that were all."""
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await condition_rows.devices_on_spaces(connection, after, PAGE)
            await self._judge(connection, rows)
        return _key(rows[-1]) if len(rows) == PAGE else None

    async def _judge(self, connection: Connection, rows: Sequence[asyncpg.Record]) -> None:
        now = datetime.now(UTC)
        already = await alert_rows.open_alerts(connection, [_key(row) for row in rows])
        found: list[Found] = []
        over: list[tuple[UUID, UUID]] = []
        runs: list[tuple[DeviceKey, ErrorRun, ErrorRun]] = []
        for row in rows:
            key = _key(row)
            decoder, network = self._follow(row, "decoder", now), self._follow(row, "network", now)
            if (decoder, network) != (condition_rows.read_run(row, "decoder"), condition_rows.read_run(row, "network")):
                runs.append((key, decoder, network))
            is_open: Mapping[str, UUID] = already.get(key, {})
            facts = self._facts(row, decoder, network)
            should = {one.kind: one for one in findings(facts, self._thresholds(row["profile_name"]), is_open, now)}
            found += [Found(*key, row["space_id"], one) for kind, one in should.items() if kind not in is_open]
            over += [(key[0], alert_id) for kind, alert_id in is_open.items() if kind not in should]
        await condition_rows.write_runs(connection, runs)
        closed = await alert_rows.close_alerts(connection, over, now)
        _count(await alert_rows.open_found(connection, found, now), closed)

    def _follow(self, row: asyncpg.Record, which: str, now: datetime) -> ErrorRun:
        quiet = timedelta(hours=self._settings.alert_errors_quiet_hours)
        return follow(condition_rows.read_run(row, which), row[f"{which}_errors"], now, quiet)

    def _facts(self, row: asyncpg.Record, decoder: ErrorRun, network: ErrorRun) -> Facts:
        sensor = self._decoders.registry.sensors.get(row["codec_in_use"] or "")
        return Facts(
            last_seen_at=row["last_seen_at"],
            silent=row["silent"],
            unchanged_since=row["unchanged_since"],
            occupied=row["occupied"],
            flap_score=row["flap_score"],
            battery_percent=row["battery_percent"],
            battery_volts=row["battery_volts"],
            external_power=row["external_power"],
            trend=condition_rows.read_trend(row),
            radio=Radio(row["snr_median"], row["rssi_median"], row["frames_heard"], row["frames_missed"]),
            decoder=decoder,
            network=network,
            last_error=row["last_error"],
            codec=row["codec_in_use"],
            codec_warning=sensor.warning if sensor else None,
        )

    def _thresholds(self, profile_name: str) -> Thresholds:
        """The settings, as far as the device's profile has no word of its own."""
        settings, profile = self._settings, self._decoders.profile(profile_name)
        return Thresholds(
            stuck_days=_first(profile.stuck_days, settings.alert_stuck_days),
            battery_low_percent=_first(profile.battery_low_percent, settings.alert_battery_low_percent),
            battery_low_volts=_first(profile.battery_low_volts, settings.alert_battery_low_volts),
            battery_days_left=settings.alert_battery_left_days,
            weak_snr_db=settings.alert_weak_snr_db,
            lost_frames_percent=settings.alert_lost_frames_percent,
            decoder_errors=settings.alert_decoder_errors_count,
            network_errors=settings.alert_network_errors_count,
        )


def _first(own: float | None, general: float) -> float:
    return general if own is None else own


def _key(row: asyncpg.Record) -> DeviceKey:
    return (row["tenant_id"], row["dev_eui"])


def _trend(measured: Measured) -> BatteryTrend | None:
    """By per cent where the device tells per cent often enough, else by volts."""
    return battery_trend("percent", measured.battery_percent, measured.percent) or battery_trend(
        "volts", measured.battery_volts, measured.volts
    )


def _count(opened: int, closed: int) -> None:
    metrics.ALERTS.labels("opened").inc(opened)
    metrics.ALERTS.labels("closed").inc(closed)
    if opened or closed:
        log.info("alerts_changed", opened=opened, closed=closed)
