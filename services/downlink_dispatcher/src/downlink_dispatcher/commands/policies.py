"""policy.set, policy.reset, policy.preview: how a tenant's displays show states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from downlink_dispatcher.domain.policy import Shade, default_shade, orders_for_state
from downlink_dispatcher.store import policies
from downlink_dispatcher.wishing import Wishing
from parking_chassis.postgres import Connection
from parking_codecs.codec import CodecError
from parking_codecs.display import DisplayCodec
from parking_codecs.registry import Registry
from parking_contracts.command import Command
from parking_contracts.downlink import PolicyEntry, PolicyPreview
from parking_contracts.downlink_commands import PreviewPolicy, ResetDisplayPolicy, SetDisplayPolicy
from parking_contracts.space import SpaceState


class PolicyCommands:
    """The policy of one tenant."""

    def __init__(self, wishing: Wishing) -> None:
        self._wishing = wishing

    async def set(self, connection: Connection, command: Command[SetDisplayPolicy]) -> PolicyEntry:
        """Show a state so; its displays follow at once."""
        body = command.body
        entry = PolicyEntry(
            state=body.state,
            colour=body.colour.upper(),
            on_centiseconds=body.on_centiseconds,
            off_centiseconds=body.off_centiseconds,
            is_default=False,
        )
        await policies.set_policy(connection, command.tenant_id, entry)
        await self._wishing.wish_for_tenant(connection, command.tenant_id)
        return entry

    async def reset(self, connection: Connection, command: Command[ResetDisplayPolicy]) -> PolicyEntry:
        """Show a state as by default; said again, it changes nothing."""
        state = command.body.state
        await policies.reset_policy(connection, command.tenant_id, state)
        await self._wishing.wish_for_tenant(connection, command.tenant_id)
        return PolicyEntry(state=state, **msgspec.structs.asdict(default_shade(state)), is_default=True)

    async def preview(self, connection: Connection, command: Command[PreviewPolicy]) -> list[PolicyPreview]:
        """What every family of displays would get; nothing is changed."""
        shades = {state: default_shade(state) for state in SpaceState}
        shades |= await policies.policy_of(connection, command.tenant_id)
        for one in command.body.shades:
            shades[one.state] = Shade(one.colour.upper(), one.on_centiseconds, one.off_centiseconds)
        return list(_previews(self._wishing.registry, shades))


def _previews(registry: Registry, shades: Mapping[SpaceState, Shade]) -> Iterator[PolicyPreview]:
    for name in sorted(registry.displays):
        for state, shade in shades.items():
            yield _preview(registry.displays[name], state, shade)


def _preview(codec: DisplayCodec, state: SpaceState, shade: Shade) -> PolicyPreview:
    try:
        orders = orders_for_state(codec, state, shade)
    except CodecError as error:
        return PolicyPreview(codec=codec.name, state=state, f_port=None, payload=None, command=None, error=str(error))
    return PolicyPreview(
        codec=codec.name,
        state=state,
        f_port=orders.f_port,
        payload=orders.payload.hex(),
        command=msgspec.to_builtins(orders.command),
    )
