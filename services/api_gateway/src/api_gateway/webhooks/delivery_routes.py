"""Routes for what was sent to an endpoint: the delivery log, another try, a test, and replays of past events."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from fastapi import Request, Response

from api_gateway.gateway import gateway_of
from api_gateway.http.cursors import Cursor, make_cursor, read_cursor
from api_gateway.http.idempotent_writes import Once
from api_gateway.http.openapi import READ_ONE, WRITE
from api_gateway.http.paging import link_next
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import WebhooksReader, WebhooksWriter
from api_gateway.identity.database import Database, transaction_of
from api_gateway.live.position import Place, Position, furthest
from api_gateway.webhooks.delivery_models import (
    DeliveryId,
    DeliveryLimit,
    NewWebhookReplay,
    ReplayId,
    StateFilter,
    WebhookAttempt,
    WebhookDelivery,
    WebhookDeliveryDetails,
    WebhookDeliveryPage,
    WebhookReplay,
    WebhookReplayList,
    shown_replay,
)
from api_gateway.webhooks.events import TEST_EVENT, make_body
from api_gateway.webhooks.models import EndpointId
from api_gateway.webhooks.queries import deliveries, endpoints, replays
from api_gateway.webhooks.replays import find_position, first_position, last_position
from api_gateway.webhooks.routes import PATH
from parking_chassis.postgres import Connection
from parking_contracts.errors import ErrorCode

router = NounRouter(prefix=PATH + "/{endpoint_id}", tags=["webhooks"])


@router.get("/deliveries", responses=READ_ONE)
async def list_webhook_deliveries(
    caller: WebhooksReader,
    database: Database,
    request: Request,
    response: Response,
    endpoint_id: EndpointId,
    state: StateFilter = None,
    limit: DeliveryLimit = 50,
    cursor: Cursor = None,
) -> WebhookDeliveryPage:
    """What was sent to an endpoint, or is to be, newest first. Deliveries are kept for 30 days."""
    await _endpoint(database, caller.tenant_id, endpoint_id)
    bound_to = ("webhook deliveries", caller.tenant_id, endpoint_id)
    place = read_cursor(cursor, tuple[UUID], *bound_to)
    rows = await deliveries.list_deliveries(
        database, caller.tenant_id, endpoint_id, state=state, before=place[0] if place else None, limit=limit
    )
    next_cursor = make_cursor((rows[-1]["id"],), *bound_to) if len(rows) == limit else None
    link_next(request, response, next_cursor)
    return WebhookDeliveryPage(items=[WebhookDelivery(**row) for row in rows], next_cursor=next_cursor)


@router.get("/deliveries/{delivery_id}", responses=READ_ONE)
async def get_webhook_delivery(
    caller: WebhooksReader, database: Database, endpoint_id: EndpointId, delivery_id: DeliveryId
) -> WebhookDeliveryDetails:
    """One delivery: what is sent, and what became of every attempt."""
    await _endpoint(database, caller.tenant_id, endpoint_id)
    row = await deliveries.get_delivery(database, caller.tenant_id, endpoint_id, delivery_id)
    if row is None:
        raise not_found("delivery", delivery_id)
    attempts = await deliveries.list_attempts(database, caller.tenant_id, delivery_id)
    values = {**row, "body": row["body"].decode()}
    return WebhookDeliveryDetails(**values, attempt_log=[WebhookAttempt(**attempt) for attempt in attempts])


@router.post("/deliveries/{delivery_id}/retry", status_code=202, responses=WRITE)
async def retry_webhook_delivery(
    caller: WebhooksWriter, request: Request, once: Once, endpoint_id: EndpointId, delivery_id: DeliveryId
) -> WebhookDelivery:
    """Send a delivery again now, whatever became of it, with the whole schedule of retries behind it."""
    async with transaction_of(request, caller) as database:

        async def retry() -> WebhookDelivery:
            await _enabled(database, caller.tenant_id, endpoint_id)
            if not await deliveries.retry_delivery(database, caller.tenant_id, endpoint_id, delivery_id):
                raise not_found("delivery", delivery_id)
            return await _written(database, caller.tenant_id, endpoint_id, delivery_id)

        answer = await once.carry_out(database, caller, None, retry)
    gateway_of(request).webhooks.wake()
    return WebhookDelivery.model_validate_json(answer)


@router.post("/test", status_code=202, responses=WRITE)
async def test_webhook(
    caller: WebhooksWriter, request: Request, once: Once, endpoint_id: EndpointId
) -> WebhookDelivery:
    """Send an event `webhook.test` now; the delivery that is answered, read again, shows what became of it."""
    event_id, now = str(uuid.uuid4()), datetime.now(UTC).isoformat()
    data = msgspec.json.encode({"endpoint_id": endpoint_id, "message": "It works."})
    async with transaction_of(request, caller) as database:

        async def add() -> WebhookDelivery:
            await _enabled(database, caller.tenant_id, endpoint_id)
            made = await deliveries.insert_test(
                database,
                caller.tenant_id,
                endpoint_id,
                event_id=event_id,
                event_type=TEST_EVENT,
                body=make_body(TEST_EVENT, now, data),
            )
            return await _written(database, caller.tenant_id, endpoint_id, made)

        answer = await once.carry_out(database, caller, None, add)
    gateway_of(request).webhooks.wake()
    return WebhookDelivery.model_validate_json(answer)


@router.post("/replay", status_code=202, responses=WRITE)
async def replay_webhook(
    caller: WebhooksWriter, request: Request, once: Once, endpoint_id: EndpointId, body: NewWebhookReplay
) -> WebhookReplay:
    """Send the events of the last days again, from an event id or a time on, as far as the endpoint wants them.

    They carry the same `webhook-id` as before. It runs in the background: read it again to see how far it has come.
    """
    async with transaction_of(request, caller) as database:
        await _endpoint(database, caller.tenant_id, endpoint_id)
    client = gateway_of(request).bus.connected()
    until, first = await last_position(client), await first_position(client)
    if body.since is not None:
        place = Place(await find_position(client, caller.tenant_id, body.since))
    else:
        place = gateway_of(request).feed.ids.read(body.after or "")
    after = place.position
    lost = after[0] < first[0] or after[1] < first[1] or _lies_ahead(after, until) or place.is_undone
    async with transaction_of(request, caller) as database:

        async def begin() -> WebhookReplay:
            await _enabled(database, caller.tenant_id, endpoint_id)
            row = await replays.insert_replay(
                database, caller.tenant_id, endpoint_id, after=furthest(after, first), until=until, lost=lost
            )
            if row is None:
                raise ProblemError(
                    ErrorCode.RESOURCE_IN_USE,
                    "a replay of this webhook is running: wait for its end, or disable the webhook",
                )
            return shown_replay(row, gateway_of(request).feed.ids)

        answer = await once.carry_out(database, caller, body, begin)
    gateway_of(request).webhooks.wake()
    return WebhookReplay.model_validate_json(answer)


@router.get("/replays", responses=READ_ONE)
async def list_webhook_replays(
    caller: WebhooksReader, request: Request, database: Database, endpoint_id: EndpointId
) -> WebhookReplayList:
    """The endpoint's replays, newest first."""
    await _endpoint(database, caller.tenant_id, endpoint_id)
    rows = await replays.list_replays(database, caller.tenant_id, endpoint_id)
    return WebhookReplayList(items=[shown_replay(row, gateway_of(request).feed.ids) for row in rows])


@router.get("/replays/{replay_id}", responses=READ_ONE)
async def get_webhook_replay(
    caller: WebhooksReader, request: Request, database: Database, endpoint_id: EndpointId, replay_id: ReplayId
) -> WebhookReplay:
    """One replay, and how far it has come."""
    await _endpoint(database, caller.tenant_id, endpoint_id)
    row = await replays.get_replay(database, caller.tenant_id, endpoint_id, replay_id)
    if row is None:
        raise not_found("replay", replay_id)
    return shown_replay(row, gateway_of(request).feed.ids)


def _lies_ahead(after: Position, until: Position) -> bool:
    """Whether the id is of streams that were made anew since: what followed it is gone."""
    return after[0] > until[0] or after[1] > until[1]


async def _endpoint(database: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    if await endpoints.get_endpoint(database, tenant_id, endpoint_id) is None:
        raise not_found("webhook", endpoint_id)


async def _enabled(database: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """The endpoint, locked so that nobody disables it meanwhile."""
    row = await endpoints.lock_endpoint(database, tenant_id, endpoint_id)
    if row is None:
        raise not_found("webhook", endpoint_id)
    if not row["enabled"]:
        raise ProblemError(
            ErrorCode.INVALID_STATE_TRANSITION,
            f"the webhook is disabled ({row['disabled_reason']}): enable it first",
            details={"current": "disabled", "requested": "sending"},
        )


async def _written(database: Connection, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    row = await deliveries.get_delivery(database, tenant_id, endpoint_id, delivery_id)
    assert row is not None  # noqa: S101  written in this request
    return WebhookDelivery(**{name: value for name, value in row.items() if name != "body"})
