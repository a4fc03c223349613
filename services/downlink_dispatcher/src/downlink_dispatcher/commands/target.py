"""Whom a command is for: a display of the tenant's own, in an application of its own, that can be reached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec

from downlink_dispatcher.commands import refusals
from downlink_dispatcher.domain.policy import choose_codec
from downlink_dispatcher.store import commands as store
from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid, not_found
from parking_codecs.display import DisplayCodec
from parking_codecs.registry import Registry
from parking_contracts.device import parse_eui
from parking_contracts.errors import Refusal


@dataclass(frozen=True, slots=True)
class Target:
    """A display to which something may be sent."""

    device: store.Device
    codec: DisplayCodec


class Targets:
    """Finds displays by the installed codecs.

    Args:
        registry: The codecs.
        fresh: For how long what the network server told of a gateway is believed.
    """

    def __init__(self, registry: Registry, fresh: timedelta) -> None:
        self._registry = registry
        self._fresh = fresh

    async def find(self, connection: Connection, tenant_id: UUID, text: str) -> Target | Refusal:
        """The display of this DevEUI in any notation."""
        dev_eui = read_eui(text)
        if isinstance(dev_eui, Refusal):
            return dev_eui
        device = await store.find_device(connection, tenant_id, dev_eui)
        if device is None:
            return not_found("device", dev_eui)
        codec = choose_codec(self._registry, msgspec.structs.asdict(device))
        if codec is None:
            return refusals.no_display(dev_eui, sorted(self._registry.displays))
        if not device.is_bound:
            return refusals.not_bound(dev_eui)
        return Target(device, codec)

    async def trouble(self, connection: Connection, tenant_id: UUID, dev_eui: str) -> Refusal | None:
        """Why nothing would reach the display now, as far as that is known."""
        reach = await store.find_reach(connection, tenant_id, dev_eui, self._fresh)
        if reach.gateway_id is not None and reach.state == "offline":
            return refusals.gateway_offline(reach.gateway_id, reach.last_seen_at)
        return refusals.no_gateway_online(reach.gateways) if reach.gateways and not reach.online else None


def read_eui(text: str) -> str | Refusal:
    """A DevEUI in any notation, as the platform writes it."""
    try:
        return parse_eui(text)
    except ValueError as error:
        return invalid("dev_eui", str(error))
