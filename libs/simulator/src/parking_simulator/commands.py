"""Asking a service for something: one NATS request per command, the answer as a value.

In: a command's body. Out: the owner's answer, decoded, or `CommandRefusedError` with its refusal. For the
command line, the demo and the tests; the gateway has a client of its own.
"""

from __future__ import annotations

import uuid
from typing import Final, TypeVar

import msgspec
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from parking_contracts import subjects
from parking_contracts.command import Command, CommandBody
from parking_contracts.errors import Accepted, Refusal, Reply

Answer = TypeVar("Answer")
_reply: Final = msgspec.json.Decoder(Reply)


class CommandRefusedError(Exception):
    """The owner of the noun said no; `refusal` says why."""

    def __init__(self, name: str, refusal: Refusal) -> None:
        super().__init__(f"{name}: {refusal.message} ({refusal.code})")
        self.refusal = refusal


class NobodyAnswersError(Exception):
    """No service answers this command, or not in time."""


class CommandClient:
    """Sends commands to their owners on behalf of one tenant. `caller` is such as `cli:replay`."""

    def __init__(self, nats: Client, tenant_id: uuid.UUID, *, caller: str, timeout_seconds: float = 10.0) -> None:
        self.tenant_id = tenant_id
        self._nats = nats
        self._caller = caller
        self._timeout_seconds = timeout_seconds

    async def ask(self, body: CommandBody, answer: type[Answer]) -> Answer:
        """Carry out a command. Raises CommandRefusedError or NobodyAnswersError."""
        name, owner = subjects.command_name(body.subject), subjects.command_owner(body.subject)
        command = Command(tenant_id=self.tenant_id, caller=self._caller, request_id=uuid.uuid4().hex, body=body)
        try:
            message = await self._nats.request(
                body.subject, msgspec.json.encode(command), timeout=self._timeout_seconds
            )
        except NoRespondersError:
            raise NobodyAnswersError(f"no {owner} service is there to answer {name}") from None
        except NatsTimeoutError:
            raise NobodyAnswersError(
                f"the {owner} service did not answer {name} in {self._timeout_seconds:g} s"
            ) from None
        reply: Accepted | Refusal = _reply.decode(message.data)
        if isinstance(reply, Refusal):
            raise CommandRefusedError(name, reply)
        return msgspec.json.decode(reply.result, type=answer)
