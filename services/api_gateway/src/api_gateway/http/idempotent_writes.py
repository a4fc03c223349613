"""Idempotent writes of what the gateway itself owns: the answer is committed with its effect, and given again.

As the owners of the other nouns do it: the same key and body replay the first answer, the same key with another body is
refused, a simultaneous request waits. What was refused has had no effect, and is tried again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import Depends, Request
from pydantic import BaseModel

from api_gateway.http.idempotency_key import IdempotencyKey, SentKey
from api_gateway.http.problems import refused
from api_gateway.identity.authentication import Caller
from parking_chassis.inbox import answer_once
from parking_chassis.postgres import Connection
from parking_contracts.command import Command
from parking_contracts.errors import Accepted

SCHEMA = "gateway"


class OnceOnly:
    """The idempotency key of one HTTP request."""

    def __init__(self, request: Request, key: IdempotencyKey) -> None:
        self._request = request
        self._key = key

    async def carry_out(
        self,
        connection: Connection,
        caller: Caller,
        body: BaseModel | None,
        act: Callable[[], Awaitable[BaseModel]],
        *,
        undigested: str = "",
    ) -> bytes:
        """The answer of `act` as JSON, or the one that this key got before, in a transaction of the caller's tenant.

        Args:
            connection: The transaction of the effect.
            caller: Whose key it is.
            body: What was asked, if the route takes any; another one under the same key is refused.
            act: Makes the effect; a ProblemError undoes it, and nothing is remembered.
            undigested: The field of the body that holds a password: no quick digest of it may be stored.

        Raises:
            ProblemError: IDEMPOTENCY_KEY_REUSED or REQUEST_IN_FLIGHT, or as `act` does.
        """
        asked = "" if body is None else body.model_dump_json(exclude={undigested, "request_id"})
        command = Command(
            tenant_id=caller.tenant_id,
            caller=caller.name,
            request_id=self._request.state.request_id,
            body=None,
            idempotency_key=self._key.chosen(getattr(body, "request_id", None)),
            body_sha256=hashlib.sha256(self._request.url.path.encode() + b"\0" + asked.encode()).hexdigest(),
        )

        async def accept() -> Accepted:
            return Accepted(result=msgspec.Raw((await act()).model_dump_json().encode()))

        reply = await answer_once(connection, SCHEMA, command, accept)
        if isinstance(reply, Accepted):
            return bytes(reply.result)
        raise refused(reply)


async def _once(request: Request, key: SentKey) -> OnceOnly:
    return OnceOnly(request, key)


Once = Annotated[OnceOnly, Depends(_once)]
