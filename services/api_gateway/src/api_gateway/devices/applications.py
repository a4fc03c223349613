"""Routes for application bindings: which tenant a ChirpStack application belongs to. For the platform's admin."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from api_gateway.devices import queries
from api_gateway.devices.models import Application, ApplicationPage, Binding, BindingResult
from api_gateway.http.commands import Commands
from api_gateway.http.fields import FilterText
from api_gateway.http.openapi import READ, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.authentication import ApplicationsReader, ApplicationsWriter
from api_gateway.identity.database import Database
from parking_contracts.device_commands import BindApplication, UnbindApplication

router = NounRouter(prefix="/api/v6/applications", tags=["applications"])


ORDER = sort_by(queries.APPLICATION_SORT_COLUMNS, default="source,application_id", tie="application_id")


@router.get("", responses=READ)
async def list_applications(
    _caller: ApplicationsReader,
    database: Database,
    order: Annotated[str, Depends(ORDER)],
    page: Paging,
    tenant: Annotated[UUID | None, Query(description="only those bound to this tenant")] = None,
    source: Annotated[FilterText | None, Query(description="only of this integration")] = None,
) -> ApplicationPage:
    """The bindings of all tenants, or of one."""
    total, rows = await queries.list_applications(database, (tenant, source), order, page)
    return ApplicationPage(**page.of(total), items=[Application(**row) for row in rows])


@router.post("", status_code=201, responses=WRITE)
async def bind_application(caller: ApplicationsWriter, commands: Commands, body: Binding) -> BindingResult:
    """Bind an application to a tenant, or change its binding; frames of it that waited without a tenant are taken in.

    An application that is another tenant's is refused as RESOURCE_IN_USE: unbind it there first.
    """
    command = BindApplication(**body.model_dump(exclude={"request_id", "tenant_id"}))
    result = await commands.send(caller, command, tenant_id=body.tenant_id, body_request_id=body.request_id)
    return BindingResult.model_validate_json(result)


@router.delete("", status_code=204, responses=WRITE)
async def unbind_application(
    caller: ApplicationsWriter,
    commands: Commands,
    source: Annotated[FilterText, Query(description="the integration that delivers its events", examples=["mqtt"])],
    application_id: Annotated[
        FilterText,
        Query(description="ChirpStack's application id", examples=["ca739e26-7b67-4f14-b69e-d568c22a5a75"]),
    ],
    tenant: Annotated[UUID | None, Query(description="which tenant it is bound to; else the caller's own")] = None,
) -> None:
    """Let the application go: later events of it wait without a tenant."""
    command = UnbindApplication(source=source, application_id=application_id)
    await commands.send(caller, command, tenant_id=tenant)
