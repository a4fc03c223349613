"""What is known of devices on spaces, as the judgement wants it, and what the engine remembers between two looks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from occupancy_engine.domain.health import FLAP_HALF_LIFE_SECONDS
from occupancy_engine.domain.measures import BatteryTrend, ErrorRun, Radio, Slope
from occupancy_engine.store.columns import columns
from occupancy_engine.store.devices import DeviceKey
from occupancy_engine.store.watermarks import OF_DEVICE
from parking_chassis.postgres import Connection

NOBODY: DeviceKey = (UUID(int=0), "")
"""Before the first device."""


class Measured(msgspec.Struct, frozen=True):
    """What the readings of a device come to: lines through its battery over a month, and the radio of the last day."""

    key: DeviceKey
    battery_percent: float | None
    battery_volts: float | None
    percent: Slope
    volts: Slope
    radio: Radio


async def devices_on_spaces(connection: Connection, after: DeviceKey, limit: int) -> Sequence[asyncpg.Record]:
    """The next devices that are the sensor of a live space, in the order of their keys."""
    return await connection.fetch(
        """
        SELECT d.tenant_id, d.dev_eui, d.space_id, d.profile_name, d.codec_in_use, d.silent, d.occupied,
            d.last_seen_at, greatest(d.occupied_since, d.assigned_at) AS unchanged_since,
            coalesce(d.flap_score * power(0.5, greatest(extract(epoch FROM now() - d.flap_at), 0) / $4), 0)::float8
                AS flap_score,
            d.battery_percent, d.battery_volts, coalesce(d.external_power, false) AS external_power,
            d.decoder_errors, d.network_errors, d.last_error,
            coalesce(c.decoder_errors_seen, 0) AS decoder_errors_seen,
            coalesce(c.decoder_errors_run, 0) AS decoder_errors_run, c.decoder_errors_at,
            coalesce(c.network_errors_seen, 0) AS network_errors_seen,
            coalesce(c.network_errors_run, 0) AS network_errors_run, c.network_errors_at,
            c.battery_unit, c.battery_per_day, c.battery_days_left, c.snr_median, c.rssi_median,
            coalesce(c.frames_heard, 0) AS frames_heard, coalesce(c.frames_missed, 0) AS frames_missed
        FROM (
            SELECT * FROM occupancy.devices
            WHERE space_id IS NOT NULL AND (tenant_id, dev_eui) > ($1, $2)
            ORDER BY tenant_id, dev_eui LIMIT $3
        ) d
        LEFT JOIN LATERAL (
            SELECT * FROM occupancy.device_conditions
            WHERE tenant_id = d.tenant_id AND dev_eui = d.dev_eui LIMIT 1
        ) c ON true
        ORDER BY d.tenant_id, d.dev_eui
        """,
        *after,
        limit,
        FLAP_HALF_LIFE_SECONDS,
    )


def read_run(row: asyncpg.Record, which: str) -> ErrorRun:
    """One of a device's error counters (`decoder` or `network`) as last seen."""
    return ErrorRun(row[f"{which}_errors_seen"], row[f"{which}_errors_run"], row[f"{which}_errors_at"])


def read_trend(row: asyncpg.Record) -> BatteryTrend | None:
    """The battery's trend as last measured."""
    if row["battery_unit"] is None:
        return None
    return BatteryTrend(row["battery_unit"], row["battery_per_day"], row["battery_days_left"])


async def write_runs(connection: Connection, runs: Sequence[tuple[DeviceKey, ErrorRun, ErrorRun]]) -> None:
    """Remember (device, decoder, network) errors as seen now. A device that is gone by now is let go."""
    if not runs:
        return
    rows = [(*key, *_run(decoder), *_run(network)) for key, decoder, network in runs]
    await connection.execute(
        """
        INSERT INTO occupancy.device_conditions AS c (tenant_id, dev_eui, decoder_errors_seen, decoder_errors_run,
            decoder_errors_at, network_errors_seen, network_errors_run, network_errors_at)
        SELECT new.* FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::timestamptz[],
                                 $6::int[], $7::int[], $8::timestamptz[])
            AS new (tenant_id, dev_eui, decoder_seen, decoder_run, decoder_at, network_seen, network_run, network_at)
        JOIN occupancy.devices d USING (tenant_id, dev_eui)
        ON CONFLICT (tenant_id, dev_eui) DO UPDATE SET
            decoder_errors_seen = excluded.decoder_errors_seen, decoder_errors_run = excluded.decoder_errors_run,
            decoder_errors_at = excluded.decoder_errors_at, network_errors_seen = excluded.network_errors_seen,
            network_errors_run = excluded.network_errors_run, network_errors_at = excluded.network_errors_at
        """,
        *columns(rows, 8),
    )


def _run(errors: ErrorRun) -> tuple[int, int, datetime | None]:
    return (errors.seen, errors.run, errors.at)


_MEASURE = f"""
    WITH stale AS MATERIALIZED (
        SELECT d.tenant_id, d.dev_eui, d.battery_percent, d.battery_volts,
            greatest(now() - interval '1 day', w.resumed_at) AS heard_since
        FROM occupancy.devices d LEFT JOIN occupancy.device_conditions c USING (tenant_id, dev_eui) {OF_DEVICE}
        WHERE d.last_seen_at IS NOT NULL AND (c.measured_at IS NULL OR (
            c.measured_at < now() - make_interval(secs => $1) AND d.last_seen_at > c.measured_at))
        ORDER BY c.measured_at NULLS FIRST LIMIT $2
    )
    SELECT s.*, battery.*, radio.*, least(coalesce(gaps.frames_missed, 0), 2147483647)::int AS frames_missed
    FROM stale s
    CROSS JOIN LATERAL (
        SELECT regr_count(percent, day) AS percent_readings, regr_slope(percent, day) AS percent_per_day,
            max(day) FILTER (WHERE percent IS NOT NULL) - min(day) FILTER (WHERE percent IS NOT NULL)
                AS percent_days,
            regr_count(volts, day) AS volts_readings, regr_slope(volts, day) AS volts_per_day,
            max(day) FILTER (WHERE volts IS NOT NULL) - min(day) FILTER (WHERE volts IS NOT NULL) AS volts_days
        FROM (
            SELECT r.battery_percent AS percent, r.battery_volts AS volts,
                (extract(epoch FROM r.received_at) / 86400)::float8 AS day
            FROM occupancy.sensor_readings r
            WHERE r.tenant_id = s.tenant_id AND r.dev_eui = s.dev_eui AND r.received_at > now() - $3::interval
        ) month
    ) battery
    CROSS JOIN LATERAL (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY best.snr) AS snr_median,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY best.rssi) AS rssi_median, count(*)::int AS frames_heard
        FROM occupancy.sensor_readings r
        CROSS JOIN LATERAL (
            SELECT max(snr) AS snr, max(rssi) AS rssi
            FROM jsonb_to_recordset(r.receptions) AS one (snr float8, rssi float8)
        ) best
        WHERE r.tenant_id = s.tenant_id AND r.dev_eui = s.dev_eui AND r.received_at > s.heard_since
    ) radio
    CROSS JOIN LATERAL (
        SELECT sum(sent - heard) AS frames_missed FROM (
            SELECT max(r.f_cnt) - min(r.f_cnt) + 1 AS sent, count(*) AS heard
            FROM occupancy.sensor_readings r
            WHERE r.tenant_id = s.tenant_id AND r.dev_eui = s.dev_eui AND r.received_at > s.heard_since
            GROUP BY r.session_at
        ) sessions
    ) gaps
"""  # noqa: S608  the join is a constant


async def measure_stale(connection: Connection, *, older_seconds: float, limit: int) -> list[Measured]:
    """Measure the devices that were heard since they were last measured, the longest ago first.

    A few at a time: a month of readings is read per device. What was sent while nobody listened is not a frame lost on
    the air: radio is measured since its source was last back from an outage.
    """
    rows = await connection.fetch(_MEASURE, older_seconds, limit, timedelta(days=30))
    return [_measured(row) for row in rows]


def _measured(row: asyncpg.Record) -> Measured:
    return Measured(
        (row["tenant_id"], row["dev_eui"]),
        row["battery_percent"],
        row["battery_volts"],
        Slope(row["percent_readings"], row["percent_days"] or 0.0, row["percent_per_day"]),
        Slope(row["volts_readings"], row["volts_days"] or 0.0, row["volts_per_day"]),
        Radio(row["snr_median"], row["rssi_median"], row["frames_heard"], row["frames_missed"]),
    )


async def write_measures(
    connection: Connection, measures: Sequence[tuple[DeviceKey, BatteryTrend | None, Radio]]
) -> None:
    """Remember what was measured just now."""
    if not measures:
        return
    await connection.execute(
        """
        INSERT INTO occupancy.device_conditions AS c (tenant_id, dev_eui, battery_unit, battery_per_day,
            battery_days_left, snr_median, rssi_median, frames_heard, frames_missed, measured_at)
        SELECT new.*, now() FROM unnest($1::uuid[], $2::text[], $3::text[], $4::real[], $5::real[], $6::real[],
                                        $7::real[], $8::int[], $9::int[])
            AS new (tenant_id, dev_eui, battery_unit, per_day, days_left, snr, rssi, heard, missed)
        JOIN occupancy.devices d USING (tenant_id, dev_eui)
        ON CONFLICT (tenant_id, dev_eui) DO UPDATE SET
            battery_unit = excluded.battery_unit, battery_per_day = excluded.battery_per_day,
            battery_days_left = excluded.battery_days_left, snr_median = excluded.snr_median,
            rssi_median = excluded.rssi_median, frames_heard = excluded.frames_heard,
            frames_missed = excluded.frames_missed, measured_at = excluded.measured_at
        """,
        *columns([(*key, *_trend(trend), *_radio(radio)) for key, trend, radio in measures], 9),
    )


def _trend(trend: BatteryTrend | None) -> tuple[Any, ...]:
    return (trend.unit, trend.per_day, trend.days_left) if trend else (None, None, None)


def _radio(radio: Radio) -> tuple[Any, ...]:
    return (radio.snr_median, radio.rssi_median, radio.heard, radio.missed)
