"""The database as one request sees it: a transaction that row-level security confines to the caller's tenant."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from api_gateway.gateway import gateway_of
from api_gateway.identity.authentication import Caller, identify
from parking_chassis.postgres import Connection, act_for


@contextlib.asynccontextmanager
async def transaction_of(request: Request, caller: Caller) -> AsyncIterator[Connection]:
    """One transaction in the request role; committed when the block ends well."""
    async with gateway_of(request).connection() as connection, connection.transaction():
        await act_for(connection, caller.tenant_id, platform_admin=caller.platform_admin)
        yield connection


async def _transaction(request: Request) -> AsyncIterator[Connection]:
    async with transaction_of(request, await identify(request)) as connection:
        yield connection


# Given back before the answer is sent: a slow reader must not hold a connection.
Database = Annotated[Connection, Depends(_transaction, scope="function")]
