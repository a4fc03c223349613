"""Routes for sites: reads from the directory, changes as commands to their owner."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from api_gateway.http.commands import Commands
from api_gateway.http.fields import IncludeDeleted, Limit, Offset
from api_gateway.http.json_body import JsonRoute
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.problems import not_found
from api_gateway.identity.authentication import SitesReader, SitesWriter
from api_gateway.identity.database import Database
from api_gateway.sites import queries
from api_gateway.sites.models import NewSite, Site, SiteChanges, SitePage
from parking_contracts.space_commands import CreateSite, DeleteSite, UpdateSite

PATH = "/api/v6/sites"
router = APIRouter(prefix=PATH, tags=["sites"], route_class=JsonRoute)


@router.get("", responses=READ)
async def list_sites(
    caller: SitesReader,
    database: Database,
    include_deleted: IncludeDeleted = False,
    limit: Limit = 100,
    offset: Offset = 0,
) -> SitePage:
    """The tenant's sites, by name."""
    total, rows = await queries.list_sites(
        database, caller.tenant_id, include_deleted=include_deleted, limit=limit, offset=offset
    )
    return SitePage(total=total, limit=limit, offset=offset, items=[Site(**row) for row in rows])


@router.get("/{site_id}", responses=READ_ONE)
async def get_site(caller: SitesReader, database: Database, site_id: UUID) -> Site:
    """One site; a deleted one shows when it was deleted."""
    row = await queries.get_site(database, caller.tenant_id, site_id)
    if row is None:
        raise not_found("site", site_id)
    return Site(**row)


@router.post("", status_code=201, responses=WRITE)
async def create_site(caller: SitesWriter, commands: Commands, body: NewSite, response: Response) -> Site:
    """Create a site; `Location` names it."""
    values = body.model_dump(exclude={"request_id"})
    result = await commands.send(caller, CreateSite(**values), body_request_id=body.request_id)
    site = Site.model_validate_json(result)
    response.headers["Location"] = f"{PATH}/{site.id}"
    return site


@router.patch("/{site_id}", responses=WRITE)
async def update_site(caller: SitesWriter, commands: Commands, site_id: UUID, body: SiteChanges) -> Site:
    """Change some fields; null clears the position."""
    values = body.model_dump(exclude={"request_id"}, exclude_unset=True)
    command = UpdateSite(id=site_id, **values)
    return Site.model_validate_json(await commands.send(caller, command, body_request_id=body.request_id))


@router.delete("/{site_id}", status_code=204, responses=WRITE)
async def delete_site(caller: SitesWriter, commands: Commands, site_id: UUID) -> None:
    """Delete a site; refused while spaces stand on it. Its history stays."""
    await commands.send(caller, DeleteSite(id=site_id))
