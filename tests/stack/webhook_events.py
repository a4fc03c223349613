"""Events on the bus as the services' outboxes publish them, and a tenant's side of the webhooks API."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from nats.aio.client import Client

from parking_contracts import reservation, space, subjects
from parking_contracts.reservation import ReservationOpened
from parking_contracts.space import Layer, SpaceState, SpaceStateChanged
from stack.waiting import eventually

AT = datetime(2026, 5, 4, 10, tzinfo=UTC)
# Retries within a second; loopback is where the receivers of tests are.
QUICK = {
    "PARKSTREAM_WEBHOOK_INSECURE_HTTP": "true",
    "PARKSTREAM_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
    "PARKSTREAM_WEBHOOK_ATTEMPT_SECONDS": "10",
    "PARKSTREAM_WEBHOOK_RETRY_SECONDS": "[0.1, 0.2, 0.3]",
    "PARKSTREAM_WEBHOOK_ENDPOINT_IN_FLIGHT_COUNT": "4",
    "PARKSTREAM_WEBHOOK_POLL_SECONDS": "0.1",
    "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
    "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
}


@dataclass
class Street:
    """One space whose events are published; every event has an id of its own."""

    bus: Client
    tenant_id: uuid.UUID
    site_id: uuid.UUID = field(default_factory=uuid.uuid4)
    space_id: uuid.UUID = field(default_factory=uuid.uuid4)
    version: int = 0

    async def change(self, *, event_id: str | None = None, reason: str = "") -> str:
        """A change of state; the event's id."""
        self.version += 1
        event = SpaceStateChanged(
            tenant_id=self.tenant_id,
            site_id=self.site_id,
            space_id=self.space_id,
            code="A1",
            zone=None,
            kind="standard",
            previous=SpaceState.FREE,
            state=SpaceState.OCCUPIED,
            layer=Layer.SENSOR,
            reason=reason,
            source="uplink",
            cause="uplink:1:1",
            request_id=None,
            occurred_at=AT,
            changed_at=AT,
            version=self.version,
        )
        subject = subjects.space(self.tenant_id, self.space_id, "state_changed")
        return await self._publish(subject, space.EVENT_TYPES[SpaceStateChanged], event, event_id)

    async def reserve(self, space_id: uuid.UUID | None = None) -> str:
        space_id = space_id or self.space_id
        event = ReservationOpened(
            tenant_id=self.tenant_id, space_id=space_id, reservation_id=uuid.uuid4(), since=AT, until=AT
        )
        subject = subjects.reservation(self.tenant_id, space_id, "opened")
        return await self._publish(subject, reservation.EVENT_TYPES[ReservationOpened], event, None)

    async def _publish(self, subject: str, kind: str, event: msgspec.Struct, event_id: str | None) -> str:
        event_id = event_id or str(uuid.uuid4())
        headers = {"ce-id": event_id, "ce-type": kind, "ce-time": AT.isoformat(), "ce-source": "test"}
        await self.bus.jetstream().publish(subject, msgspec.json.encode(event), headers=headers)
        return event_id


@dataclass
class Hook:
    """One endpoint, made through the API."""

    api: httpx.AsyncClient
    id: str
    secret: str

    @property
    def path(self) -> str:
        return f"/api/v6/webhooks/{self.id}"

    async def shown(self) -> dict[str, Any]:
        answer = await self.api.get(self.path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def change(self, **fields: Any) -> dict[str, Any]:
        answer = await self.api.patch(self.path, json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.api.post(f"{self.path}/{path}", json=body)

    async def deliveries(self, state: str | None = None) -> list[dict[str, Any]]:
        """The newest 200 of them, oldest first."""
        asked = {"limit": "200"} | ({"state": state} if state else {})
        answer = await self.api.get(f"{self.path}/deliveries", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"][::-1]

    async def delivered(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many deliveries are settled as delivered."""

        async def enough() -> list[dict[str, Any]] | None:
            found = await self.deliveries("delivered")
            return found if len(found) >= count else None

        return await eventually(enough, 15, message=f"{count} deliveries")


async def make_hook(api: httpx.AsyncClient, url: str, **fields: Any) -> Hook:
    answer = await api.post("/api/v6/webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return Hook(api, made["id"], made["secret"])
