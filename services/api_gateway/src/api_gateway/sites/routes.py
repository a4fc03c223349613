"""Routes for sites: reads from the directory, changes as commands to their owner."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Response

from api_gateway.http.commands import Commands
from api_gateway.http.etags import IfMatch, show_revision
from api_gateway.http.fields import IncludeDeleted, SearchText
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.authentication import SitesReader, SitesWriter
from api_gateway.identity.database import Database
from api_gateway.sites import queries
from api_gateway.sites.models import NewSite, Site, SiteChanges, SitePage
from parking_contracts.space_commands import CreateSite, DeleteSite, UpdateSite

SiteId = Annotated[UUID, Path(description="the site's id")]

PATH = "/api/v6/sites"
router = NounRouter(prefix=PATH, tags=["sites"])


ORDER = sort_by(queries.SORT_COLUMNS, default="name", tie="id")


@router.get("", responses=READ)
async def list_sites(
    caller: SitesReader,
    database: Database,
    page: Paging,
    order: Annotated[str, Depends(ORDER)],
    q: SearchText = None,
    include_deleted: IncludeDeleted = False,
) -> SitePage:
    """The tenant's sites, by name unless `sort` says otherwise."""
    total, rows = await queries.list_sites(database, caller.tenant_id, (include_deleted, q), order, page)
    return SitePage(**page.of(total), items=[Site(**row) for row in rows])


@router.get("/{site_id}", responses=READ_ONE)
async def get_site(caller: SitesReader, database: Database, site_id: SiteId, response: Response) -> Site:
    """One site; a deleted one shows when it was deleted."""
    row = await queries.get_site(database, caller.tenant_id, site_id)
    if row is None:
        raise not_found("site", site_id)
    show_revision(response, row["updated_at"])
    return Site(**row)


@router.post("", status_code=201, responses=WRITE)
async def create_site(caller: SitesWriter, commands: Commands, body: NewSite, response: Response) -> Site:
    """Create a site; `Location` names it."""
    values = body.model_dump(exclude={"request_id"})
    result = await commands.send(caller, CreateSite(**values), body_request_id=body.request_id)
    site = Site.model_validate_json(result)
    response.headers["Location"] = f"{PATH}/{site.id}"
    show_revision(response, site.updated_at)
    return site


@router.patch("/{site_id}", responses=WRITE)
async def update_site(
    caller: SitesWriter, commands: Commands, site_id: SiteId, body: SiteChanges, if_match: IfMatch, response: Response
) -> Site:
    """Change some fields; null clears the position."""
    values = body.model_dump(exclude={"request_id"}, exclude_unset=True)
    command = UpdateSite(id=site_id, revision=if_match.moment, **values)
    site = Site.model_validate_json(await commands.send(caller, command, body_request_id=body.request_id))
    show_revision(response, site.updated_at)
    return site


@router.delete("/{site_id}", status_code=204, responses=WRITE)
async def delete_site(caller: SitesWriter, commands: Commands, site_id: SiteId, if_match: IfMatch) -> None:
    """Delete a site; refused while spaces stand on it. Its history stays."""
    await commands.send(caller, DeleteSite(id=site_id, revision=if_match.moment))
