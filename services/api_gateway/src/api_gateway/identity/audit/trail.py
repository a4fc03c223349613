"""The audit trail: who is about to change what, on disk before it happens; how it ended, after the answer.

An entry has the actor, the route, the path, the request's id and the client's address: no bodies, no query, nothing
about a person. Entries are written by the batch role, so that a request can read the log and never write it. A
database that is away refuses the write it would have noted. The outcome may be lost in a crash (the entry then has
none), so it does not wait for the disk.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from fastapi import Request
from starlette.types import Scope

from api_gateway.gateway import Gateway, gateway_of
from api_gateway.identity.audit import queries
from api_gateway.identity.client_address import client_address
from parking_chassis.postgres import DATABASE_AWAY

if TYPE_CHECKING:
    from api_gateway.identity.authentication import Caller

log = structlog.get_logger()

PATH_LIMIT = 300
_PERSONAL = re.compile(r"[^/]*(?:@|%40)[^/]*")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class _Entry:
    id: UUID
    tenant_id: UUID | None


async def note_write(request: Request, caller: Caller, route: str) -> None:
    """Note what an authenticated caller is about to do, unless he only reads.

    Raises:
        DATABASE_AWAY: It could not be noted; the request must not go on.
    """
    if request.method not in _READING:
        await note(request, caller.tenant_id, caller.name, f"{request.method} {route}")


async def note(request: Request, tenant_id: UUID | None, actor: str, action: str) -> None:
    """Note an action, on disk when this returns; the outcome of the request becomes its own.

    Raises:
        DATABASE_AWAY: It could not be noted.
    """
    gateway = gateway_of(request)
    async with gateway.batch_pool.acquire(timeout=gateway.settings.database_acquire_seconds) as connection:
        entry_id = await queries.insert_entry(
            connection,
            tenant_id=tenant_id,
            actor=actor,
            action=action,
            path=_PERSONAL.sub("(personal)", request.url.path)[:PATH_LIMIT],
            request_id=request.state.request_id,
            address=client_address(request, gateway.settings.trusted_proxies),
        )
    request.state.audit_entries = (*_entries(request.scope), _Entry(entry_id, tenant_id))


async def note_outcome(scope: Scope, status: int | None) -> None:
    """Say how a request ended, if it was noted; None when it ended without an answer."""
    gateway: Gateway = scope["app"].state.gateway
    for entry in _entries(scope):
        try:
            async with gateway.batch_pool.acquire(timeout=gateway.settings.database_acquire_seconds) as connection:
                await queries.insert_outcome(connection, entry.id, entry.tenant_id, status or 500)
        except DATABASE_AWAY as error:
            log.warning("audit_outcome_lost", entry=str(entry.id), status=status, why=type(error).__name__)
        except asyncio.CancelledError:
            log.warning("audit_outcome_lost", entry=str(entry.id), status=status, why="the request was given up")
            raise


def _entries(scope: Scope) -> tuple[_Entry, ...]:
    entries: tuple[_Entry, ...] = scope.get("state", {}).get("audit_entries", ())
    return entries
