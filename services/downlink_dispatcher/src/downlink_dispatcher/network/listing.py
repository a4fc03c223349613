"""What a ChirpStack has: applications, device profiles, devices and gateways, read with whatever key we were given.

An admin's key lists every tenant. A tenant's key may not even list its own: then the tenants are those of the
applications that are bound here. What the key has no right to is left out and told (`left_out`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import structlog
from chirpstack_api import api, common  # type: ignore[import-untyped]  # generated code without stubs

from downlink_dispatcher.network.chirpstack import CallRefusedError, ChirpStack, Code
from downlink_dispatcher.network.pages import pages

log = structlog.get_logger()

# What is said to the id of something that is not there, or of another network server's.
NOT_OURS = frozenset({Code.NOT_FOUND, Code.INVALID_ARGUMENT})
DeviceClass = Literal["A", "B", "C"]


class Application(msgspec.Struct, frozen=True):
    """An application and the ChirpStack tenant that has it."""

    id: str
    name: str
    tenant_id: str


class Listing:
    """One round of reading. `left_out` is what could not be read, in words; everything else is complete."""

    def __init__(self, chirpstack: ChirpStack) -> None:
        self._chirpstack = chirpstack
        self._classes: dict[str, DeviceClass] = {}
        self.left_out: list[str] = []

    async def applications(self, bound: Iterable[str]) -> list[Application]:
        """Every application that our key covers, the bound ones at least."""
        found: list[Application] = []
        for tenant_id in await self._tenants(bound):
            async for page in self._lists(
                "list_applications", "applications", api.ListApplicationsRequest, tenant_id=tenant_id
            ):
                found += [Application(str(one.id), str(one.name), tenant_id) for one in page]
        return found

    async def read_profiles(self, tenant_ids: Iterable[str]) -> None:
        """Learn the classes of the tenants' device profiles, for `class_of`."""
        for tenant_id in tenant_ids:
            async for page in self._lists(
                "list_profiles", "profiles", api.ListDeviceProfilesRequest, tenant_id=tenant_id
            ):
                self._classes.update({str(one.id): _class_of(one) for one in page})

    async def class_of(self, profile_id: str) -> DeviceClass:
        """The class that a profile's devices may have. One that belongs to no tenant is asked for by itself, once."""
        if (known := self._classes.get(profile_id)) is not None:
            return known
        found: DeviceClass = "A"
        try:
            answer = await self._chirpstack.call(
                "get_profile", self._chirpstack.profiles.Get, api.GetDeviceProfileRequest(id=profile_id)
            )
        except CallRefusedError as error:
            log.warning("device_profile_unknown", profile_id=profile_id, reason=str(error))
        else:
            found = _class_of(answer.device_profile)
        self._classes[profile_id] = found
        return found

    def devices(self, application: Application) -> AsyncIterator[Sequence[Any]]:
        """Pages of an application's devices."""
        return self._lists("list_devices", "devices", api.ListDevicesRequest, application_id=application.id)

    def gateways(self, tenant_id: str) -> AsyncIterator[Sequence[Any]]:
        """Pages of a tenant's LoRaWAN gateways."""
        return self._lists("list_gateways", "gateways", api.ListGatewaysRequest, tenant_id=tenant_id)

    async def traffic(self, gateway_id: str, now: datetime) -> tuple[int, int]:
        """Packets that a gateway received and sent in the last 24 hours (by the clock: this one and 23 before)."""
        request = api.GetGatewayMetricsRequest(gateway_id=gateway_id, aggregation=common.HOUR)
        request.start.FromDatetime(now.astimezone(UTC) - timedelta(hours=23))
        request.end.FromDatetime(now.astimezone(UTC))
        try:
            answer = await self._chirpstack.call("gateway_metrics", self._chirpstack.gateways.GetMetrics, request)
        except CallRefusedError as error:
            log.warning("gateway_metrics_unknown", gateway_id=gateway_id, reason=str(error))
            return 0, 0
        return _sum(answer.rx_packets), _sum(answer.tx_packets)

    async def _tenants(self, bound: Iterable[str]) -> list[str]:
        found: list[str] = []

        async def ask(limit: int, offset: int) -> Any:
            request = api.ListTenantsRequest(limit=limit, offset=offset)
            return await self._chirpstack.call("list_tenants", self._chirpstack.tenants.List, request)

        try:
            async for page in pages(ask):
                found += [str(one.id) for one in page]
        except CallRefusedError as error:
            if not error.is_denied:
                raise
            return await self._tenants_of(bound)
        return found

    async def _tenants_of(self, application_ids: Iterable[str]) -> list[str]:
        """The tenants of applications, each once; the way of a key that may not list them."""
        found: dict[str, None] = {}
        for application_id in application_ids:
            request = api.GetApplicationRequest(id=application_id)
            try:
                answer = await self._chirpstack.call("get_application", self._chirpstack.applications.Get, request)
            except CallRefusedError as error:
                if error.code not in NOT_OURS and not error.is_denied:
                    raise
                # Bound here, but another ChirpStack's, or out of this key's reach.
                log.info("application_not_listed", application_id=application_id, reason=str(error))
                continue
            found[str(answer.application.tenant_id)] = None
        return list(found)

    async def _lists(self, name: str, service: str, request: Any, **of: str) -> AsyncIterator[Sequence[Any]]:
        async def ask(limit: int, offset: int) -> Any:
            stub = getattr(self._chirpstack, service)  # another one after a new connection
            return await self._chirpstack.call(name, stub.List, request(limit=limit, offset=offset, **of))

        try:
            async for page in pages(ask):
                yield page
        except CallRefusedError as error:
            if error.code is not Code.NOT_FOUND:  # deleted since we heard of it
                self.left_out.append(f"{name} {' '.join(of.values())}: {error}")


def _class_of(profile: Any) -> DeviceClass:
    if profile.supports_class_c:
        return "C"
    return "B" if profile.supports_class_b else "A"


def _sum(metric: Any) -> int:
    return int(sum(count for dataset in metric.datasets for count in dataset.data if count >= 0))
