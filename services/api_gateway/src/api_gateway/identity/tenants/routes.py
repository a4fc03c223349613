"""Routes for the tenants of the platform; for its admin."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from api_gateway.gateway import gateway_of
from api_gateway.http.idempotent_writes import Once
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.authentication import TenantsReader, TenantsWriter
from api_gateway.identity.database import Database, transaction_of
from api_gateway.identity.roles import Role
from api_gateway.identity.tenants import queries
from api_gateway.identity.tenants.models import NewTenant, Tenant, TenantPage
from api_gateway.identity.users.adding import email_taken, require_strength
from api_gateway.identity.users.queries import insert_user
from parking_chassis.postgres import Connection, act_for
from parking_contracts.errors import ErrorCode

PATH = "/api/v6/tenants"
router = NounRouter(prefix=PATH, tags=["tenants"])
TenantId = Annotated[uuid.UUID, Path(description="the tenant's id")]
ORDER = sort_by(queries.SORT_COLUMNS, default="name", tie="id")


@router.get("", responses=READ)
async def list_tenants(
    _caller: TenantsReader, database: Database, page: Paging, order: Annotated[str, Depends(ORDER)]
) -> TenantPage:
    """Every tenant, by name unless `sort` says otherwise."""
    total, rows = await queries.list_tenants(database, order, page.limit, page.offset)
    return TenantPage(**page.of(total), items=[Tenant(**row) for row in rows])


@router.get("/{tenant_id}", responses=READ_ONE)
async def get_tenant(_caller: TenantsReader, database: Database, tenant_id: TenantId) -> Tenant:
    """One tenant, whether or not it is the caller's."""
    row = await queries.get_tenant(database, tenant_id)
    if row is None:
        raise not_found("tenant", tenant_id)
    return Tenant(**row)


@router.post("", status_code=201, responses=WRITE)
async def create_tenant(
    caller: TenantsWriter, request: Request, once: Once, body: NewTenant, response: Response
) -> Tenant:
    """Make a tenant, and its first owner where one is named; `Location` names it."""
    gateway = gateway_of(request)
    tenant_id = body.id or uuid.uuid4()
    password_hash = None
    if body.owner_email and body.owner_password:
        require_strength(body.owner_password, body.owner_email, "body.owner_password")
        password_hash = await gateway.passwords.hash(body.owner_password)

    async def add() -> Tenant:
        # For the new tenant: a request may insert no other than the one it works for.
        await act_for(connection, tenant_id, platform_admin=caller.platform_admin)
        tenant = await _insert(connection, tenant_id, body, password_hash)
        await act_for(connection, caller.tenant_id, platform_admin=caller.platform_admin)
        return tenant

    async with transaction_of(request, caller) as connection:
        answer = await once.carry_out(connection, caller, body, add, undigested="owner_password")
    tenant = Tenant.model_validate_json(answer)
    response.headers["Location"] = f"{PATH}/{tenant.id}"
    return tenant


async def _insert(connection: Connection, tenant_id: uuid.UUID, body: NewTenant, password_hash: str | None) -> Tenant:
    if not await queries.insert_tenant(connection, tenant_id, body.name):
        raise ProblemError(
            ErrorCode.DUPLICATE_RESOURCE, f"there is a tenant {tenant_id} already", details={"field": "body.id"}
        )
    if body.owner_email and body.owner_name and password_hash:
        user = await insert_user(
            connection,
            tenant_id,
            email=body.owner_email,
            name=body.owner_name,
            password_hash=password_hash,
            role=Role.OWNER,
        )
        if user is None:
            raise email_taken("body.owner_email")
    row = await queries.get_tenant(connection, tenant_id)
    assert row is not None  # noqa: S101  just inserted
    return Tenant(**row)
