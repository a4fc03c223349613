"""`api.TenantService`, `ApplicationService` and `DeviceProfileService`: what there is, page by page.

A list with `limit` 0 has no items, only the count; an admin key sees all tenants, a tenant's key may not even list
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from chirpstack_api import api  # type: ignore[import-untyped]  # generated code without stubs
from google.protobuf.timestamp_pb2 import Timestamp

from parking_simulator.chirpstack.access import Access, not_found, read_uuid, refuse
from parking_simulator.chirpstack.network import CREATED_AT, Network

Thing = TypeVar("Thing")


def page(things: Sequence[Thing], request: Any) -> Sequence[Thing]:
    """The slice that `limit` and `offset` ask for."""
    return things[request.offset : request.offset + request.limit]


def stamp(at: datetime | None) -> Timestamp | None:
    """A moment as protobuf tells it; nothing for never."""
    if at is None:
        return None
    told = Timestamp()
    told.FromDatetime(at)
    return told


class TenantService(api.TenantServiceServicer):  # type: ignore[misc]  # generated code without stubs
    """List only."""

    def __init__(self, network: Network, access: Access) -> None:
        self._network = network
        self._access = access

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """All tenants, by name; for an admin key alone."""
        if await self._access.tenant_of_caller(context) is not None:
            await refuse(context)
        found = [
            one
            for one in sorted(self._network.tenants.values(), key=lambda one: one.name)
            if request.search.lower() in one.name.lower()
        ]
        listed = [
            api.TenantListItem(
                id=one.id,
                name=one.name,
                created_at=stamp(CREATED_AT),
                updated_at=stamp(CREATED_AT),
                can_have_gateways=True,
            )
            for one in page(found, request)
        ]
        return api.ListTenantsResponse(total_count=len(found), result=listed)


class ApplicationService(api.ApplicationServiceServicer):  # type: ignore[misc]  # generated code without stubs
    """List and Get."""

    def __init__(self, network: Network, access: Access) -> None:
        self._network = network
        self._access = access

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """The applications of one tenant, by name."""
        tenant_id = await read_uuid(context, request.tenant_id)
        await self._access.of_tenant(context, tenant_id)
        found = _of_tenant(self._network.applications.values(), tenant_id, request.search)
        listed = [
            api.ApplicationListItem(
                id=one.id,
                name=one.name,
                description=one.description,
                created_at=stamp(CREATED_AT),
                updated_at=stamp(CREATED_AT),
            )
            for one in page(found, request)
        ]
        return api.ListApplicationsResponse(total_count=len(found), result=listed)

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """One application."""
        application_id = await read_uuid(context, request.id)
        found = self._network.applications.get(application_id)
        await self._access.of_tenant(context, found.tenant_id if found else None)
        if found is None:
            await not_found(context, application_id)
        told = api.Application(
            id=found.id, name=found.name, description=found.description, tenant_id=found.tenant_id, tags=found.tags
        )
        return api.GetApplicationResponse(application=told, created_at=stamp(CREATED_AT), updated_at=stamp(CREATED_AT))


class DeviceProfileService(api.DeviceProfileServiceServicer):  # type: ignore[misc]  # generated code without stubs
    """List, Get, and the one list that every good key may read."""

    def __init__(self, network: Network, access: Access) -> None:
        self._network = network
        self._access = access

    async def ListAdrAlgorithms(self, _request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """The ADR algorithms; for any key, whoever's it is."""
        await self._access.tenant_of_caller(context)
        listed = [api.AdrAlgorithmListItem(id="default", name="Default ADR algorithm (LoRa only)")]
        return api.ListDeviceProfileAdrAlgorithmsResponse(total_count=len(listed), result=listed)

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """The device profiles of one tenant, by name."""
        tenant_id = await read_uuid(context, request.tenant_id)
        await self._access.of_tenant(context, tenant_id)
        found = _of_tenant(self._network.profiles.values(), tenant_id, request.search)
        listed = [
            api.DeviceProfileListItem(
                id=one.id,
                name=one.name,
                created_at=stamp(CREATED_AT),
                updated_at=stamp(CREATED_AT),
                region="EU868",
                mac_version="LORAWAN_1_0_3",
                supports_otaa=True,
                supports_class_c=one.device_class == "C",
            )
            for one in page(found, request)
        ]
        return api.ListDeviceProfilesResponse(total_count=len(found), result=listed)

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """One device profile."""
        profile_id = await read_uuid(context, request.id)
        found = self._network.profiles.get(profile_id)
        await self._access.of_tenant(context, found.tenant_id if found else None)
        if found is None:
            await not_found(context, profile_id)
        told = api.DeviceProfile(
            id=found.id,
            tenant_id=found.tenant_id,
            name=found.name,
            region="EU868",
            mac_version="LORAWAN_1_0_3",
            supports_otaa=True,
            supports_class_c=found.device_class == "C",
            class_c_timeout=round(found.class_c_timeout_seconds),
            uplink_interval=found.uplink_interval_seconds,
            flush_queue_on_activate=found.flush_queue_on_activate,
            tags=found.tags,
        )
        return api.GetDeviceProfileResponse(
            device_profile=told, created_at=stamp(CREATED_AT), updated_at=stamp(CREATED_AT)
        )


def _of_tenant(things: Any, tenant_id: str, search: str) -> list[Any]:
    named = (one for one in things if one.tenant_id == tenant_id and search.lower() in one.name.lower())
    return sorted(named, key=lambda one: (one.name, one.id))
