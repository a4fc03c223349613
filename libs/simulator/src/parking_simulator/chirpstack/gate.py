"""What every gRPC call passes first: the token, and the faults that a test has switched on.

In: a call's metadata. Out: the real handler, or one that fails the way ChirpStack, or what stands before it, would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
import msgspec
from grpc import aio

RUBBISH = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
Continuation = Callable[[Any], Awaitable[Any]]


class Faults(msgspec.Struct, kw_only=True):
    """What goes wrong from now on; every field may be changed at any time.

    refuse_tokens: every token is taken for a forged one.
    denied: devices (DevEUI, lower case) which the token has no right to.
    delay_seconds: how long every call waits before it is looked at.
    answer_rubbish: bytes that are no protobuf message come back; grpc.aio makes None of them, without an error.
    """

    refuse_tokens: bool = False
    denied: set[str] = msgspec.field(default_factory=set)
    delay_seconds: float = 0.0
    answer_rubbish: bool = False


class Gate(aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in its stubs alone
    """Checks the token's signature; what it may do, `access` says."""

    def __init__(self, faults: Faults, knows: Callable[[str], bool]) -> None:
        self._faults = faults
        self._knows = knows

    async def intercept_service(self, continuation: Continuation, handler_call_details: Any) -> Any:
        """Answer with the handler to use."""
        if self._faults.delay_seconds:
            await asyncio.sleep(self._faults.delay_seconds)
        if self._faults.answer_rubbish:
            return grpc.unary_unary_rpc_method_handler(_rubbish)
        metadata = dict(handler_call_details.invocation_metadata or ())
        given = metadata.get("authorization")
        if given is None:
            # Not refused here: each method then says that there is no authorization.
            return await continuation(handler_call_details)
        if not given.startswith("Bearer "):
            return _unauthenticated("authorization metadata must in format 'Bearer <TOKEN>")
        if self._faults.refuse_tokens or not self._knows(given.removeprefix("Bearer ")):
            return _unauthenticated("InvalidSignature")
        return await continuation(handler_call_details)


async def _rubbish(_request: bytes, _context: Any) -> bytes:
    return RUBBISH


def _unauthenticated(details: str) -> Any:
    async def refuse(_request: Any, context: Any) -> NoReturn:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, details)
        raise AssertionError("abort raises")

    return grpc.unary_unary_rpc_method_handler(refuse)
