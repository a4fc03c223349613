"""One row for each table of the reservation service."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from isolation.tenant import Tenant

NOW = datetime.now(UTC)
TOMORROW = NOW + timedelta(days=1)

ROWS: Mapping[str, Callable[[Tenant], dict[str, Any]]] = {
    "reservation.reservations": lambda t: {
        "tenant_id": t.id,
        "id": t.own("reservation"),
        "space_id": t.own("space"),
        "starts_at": TOMORROW,
        "ends_at": TOMORROW + timedelta(hours=1),
        "email": t.email,
        "phone": "+31201234567",
        "metadata": {"note": t.word},
        "created_by": f"key:{t.key_id()}",
        "request_id": t.word,
        "created_at": NOW,
        "updated_at": NOW,
    },
    "reservation.outbox": lambda t: {
        "subject": f"parking.v1.reservation.{t.id}.{t.own('space')}.created",
        "type": "parkstream.reservation.created.v1",
        "payload": t.word.encode(),
    },
    "reservation.inbox": lambda t: {
        "tenant_id": t.id,
        "caller": f"key:{t.key_id()}",
        "idempotency_key": t.word,
        "body_sha256": t.word,
        "reply": t.word.encode(),
    },
}
