"""Routes for the endpoints of outgoing webhooks: made, shown, changed, given new secrets and taken away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from api_gateway.gateway import gateway_of
from api_gateway.http.etags import IfMatch, Precondition, show_revision
from api_gateway.http.idempotent_writes import Once
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import WebhooksReader, WebhooksWriter
from api_gateway.identity.database import Database
from api_gateway.webhooks.models import (
    CreatedWebhook,
    EndpointId,
    NewSecret,
    NewWebhook,
    SecretRotation,
    Webhook,
    WebhookChanges,
    WebhookPage,
)
from api_gateway.webhooks.queries import endpoints
from api_gateway.webhooks.receivers import address_rule
from api_gateway.webhooks.signing import make_secret, show_secret
from api_gateway.webhooks.urls import read_url
from parking_chassis.postgres import Connection
from parking_contracts.errors import ErrorCode

PATH = "/api/v6/webhooks"
ENDPOINTS_OF_TENANT = 50
router = NounRouter(prefix=PATH, tags=["webhooks"])


@router.get("", responses=READ)
async def list_webhooks(caller: WebhooksReader, database: Database, page: Paging) -> WebhookPage:
    """The tenant's endpoints, oldest first; none of their secrets."""
    total, rows = await endpoints.list_endpoints(database, caller.tenant_id, limit=page.limit, offset=page.offset)
    return WebhookPage(**page.of(total), items=[Webhook(**row) for row in rows])


@router.get("/{endpoint_id}", responses=READ_ONE)
async def get_webhook(
    caller: WebhooksReader, database: Database, endpoint_id: EndpointId, response: Response
) -> Webhook:
    """One endpoint, with how its receiver does."""
    row = await endpoints.get_endpoint(database, caller.tenant_id, endpoint_id)
    if row is None:
        raise not_found("webhook", endpoint_id)
    show_revision(response, row["updated_at"])
    return Webhook(**row)


@router.post("", status_code=201, responses=WRITE)
async def create_webhook(
    caller: WebhooksWriter, database: Database, request: Request, once: Once, body: NewWebhook, response: Response
) -> CreatedWebhook:
    """Make an endpoint, which is told every event from now on. Its secret is shown in this answer alone.

    A repetition with the same Idempotency-Key answers without it.

    Events are posted as `{"type", "timestamp", "data"}` and signed as Standard Webhooks says: `webhook-id` (the
    event's, the same at every attempt), `webhook-timestamp`, `webhook-signature`. A 2xx within 15 s is a delivery;
    anything else is tried again over hours. 410 disables the endpoint.
    """
    values = {**body.model_dump(exclude={"request_id"}), "url": _usable_url(request, body.url)}
    shown: str | None = None

    async def add() -> Webhook:
        nonlocal shown
        await endpoints.lock_tenant(database, caller.tenant_id)
        total, _ = await endpoints.list_endpoints(database, caller.tenant_id, limit=0, offset=0)
        if total >= ENDPOINTS_OF_TENANT:
            raise ProblemError(
                ErrorCode.RESOURCE_IN_USE, f"a tenant may have {ENDPOINTS_OF_TENANT} webhooks: delete one first"
            )
        secret = make_secret()
        row = await endpoints.insert_endpoint(database, caller.tenant_id, secret, values)
        if row is None:
            raise ProblemError(ErrorCode.DUPLICATE_RESOURCE, f"id: there is a webhook {body.id} already")
        shown = show_secret(secret)
        return Webhook(**row)

    made = Webhook.model_validate_json(await once.carry_out(database, caller, body, add))
    response.headers["Location"] = f"{PATH}/{made.id}"
    show_revision(response, made.updated_at)
    return CreatedWebhook(**made.model_dump(), secret=shown)


@router.patch("/{endpoint_id}", responses=WRITE)
async def update_webhook(
    caller: WebhooksWriter,
    database: Database,
    request: Request,
    endpoint_id: EndpointId,
    body: WebhookChanges,
    if_match: IfMatch,
    response: Response,
) -> Webhook:
    """Change some fields. Disabled, it is sent nothing and what waits is cancelled; enabled, it is told events from now
    on, and a replay brings those between.
    """
    values = body.model_dump(exclude_unset=True)
    if "url" in values:
        values["url"] = _usable_url(request, values["url"])
    before = await _locked(database, caller.tenant_id, endpoint_id, if_match)
    row = await endpoints.update_endpoint(database, caller.tenant_id, endpoint_id, values)
    assert row is not None  # noqa: S101  it is locked
    if before["enabled"] and not row["enabled"]:
        why = f"the endpoint was disabled: {row['disabled_reason']}"
        await endpoints.cancel_pending(database, caller.tenant_id, endpoint_id, why)
    show_revision(response, row["updated_at"])
    return Webhook(**row)


@router.delete("/{endpoint_id}", status_code=204, responses=WRITE)
async def delete_webhook(
    caller: WebhooksWriter, database: Database, endpoint_id: EndpointId, if_match: IfMatch
) -> None:
    """Take an endpoint away, with its delivery log; what waits for it is cancelled."""
    await _locked(database, caller.tenant_id, endpoint_id, if_match)
    await endpoints.cancel_pending(database, caller.tenant_id, endpoint_id, "the endpoint was deleted")
    await endpoints.delete_endpoint(database, caller.tenant_id, endpoint_id)


@router.post("/{endpoint_id}/rotate-secret", responses=WRITE)
async def rotate_webhook_secret(
    caller: WebhooksWriter, database: Database, once: Once, endpoint_id: EndpointId, body: SecretRotation | None = None
) -> NewSecret:
    """Make a new secret, shown in this answer alone. Until the present one ends, requests carry both signatures.

    A repetition with the same Idempotency-Key makes none, and answers without the one that was made.
    """
    rotation = body or SecretRotation()
    shown: str | None = None

    async def rotate() -> NewSecret:
        nonlocal shown
        await _locked(database, caller.tenant_id, endpoint_id, Precondition())
        secret = make_secret()
        until = await endpoints.rotate_secret(
            database, caller.tenant_id, endpoint_id, secret, overlap_seconds=rotation.overlap_seconds
        )
        shown = show_secret(secret)
        return NewSecret(secret=None, previous_until=until)

    done = NewSecret.model_validate_json(await once.carry_out(database, caller, rotation, rotate))
    return NewSecret(secret=shown, previous_until=done.previous_until)


async def _locked(database: Connection, tenant_id: UUID, endpoint_id: UUID, if_match: Precondition) -> asyncpg.Record:
    seen: Any = if_match.moment
    row = await endpoints.lock_endpoint(database, tenant_id, endpoint_id)
    if row is None:
        raise not_found("webhook", endpoint_id)
    if seen is not None and row["updated_at"] != seen:
        raise ProblemError(ErrorCode.PRECONDITION_FAILED, "the webhook has changed since it was read: read it again")
    return row


def _usable_url(request: Request, url: str) -> str:
    settings = gateway_of(request).settings
    try:
        return read_url(url, address_rule(settings), insecure_http=settings.webhook_insecure_http)
    except ValueError as error:
        raise RequestValidationError([{"loc": ("body", "url"), "msg": str(error), "type": "url"}]) from error
