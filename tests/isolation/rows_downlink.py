"""One row for each table of the dispatcher."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from isolation.tenant import Tenant

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=1)

ROWS: Mapping[str, Callable[[Tenant], dict[str, Any]] | None] = {
    "downlink.display_policies": lambda t: {"tenant_id": t.id, "state": "occupied", "colour": "102030"},
    "downlink.zone_counters": lambda t: {
        "tenant_id": t.id,
        "dev_eui": t.eui("sign"),
        "site_id": t.own("site"),
        "zone": t.word,
    },
    "downlink.displays": lambda t: {
        "tenant_id": t.id,
        "dev_eui": t.eui("display"),
        "codec": t.word,
        "space_id": t.own("space"),
        "desired": t.word,
        "desired_cause": t.word,
        "desired_version": 1,
        "sent_version": 1,
        "reported": {"note": t.word},
        "gateway_id": t.eui("gateway"),
    },
    "downlink.downlinks": lambda t: {
        "tenant_id": t.id,
        "id": t.own("downlink"),
        "dev_eui": t.eui("display"),
        "space_id": t.own("space"),
        "kind": "custom",
        "f_port": 15,
        "payload": t.word.encode(),
        "command": {"note": t.word},
        "cause": t.word,
        "requested_by": f"key:{t.key_id()}",
        "request_id": t.word,
        "status": "expired",
        "last_error": t.word,
        "queue_item_id": t.word,
        "gateway_id": t.eui("gateway"),
        "expires_at": LATER,
        "ended_at": NOW,
    },
    "downlink.downlink_steps": lambda t: {
        "tenant_id": t.id,
        "downlink_id": t.own("downlink"),
        "at": NOW,
        "status": "expired",
        "detail": t.word,
    },
    "downlink.token_buckets": lambda t: {"key": f"tenant:{t.id}", "tokens": 1.0, "filled_at": NOW},
    "downlink.gateways": lambda t: {
        "tenant_id": t.id,
        "gateway_id": t.eui("gateway"),
        "network_tenant_id": t.word,
        "name": t.word,
        "description": t.word,
        "state": "online",
        "synced_at": NOW,
    },
    "downlink.network_devices": lambda t: {
        "dev_eui": t.eui("display"),
        "application_id": t.application,
        "device_class": "C",
        "digest": t.word.encode(),
        "synced_at": NOW,
        "announced_at": NOW,
    },
    "downlink.sync_rounds": None,  # one row for the whole platform, made by its migration
    "downlink.outbox": lambda t: {
        "subject": f"parking.v1.device.alert.{t.eui('display')}",
        "type": "parkstream.device.alert.v1",
        "payload": t.word.encode(),
    },
    "downlink.inbox": lambda t: {
        "tenant_id": t.id,
        "caller": f"key:{t.key_id()}",
        "idempotency_key": t.word,
        "body_sha256": t.word,
        "reply": t.word.encode(),
    },
}
