"""Registration: a new tenant with its owner, where the platform is open to anybody."""

from __future__ import annotations

import uuid

from fastapi import Request

from api_gateway.gateway import gateway_of
from api_gateway.http.problems import ProblemError
from api_gateway.identity.audit.trail import note
from api_gateway.identity.client_address import client_address
from api_gateway.identity.roles import Role
from api_gateway.identity.sessions.access_tokens import Claims
from api_gateway.identity.sessions.login import anonymous
from api_gateway.identity.sessions.models import Registration
from api_gateway.identity.tenants.queries import insert_tenant
from api_gateway.identity.users.adding import email_taken, require_strength
from api_gateway.identity.users.queries import insert_user
from parking_chassis.postgres import act_for
from parking_contracts.errors import ErrorCode


async def register_tenant(request: Request, body: Registration) -> Claims:
    """Make both in one transaction, which works for the tenant it makes; the claims have no session yet.

    Raises:
        ProblemError: AUTHORIZATION_ERROR (closed), RATE_LIMITED, DUPLICATE_RESOURCE (the e-mail has an account).
    """
    gateway = gateway_of(request)
    if gateway.settings.registration == "closed":
        raise ProblemError(
            ErrorCode.AUTHORIZATION_ERROR, "registration is closed here: ask an administrator for an account"
        )
    require_strength(body.password, body.email, "body.password")
    await gateway.throttle.register(client_address(request, gateway.settings.trusted_proxies))
    await note(request, None, anonymous(body.email), "register")
    password_hash = await gateway.passwords.hash(body.password)
    tenant_id = uuid.uuid4()
    async with gateway.connection() as connection, connection.transaction():
        await act_for(connection, tenant_id)
        await insert_tenant(connection, tenant_id, body.tenant_name)
        user = await insert_user(
            connection,
            tenant_id,
            email=body.email,
            name=body.name,
            password_hash=password_hash,
            role=Role.OWNER,
        )
        if user is None:
            raise email_taken()
    return Claims(user["id"], uuid.UUID(int=0), tenant_id)
