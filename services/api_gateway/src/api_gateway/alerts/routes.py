"""Routes for alerts: reads from the directory, an acknowledgement as a command to their owner."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request

from api_gateway.alerts import queries
from api_gateway.alerts.models import Acknowledgement, Alert, AlertPage, AlertState
from api_gateway.http.commands import Commands
from api_gateway.http.fields import Eui, FilterText
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import AlertsReader, AlertsWriter, Caller
from api_gateway.identity.database import Database, transaction_of
from parking_contracts.alert import AlertSeverity
from parking_contracts.alert_commands import AcknowledgeAlert

router = NounRouter(prefix="/api/v6/alerts", tags=["alerts"])
AlertId = Annotated[UUID, Path(description="the alert's id")]


@router.get("", responses=READ)
async def list_alerts(
    caller: AlertsReader,
    database: Database,
    page: Paging,
    state: Annotated[
        list[AlertState] | None, Query(description="only in these states; repeat it for several", max_length=3)
    ] = None,
    kind: Annotated[FilterText | None, Query(description="only of this kind", examples=["silent"])] = None,
    severity: Annotated[AlertSeverity | None, Query(description="only of this severity")] = None,
    device: Annotated[Eui | None, Query(description="only of this device")] = None,
    space: Annotated[UUID | None, Query(description="only of this space")] = None,
) -> AlertPage:
    """The tenant's alerts, the newest first: open, acknowledged and closed ones."""
    filters = (state or [], kind, severity, device, space)
    total, rows = await queries.list_alerts(database, caller.tenant_id, filters, page)
    return AlertPage(**page.of(total), items=[Alert(**row) for row in rows])


@router.get("/{alert_id}", responses=READ_ONE)
async def get_alert(caller: AlertsReader, database: Database, alert_id: AlertId) -> Alert:
    """One alert, open or closed, and who has taken note of it."""
    row = await queries.get_alert(database, caller.tenant_id, alert_id)
    if row is None:
        raise not_found("alert", alert_id)
    return Alert(**row)


@router.post("/{alert_id}/acknowledge", responses=WRITE)
async def acknowledge_alert(
    caller: AlertsWriter, commands: Commands, request: Request, alert_id: AlertId, body: Acknowledgement
) -> Alert:
    """Say that somebody has taken note; who did so first stays. It closes by itself once nothing is wrong any more."""
    command = AcknowledgeAlert(id=alert_id, note=body.note)
    await commands.send(caller, command, body_request_id=body.request_id)
    return await _as_stored(request, caller, alert_id)


async def _as_stored(request: Request, caller: Caller, alert_id: UUID) -> Alert:
    """The alert as the directory shows it now: the owner has committed before it answered."""
    async with transaction_of(request, caller) as connection:
        row = await queries.get_alert(connection, caller.tenant_id, alert_id)
    if row is None:
        raise not_found("alert", alert_id)
    return Alert(**row)
