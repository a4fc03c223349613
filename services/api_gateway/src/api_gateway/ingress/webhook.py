"""The door for events over HTTP. `take_event` is the whole path: who, whose application, durable, 2xx.

In: the body of one event as ChirpStack's HTTP integration posts it, untouched. Out: the same bytes on INGRESS, where
the ingestor takes them like an MQTT message: what it cannot read becomes a dead letter there. ChirpStack does not
repeat a request, so a known sender's body is refused only where it must be, and answered 2xx only once it is durable.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Query, Request, Response
from nats.errors import Error as NatsError

from api_gateway import metrics
from api_gateway.gateway import gateway_of
from api_gateway.http.openapi import problems
from api_gateway.http.problems import ProblemError, unavailable
from api_gateway.ingress import queries
from api_gateway.ingress.authentic import Delivered, Delivery, Sender
from api_gateway.ingress.event_application import Encoding, application_of, encoding_of
from parking_contracts import ingress, subjects
from parking_contracts.errors import ErrorCode
from parking_contracts.streams import INGRESS
from parking_contracts.subjects import EventName

log = structlog.get_logger()

STORE_SECONDS = 4.0  # ChirpStack waits for 5
# ChirpStack's HTTP integration also posts what other integrations of it say; the ingestor passes that over.
PostedEvent = EventName | Literal["integration"]
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "one event, as ChirpStack's JSON or protobuf marshaler writes it; at most 1 MiB",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
                    "deviceInfo": {
                        "applicationId": "ca739e26-7b67-4f14-b69e-d568c22a5a75",
                        "devEui": "0101010101010101",
                    },
                    "devAddr": "00189440",
                    "fCnt": 7,
                    "fPort": 1,
                    "data": "AQ==",
                },
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

router = APIRouter(prefix="/api/v6/webhooks", tags=["ingress"])


@router.post(
    "/chirpstack",
    status_code=202,
    response_class=Response,
    responses=problems(401, 403, 413, 422, 500, 503),
    openapi_extra=BODY,
)
async def take_event(
    request: Request,
    delivery: Delivered,
    event: Annotated[PostedEvent, Query(description="which event the body is; ChirpStack appends it to the URL")],
) -> Response:
    """Take one event of a LoRaWAN device over HTTP; 202 says that it is stored and will not be lost.

    The sender proves itself with `Authorization: Bearer it_<id>_<secret>`, or signs the body by Standard Webhooks
    and names its credential in `Parkstream-Credential` or `?credential=`. An event may be sent again: it has one
    effect. No rate limit of the API's clients counts it.
    """
    encoding = encoding_of(request.headers.get("content-type", ""))
    application_id = application_of(delivery.body, encoding, event)
    await _require_covered(request, delivery.sender, application_id)
    await _store(request, delivery, event, encoding, application_id)
    metrics.INGRESS_EVENTS.labels(event, "stored").inc()
    return Response(status_code=202)


async def _require_covered(request: Request, sender: Sender, application_id: str | None) -> None:
    """Let pass what the credential names and no other tenant holds; a body that names nothing, if nothing is named."""
    is_named = sender.application_ids is None or application_id in sender.application_ids
    if is_named and application_id is not None:
        async with gateway_of(request).connection() as connection:
            holder = await queries.tenant_of_application(connection, sender.source, application_id)
        is_named = holder in {None, sender.tenant_id}
    if not is_named:
        metrics.INGRESS_EVENTS.labels("any", "not_covered").inc()
        log.warning("ingress_not_covered", credential=sender.credential_id, application=application_id)
        raise ProblemError(
            ErrorCode.AUTHORIZATION_ERROR,
            f"the credential does not cover {f'application {application_id}' if application_id else 'this event'}; "
            "name the application in the credential, or have it bound to your tenant",
            details={"application_id": application_id},
        )


async def _store(
    request: Request, delivery: Delivery, event: str, encoding: Encoding, application_id: str | None
) -> None:
    """Put the body on INGRESS and wait until JetStream has it.

    The message id is the body's digest: only the same bytes again are the same message. What ChirpStack itself calls
    one event is told apart by the ingestor.
    """
    sender, subject = delivery.sender, subjects.ingress(event)
    digest = hashlib.sha256(delivery.body).hexdigest()[:32]
    headers = {
        "Nats-Msg-Id": f"{sender.source}:{event}:{digest}",
        ingress.SOURCE: sender.source,
        ingress.RECEIVED_AT: delivery.received_at.isoformat(),
        ingress.ENCODING: encoding,
        ingress.APPLICATION: application_id or ingress.NO_APPLICATION,
    }
    client = gateway_of(request).bus.connected()
    try:
        await client.jetstream().publish(
            subject, delivery.body, timeout=STORE_SECONDS, stream=INGRESS.name, headers=headers
        )
    except (NatsError, TimeoutError) as error:
        metrics.INGRESS_EVENTS.labels(event, "not_stored").inc()
        log.warning("ingress_not_stored", credential=sender.credential_id, error=repr(error))
        raise unavailable("the store of events") from error
