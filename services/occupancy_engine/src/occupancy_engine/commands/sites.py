"""site.create, site.update, site.delete."""

from __future__ import annotations

import zoneinfo

import asyncpg
import msgspec

from occupancy_engine.commands.refusals import lopsided, moved_on, taken
from occupancy_engine.store import sites
from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid, not_found
from parking_contracts.command import Command
from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.space_commands import CreateSite, DeleteSite, SiteView, UpdateSite


async def create(connection: Connection, command: Command[CreateSite]) -> SiteView | Refusal:
    """A new site."""
    body = command.body
    if refusal := _bad_zone(body.time_zone) or lopsided(body.latitude, body.longitude):
        return refusal
    try:
        async with connection.transaction():
            return await sites.insert(connection, command.tenant_id, body)
    except asyncpg.UniqueViolationError as error:
        return taken(error)


async def update(connection: Connection, command: Command[UpdateSite]) -> SiteView | Refusal:
    """Change what is named."""
    body = command.body
    site = await sites.lock(connection, command.tenant_id, body.id)
    if site is None:
        return not_found("site", body.id)
    if refusal := moved_on("site", body.revision, site.updated_at):
        return refusal
    changes = {
        name: value
        for name in ("name", "time_zone", "latitude", "longitude")
        if (value := getattr(body, name)) is not msgspec.UNSET
    }
    site = msgspec.structs.replace(site, **changes)
    if refusal := _bad_zone(site.time_zone) or lopsided(site.latitude, site.longitude):
        return refusal
    return await sites.write(connection, site)


async def delete(connection: Connection, command: Command[DeleteSite]) -> SiteView | Refusal:
    """Take an empty site away; its name and history stay."""
    site = await sites.lock(connection, command.tenant_id, command.body.id)
    if site is None:
        return not_found("site", command.body.id)
    if refusal := moved_on("site", command.body.revision, site.updated_at):
        return refusal
    if live := await sites.live_spaces(connection, site):
        return Refusal(
            code=ErrorCode.RESOURCE_IN_USE,
            message=f"the site still has {live} live spaces; delete or move them first",
            details={"live_spaces": live},
        )
    return await sites.delete(connection, site)


def _bad_zone(name: str) -> Refusal | None:
    if name in zoneinfo.available_timezones() - {"localtime"}:  # whatever this machine has; PostgreSQL knows none
        return None
    return invalid("time_zone", f"{name[:64]!r} is no IANA time zone; expected one such as Europe/Zurich")
