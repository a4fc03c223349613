"""Who calls, and whether he may: ChirpStack's API keys, and the way it says no.

In: a call's context. Out: nothing, or the call ends as ChirpStack ends it: UNAUTHENTICATED where a right is missing,
INTERNAL for an EUI that is none, INVALID_ARGUMENT for a UUID that is none, NOT_FOUND for what does not exist.
"""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

import grpc
import msgspec

from parking_simulator.chirpstack.gate import Faults
from parking_simulator.chirpstack.network import Network, NetworkDevice

DEVICE_EUI_CHARACTERS = 16


class Access(msgspec.Struct, kw_only=True):
    """The keys: an admin key sees everything, a tenant's key what is the tenant's."""

    network: Network
    faults: Faults
    admin_tokens: set[str]
    tenant_tokens: dict[str, str]

    def knows(self, token: str) -> bool:
        """Whether we signed this token."""
        return token in self.admin_tokens or token in self.tenant_tokens

    async def tenant_of_caller(self, context: Any) -> str | None:
        """The caller's tenant, or None for an admin key."""
        metadata = dict(context.invocation_metadata() or ())
        given = str(metadata.get("authorization", "")).removeprefix("Bearer ")
        if not self.knows(given):
            await refuse(context, "no authorization provided")
        return None if given in self.admin_tokens else self.tenant_tokens[given]

    async def of_tenant(self, context: Any, tenant_id: str | None) -> None:
        """End the call unless the caller may see this tenant; None stands for everybody's."""
        caller = await self.tenant_of_caller(context)
        if caller is not None and caller != tenant_id:
            await refuse(context)

    async def device(self, context: Any, dev_eui: str) -> NetworkDevice | None:
        """The device, if the caller may see it; None for an admin's unknown one."""
        caller = await self.tenant_of_caller(context)
        device = self.network.devices.get(dev_eui)
        if dev_eui in self.faults.denied:
            await refuse(context)
        if caller is not None and (device is None or self.network.tenant_of(device) != caller):
            await refuse(context)
        return device


async def refuse(context: Any, details: str = "") -> NoReturn:
    """The answer to a missing right: the same as to a missing token."""
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, details)
    raise AssertionError("abort raises")


async def read_eui(context: Any, text: str) -> str:
    """An EUI in lower case; INTERNAL when it is none, as ChirpStack takes it for its own failure."""
    try:
        parsed = bytes.fromhex(text) if len(text) == DEVICE_EUI_CHARACTERS else None
    except ValueError:
        parsed = None
    if parsed is None:
        await context.abort(grpc.StatusCode.INTERNAL, "Invalid string length or character")
        raise AssertionError("abort raises")
    return parsed.hex()


async def read_uuid(context: Any, text: str) -> str:
    """A UUID in its usual notation; INVALID_ARGUMENT when it is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"invalid UUID: {text[:50]!r}")
        raise AssertionError("abort raises") from None


async def not_found(context: Any, identity: str) -> NoReturn:
    """The answer for what does not exist."""
    await context.abort(grpc.StatusCode.NOT_FOUND, f"Object does not exist (id: {identity})")
    raise AssertionError("abort raises")
