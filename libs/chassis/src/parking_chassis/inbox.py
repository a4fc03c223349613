"""The inbox: a command's answer is committed with its effect, so a retry replays the answer and repeats nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec

from parking_chassis.postgres import Connection
from parking_contracts.command import Command
from parking_contracts.errors import ErrorCode, Refusal, Reply

IN_FLIGHT_SECONDS = 5
# Refusals that the next attempt may well not get.
PASSING = frozenset(
    {
        ErrorCode.REQUEST_IN_FLIGHT,
        ErrorCode.DEPENDENCY_UNAVAILABLE,
        ErrorCode.NO_GATEWAY_ONLINE,
        ErrorCode.RATE_LIMITED,
    }
)
_decode_reply: Callable[[bytes], Reply] = msgspec.json.Decoder(Reply).decode


async def answer_once(
    connection: Connection, schema: str, command: Command[Any], answer: Callable[[], Awaitable[Reply]]
) -> Reply:
    """Run `answer` inside the caller's transaction, unless this key was answered before; then replay that answer.

    A simultaneous request with the same key waits for the first one, at most 5 s. The same key with another body is
    refused. `answer` leaves no effect behind when it returns a refusal.
    """
    key = command.idempotency_key
    if key is None:
        return await answer()
    scope = (command.tenant_id, command.caller, key)
    try:
        async with connection.transaction():
            usual = await connection.fetchval("SELECT current_setting('lock_timeout')")
            await connection.execute("SELECT set_config('lock_timeout', $1, true)", f"{IN_FLIGHT_SECONDS}s")
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", "\x1f".join(map(str, scope))
            )
            await connection.execute("SELECT set_config('lock_timeout', $1, true)", usual)
    except asyncpg.LockNotAvailableError:
        return Refusal(
            code=ErrorCode.REQUEST_IN_FLIGHT,
            message=f"a request with the key {key!r} is still being answered; ask again in a moment",
        )
    earlier = await connection.fetchrow(
        f"""
        SELECT body_sha256, reply FROM {schema}.inbox
        WHERE (tenant_id, caller, idempotency_key) = ($1, $2, $3)
        """,  # noqa: S608  the schema is the service's own name
        *scope,
    )
    if earlier is not None:
        if earlier["body_sha256"] != command.body_sha256:
            return Refusal(
                code=ErrorCode.IDEMPOTENCY_KEY_REUSED,
                message=f"the key {key!r} was used before with another body; choose a new key",
            )
        return _decode_reply(earlier["reply"])
    reply = await answer()
    if isinstance(reply, Refusal) and reply.code in PASSING:
        return reply
    await connection.execute(
        f"""
        INSERT INTO {schema}.inbox (tenant_id, caller, idempotency_key, body_sha256, reply)
        VALUES ($1, $2, $3, $4, $5)
        """,  # noqa: S608
        *scope,
        command.body_sha256,
        msgspec.json.encode(reply),
    )
    return reply
