"""One row for each table of the engine."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from isolation.tenant import Tenant
from parking_contracts.uplink import UplinkReceived

NOW = datetime.now(UTC)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)  # before every partition: such rows fall into the default one
HOUR = timedelta(hours=1)


def reading(t: Tenant, received_at: datetime = NOW) -> dict[str, Any]:
    return {
        "tenant_id": t.id,
        "dev_eui": t.eui("sensor"),
        "session_at": received_at - HOUR,
        "f_cnt": 1,
        "received_at": received_at,
        "occurred_at": received_at,
        "space_id": t.own("space"),
        "occupied": True,
        "f_port": 1,
        "payload": t.word.encode(),
        "codec": t.word,
    }


def state_change(t: Tenant, changed_at: datetime = NOW, version: int = 2) -> dict[str, Any]:
    return {
        "tenant_id": t.id,
        "space_id": t.own("space"),
        "version": version,
        "previous": "free",
        "state": "occupied",
        "layer": "sensor",
        "reason": t.word,
        "source": t.source,
        "cause": t.word,
        "request_id": t.word,
        "occurred_at": changed_at,
        "changed_at": changed_at,
    }


def orphan(t: Tenant) -> UplinkReceived:
    return UplinkReceived(
        source=t.source,
        application_id=t.application,
        dev_eui=t.eui("orphan"),
        device_profile_name=t.word,
        device_name=t.word,
        deduplication_id=t.word,
        time=NOW,
        received_at=NOW,
        dev_addr="00189440",
        f_cnt=1,
        f_port=1,
        data=t.word.encode(),
    )


ROWS: Mapping[str, Callable[[Tenant], dict[str, Any]] | None] = {
    "occupancy.sites": lambda t: {"tenant_id": t.id, "id": t.own("site"), "name": t.word, "time_zone": "UTC"},
    "occupancy.applications": lambda t: {
        "source": t.source,
        "application_id": t.application,
        "tenant_id": t.id,
    },
    "occupancy.devices": lambda t: {
        "tenant_id": t.id,
        "dev_eui": t.eui("sensor"),
        "name": t.word,
        "source": t.source,
        "application_id": t.application,
        "last_error": t.word,
    },
    "occupancy.spaces": lambda t: {
        "tenant_id": t.id,
        "id": t.own("space"),
        "site_id": t.own("site"),
        "code": t.tag,
        "name": t.word,
        "zone": t.word,
        "latitude": 51.9,
        "longitude": 4.5,
        "sensor_eui": t.eui("sensor"),
        "display_eui": t.eui("display"),
        "metadata": {"note": t.word},
        "state": "free",
        "state_layer": "sensor",
        "state_reason": t.word,
        "state_since": NOW,
    },
    "occupancy.sensor_readings": reading,
    "occupancy.sensor_readings_other": lambda t: reading(t, LONG_AGO),
    "occupancy.state_changes": state_change,
    "occupancy.state_changes_other": lambda t: state_change(t, LONG_AGO, 1),
    "occupancy.stays": lambda t: {
        "tenant_id": t.id,
        "id": t.own("stay"),
        "space_id": t.own("space"),
        "dev_eui": t.eui("sensor"),
        "arrived_at": NOW - HOUR,
        "departed_at": NOW,
        "arrived_session": NOW - HOUR,
        "arrived_f_cnt": 1,
        "received_at": NOW,
    },
    "occupancy.orphan_frames": lambda t: {
        "source": t.source,
        "application_id": t.application,
        "dev_eui": t.eui("orphan"),
        "deduplication_id": t.word,
        "reason": "no_codec",
        "envelope": msgspec.json.encode(orphan(t)),
        "received_at": NOW,
    },
    "occupancy.source_watermarks": lambda t: {"source": t.source, "heard_until": NOW, "resumed_at": NOW},
    "occupancy.outbox": lambda t: {
        "subject": f"parking.v1.space.{t.id}.{t.own('space')}.updated",
        "type": "parkstream.space.updated.v1",
        "payload": t.word.encode(),
    },
    "occupancy.inbox": lambda t: {
        "tenant_id": t.id,
        "caller": f"key:{t.key_id()}",
        "idempotency_key": t.word,
        "body_sha256": t.word,
        "reply": t.word.encode(),
    },
    "occupancy.alerts": lambda t: {
        "tenant_id": t.id,
        "id": t.own("alert"),
        "source": "engine",
        "key": f"{t.eui('sensor')}:stuck",
        "kind": "stuck",
        "severity": "warning",
        "dev_eui": t.eui("sensor"),
        "space_id": t.own("space"),
        "summary": t.word,
        "opened_at": NOW,
    },
    "occupancy.device_conditions": lambda t: {
        "tenant_id": t.id,
        "dev_eui": t.eui("sensor"),
        "measured_at": NOW,
        "battery_unit": "volts",
    },
    "occupancy.alert_rounds": None,  # one row for the whole platform, made by its migration
}
