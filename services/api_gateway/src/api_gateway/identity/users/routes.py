"""Routes for the users of a tenant, for its admins."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Depends, Path, Request, Response

from api_gateway.gateway import gateway_of
from api_gateway.http.etags import IfMatch, Precondition, show_revision
from api_gateway.http.idempotent_writes import Once
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.authentication import SCOPES, Caller, UsersReader, UsersWriter
from api_gateway.identity.database import Database, transaction_of
from api_gateway.identity.keys.leaving import revoke_keys_beyond
from api_gateway.identity.roles import Role
from api_gateway.identity.sessions.queries import revoke_sessions
from api_gateway.identity.sessions.sessions import Ended
from api_gateway.identity.users import queries
from api_gateway.identity.users.adding import email_taken, require_reach, require_strength
from api_gateway.identity.users.models import NewUser, User, UserChanges, UserPage
from parking_chassis.postgres import Connection
from parking_contracts.errors import ErrorCode

PATH = "/api/v6/users"
router = NounRouter(prefix=PATH, tags=["users"])
UserId = Annotated[UUID, Path(description="the user's id")]
ORDER = sort_by(queries.SORT_COLUMNS, default="email", tie="id")


@router.get("", responses=READ)
async def list_users(
    caller: UsersReader, database: Database, page: Paging, order: Annotated[str, Depends(ORDER)]
) -> UserPage:
    """The tenant's users, by e-mail unless `sort` says otherwise."""
    total, rows = await queries.list_users(database, caller.tenant_id, order, page.limit, page.offset)
    return UserPage(**page.of(total), items=[User(**row) for row in rows])


@router.get("/{user_id}", responses=READ_ONE)
async def get_user(caller: UsersReader, database: Database, user_id: UserId, response: Response) -> User:
    """One user of the tenant, without anything secret."""
    row = await queries.get_user(database, caller.tenant_id, user_id)
    if row is None:
        raise not_found("user", user_id)
    show_revision(response, row["updated_at"])
    return User(**row)


@router.post("", status_code=201, responses=WRITE)
async def create_user(caller: UsersWriter, request: Request, once: Once, body: NewUser, response: Response) -> User:
    """Add a user, with a role up to the caller's own; `Location` names him."""
    require_reach(caller, body.role, SCOPES)
    require_strength(body.password, body.email, "body.password")
    password_hash = await gateway_of(request).passwords.hash(body.password)

    async def add() -> User:
        row = await queries.insert_user(
            connection,
            caller.tenant_id,
            email=body.email,
            name=body.name,
            password_hash=password_hash,
            role=body.role,
        )
        if row is None:
            raise email_taken()
        return User(**row)

    async with transaction_of(request, caller) as connection:
        answer = await once.carry_out(connection, caller, body, add, undigested="password")
    user = User.model_validate_json(answer)
    response.headers["Location"] = f"{PATH}/{user.id}"
    show_revision(response, user.updated_at)
    return user


@router.patch("/{user_id}", responses=WRITE)
async def update_user(
    caller: UsersWriter, request: Request, user_id: UserId, body: UserChanges, if_match: IfMatch, response: Response
) -> User:
    """Change name, role or password, disable or enable; neither his role nor the new one may be above the caller's.

    Who is disabled is out at once, on every replica, and so are the keys that he made; of who gets a lower role, those
    that may do more than it. Who gets another password must log in again.
    """
    given = body.model_dump(exclude_unset=True)
    password: str | None = given.get("password")
    password_hash = await gateway_of(request).passwords.hash(password) if password else None
    async with transaction_of(request, caller) as connection:
        user = await _reachable(connection, caller, user_id, if_match)
        if password:
            require_strength(password, user["email"], "body.password")
        if "role" in given:
            require_reach(caller, body.role, SCOPES)
        if given.get("disabled") or given.get("role", Role.OWNER) != Role.OWNER:
            await _require_other_owner(connection, caller, user)
        row = await queries.update_user(
            connection,
            caller.tenant_id,
            user_id,
            name=given.get("name"),
            role=given.get("role"),
            disabled=given.get("disabled"),
            password_hash=password_hash,
        )
        if given.get("disabled") or password_hash:
            reason = Ended.USER_DISABLED if given.get("disabled") else Ended.PASSWORD_CHANGED
            await revoke_sessions(connection, caller.tenant_id, user_id, reason)
        role = None if row["disabled_at"] else Role(row["role"])
        await revoke_keys_beyond(connection, caller.tenant_id, user_id, role, SCOPES)
    show_revision(response, row["updated_at"])
    return User(**row)


@router.delete("/{user_id}", status_code=204, responses=WRITE)
async def delete_user(caller: UsersWriter, database: Database, user_id: UserId, if_match: IfMatch) -> None:
    """Remove a user; his sessions and the keys that he made end at once. What he did stays in the audit log."""
    user = await _reachable(database, caller, user_id, if_match)
    await _require_other_owner(database, caller, user)
    await revoke_keys_beyond(database, caller.tenant_id, user_id, None, SCOPES)
    await queries.delete_user(database, caller.tenant_id, user_id)


async def _reachable(connection: Connection, caller: Caller, user_id: UUID, if_match: Precondition) -> asyncpg.Record:
    """The user, locked, whom the caller may change."""
    user = await queries.lock_user(connection, caller.tenant_id, user_id)
    if user is None:
        raise not_found("user", user_id)
    if user["platform_admin"] and not caller.platform_admin:
        raise ProblemError(ErrorCode.AUTHORIZATION_ERROR, "this user is the platform's admin: only another changes him")
    require_reach(caller, Role(user["role"]), SCOPES)
    if if_match.moment is not None and if_match.moment != user["updated_at"]:
        raise ProblemError(
            ErrorCode.PRECONDITION_FAILED,
            "the user has been changed since that revision: read it again",
            details={"updated_at": user["updated_at"].isoformat()},
        )
    return user


async def _require_other_owner(connection: Connection, caller: Caller, user: asyncpg.Record) -> None:
    if user["role"] != Role.OWNER or user["disabled_at"] is not None:
        return
    if not await queries.count_other_owners(connection, caller.tenant_id, user["id"]):
        raise ProblemError(
            ErrorCode.RESOURCE_IN_USE, "the tenant would lose its last owner: make somebody else an owner first"
        )
