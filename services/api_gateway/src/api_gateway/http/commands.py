"""Commands: what a client wants changed, sent over NATS to the service that owns the noun, and its answer.

The owner refuses or accepts; a time-out (504) leaves it open, and a retry with the same idempotency key is then safe.
The caller, the key and the body's digest travel along, so that the owner can recognise that retry.
"""

from __future__ import annotations

import hashlib
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import Depends, Request
from nats.errors import ConnectionClosedError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from api_gateway.gateway import gateway_of
from api_gateway.http.idempotency_key import IdempotencyKey, SentKey
from api_gateway.http.problems import ProblemError, refused, unavailable
from api_gateway.identity.authentication import Caller
from parking_contracts import subjects
from parking_contracts.command import Command, CommandBody
from parking_contracts.errors import Accepted, ErrorCode, Reply

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_reply = msgspec.json.Decoder(Reply)


class CommandSender:
    """Sends the commands of one HTTP request."""

    def __init__(self, request: Request, key: IdempotencyKey) -> None:
        self._request = request
        self._key = key

    async def send(
        self,
        caller: Caller,
        body: CommandBody,
        *,
        tenant_id: UUID | None = None,
        body_request_id: str | None = None,
        seconds: float | None = None,
    ) -> bytes:
        """Ask the owner of the noun to carry out a command; its result as JSON.

        It is for the caller's tenant, unless a platform admin names another. The owner may take `seconds`, or as long
        as the settings say.

        Raises:
            ProblemError: The owner's refusal, TIMEOUT, or DEPENDENCY_UNAVAILABLE when it cannot be reached.
        """
        gateway = gateway_of(self._request)
        owner = f"the {subjects.command_owner(body.subject)} service"
        command = Command(
            tenant_id=tenant_id or caller.tenant_id,
            caller=caller.name,
            request_id=self._request.state.request_id,
            body=body,
            platform_admin=caller.platform_admin,
            idempotency_key=self._key.chosen(body_request_id),
            body_sha256=hashlib.sha256(body.subject.encode() + b"\0" + _encode(body)).hexdigest(),
        )
        client = gateway.bus.connected()
        seconds = seconds or gateway.settings.command_seconds
        try:
            message = await client.request(body.subject, _encode(command), timeout=seconds)
        except NoRespondersError as error:
            raise unavailable(owner) from error
        except ConnectionClosedError as error:
            raise unavailable("NATS") from error
        except NatsTimeoutError as error:
            raise ProblemError(
                ErrorCode.TIMEOUT,
                f"{owner} did not answer within {seconds:g} s; whether the change was made is unknown: "
                "ask again with the same Idempotency-Key",
            ) from error
        reply = _decode_reply.decode(message.data)
        if isinstance(reply, Accepted):
            return bytes(reply.result)
        raise refused(reply)


async def _sender(request: Request, key: SentKey) -> CommandSender:
    return CommandSender(request, key)


Commands = Annotated[CommandSender, Depends(_sender)]
