"""The route of the audit log, for a tenant's admins; nobody can write or delete there."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from api_gateway.http.cursors import Cursor, make_cursor, read_cursor
from api_gateway.http.fields import FilterText, Instant
from api_gateway.http.openapi import READ
from api_gateway.http.paging import link_next
from api_gateway.http.routes import NounRouter
from api_gateway.identity.audit import queries
from api_gateway.identity.audit.models import AuditEntry, AuditPage
from api_gateway.identity.authentication import AuditReader
from api_gateway.identity.database import Database

router = NounRouter(prefix="/api/v6/audit", tags=["audit"])


@router.get("", responses=READ)
async def list_audit_entries(
    caller: AuditReader,
    database: Database,
    request: Request,
    response: Response,
    actor: Annotated[
        FilterText | None, Query(description="only what this one did", examples=["key:4f1c0b9a7d2e"])
    ] = None,
    action: Annotated[FilterText | None, Query(description="only this", examples=["login_failed"])] = None,
    since: Annotated[Instant | None, Query(alias="from", description="at or after this moment")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="before this moment")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="how many to return")] = 100,
    cursor: Cursor = None,
) -> AuditPage:
    """Who changed what and who logged in, newest first.

    An entry is written before its change takes effect, and its outcome after. A platform admin also sees the failed
    log-ins that fit no user.
    """
    place = read_cursor(cursor, tuple[UUID], "audit", caller.tenant_id)
    rows = await queries.list_entries(
        database,
        caller.tenant_id,
        platform_admin=caller.platform_admin,
        actor=actor,
        action=action,
        since=since,
        until=until,
        before=place[0] if place else None,
        limit=limit + 1,
    )
    shown = rows[:limit]
    next_cursor = make_cursor((shown[-1]["id"],), "audit", caller.tenant_id) if len(rows) > limit else None
    link_next(request, response, next_cursor)
    return AuditPage(items=[AuditEntry(**row) for row in shown], next_cursor=next_cursor)
