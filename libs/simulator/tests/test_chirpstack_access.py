"""Keys, rights and faults of the ChirpStack double, and what its lists answer, over real gRPC."""

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from chirpstack_api import api
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from parking_simulator.chirpstack import Application, ChirpStackDouble, Gateway, Network, Tenant
from parking_simulator.chirpstack.displays import Busylight, HeltecSign
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID, TENANT_ID, StartChirpStack, add_display, call, network_of

OTHER_TENANT = "11111111-1111-4111-8111-111111111111"
OTHER_APPLICATION = "22222222-2222-4222-8222-222222222222"
KEY, TENANT_KEY = "the-admins", "the-citys"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


def two_tenants() -> Network:
    network = network_of(*[Busylight] * 5, HeltecSign)
    network.tenants[OTHER_TENANT] = Tenant(id=OTHER_TENANT, name="Airport")
    network.applications[OTHER_APPLICATION] = Application(id=OTHER_APPLICATION, tenant_id=OTHER_TENANT, name="decks")
    network.gateways["00" * 8] = Gateway(id="00" * 8, tenant_id=OTHER_TENANT, name="apron", state="never_seen")
    add_display(network, Busylight, "0" * 15 + "1", application_id=OTHER_APPLICATION)
    return network


@pytest.fixture
async def double(chirpstack: StartChirpStack) -> ChirpStackDouble:
    return await chirpstack(two_tenants(), mqtt=None, token=KEY, tenant_tokens={TENANT_KEY: TENANT_ID})


async def code_of(attempt: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as refused:
        await attempt
    return refused.value.code()


def a_device(double: ChirpStackDouble) -> str:
    return next(one.dev_eui for one in double.network.devices.values() if one.application_id == APPLICATION_ID)


@pytest.mark.parametrize("token", [None, "forged"])
async def test_without_a_known_token_every_method_is_unauthenticated(
    double: ChirpStackDouble, token: str | None
) -> None:
    ask = call(double, api.DeviceServiceStub, token=token)
    assert await code_of(ask.Get(api.GetDeviceRequest(dev_eui=a_device(double)))) is UNAUTHENTICATED
    ask = call(double, api.GatewayServiceStub, token=token)
    assert await code_of(ask.List(api.ListGatewaysRequest(limit=1))) is UNAUTHENTICATED
    ask = call(double, api.TenantServiceStub, token=token)
    assert await code_of(ask.List(api.ListTenantsRequest(limit=1))) is UNAUTHENTICATED


async def test_a_tenants_key_sees_its_own_and_is_unauthenticated_for_the_rest(double: ChirpStackDouble) -> None:
    devices = call(double, api.DeviceServiceStub, token=TENANT_KEY)
    assert (await devices.Get(api.GetDeviceRequest(dev_eui=a_device(double)))).device.application_id == APPLICATION_ID
    for eui in ("0" * 15 + "1", "ff" * 8):  # another tenant's, and nobody's
        assert await code_of(devices.Get(api.GetDeviceRequest(dev_eui=eui))) is UNAUTHENTICATED
    gateways = call(double, api.GatewayServiceStub, token=TENANT_KEY)
    assert (await gateways.List(api.ListGatewaysRequest(limit=9, tenant_id=TENANT_ID))).total_count == 1
    for tenant in ("", OTHER_TENANT):
        assert await code_of(gateways.List(api.ListGatewaysRequest(limit=9, tenant_id=tenant))) is UNAUTHENTICATED
    tenants = call(double, api.TenantServiceStub, token=TENANT_KEY)
    assert await code_of(tenants.List(api.ListTenantsRequest(limit=9))) is UNAUTHENTICATED


async def test_faults_come_and_go(double: ChirpStackDouble) -> None:
    eui = a_device(double)
    ask = call(double, api.DeviceServiceStub)
    request = api.GetDeviceRequest(dev_eui=eui)
    double.deny_device(eui)
    assert await code_of(ask.Get(request)) is UNAUTHENTICATED
    double.allow_device(eui)
    double.faults.refuse_tokens = True
    assert await code_of(ask.Get(request)) is UNAUTHENTICATED
    double.faults.refuse_tokens = False
    double.faults.answer_rubbish = True
    assert await ask.Get(request) is None  # what grpc.aio makes of an answer that it cannot read
    double.faults.answer_rubbish = False
    double.faults.delay_seconds = 5.0
    async with aio.insecure_channel(double.url.partition("://")[2]) as channel:
        late = api.DeviceServiceStub(channel).Get(request, metadata=[("authorization", f"Bearer {KEY}")], timeout=0.1)
        assert await code_of(late) is grpc.StatusCode.DEADLINE_EXCEEDED
    double.faults.delay_seconds = 0.0
    assert (await ask.Get(request)).device.dev_eui == eui


async def test_a_limit_of_0_gives_the_count_alone_and_pages_hold_everything_once(double: ChirpStackDouble) -> None:
    ask = call(double, api.DeviceServiceStub)
    counted = await ask.List(api.ListDevicesRequest(application_id=APPLICATION_ID))
    assert (counted.total_count, len(counted.result)) == (6, 0)
    found = []
    for offset in range(0, 8, 4):
        answer = await ask.List(api.ListDevicesRequest(application_id=APPLICATION_ID, limit=4, offset=offset))
        found += [one.dev_eui for one in answer.result]
    assert sorted(found) == sorted(one for one in double.network.devices if one != "0" * 15 + "1")


async def test_tenants_applications_and_profiles_are_listed(double: ChirpStackDouble) -> None:
    tenants = await call(double, api.TenantServiceStub).List(api.ListTenantsRequest(limit=9))
    assert [one.name for one in tenants.result] == ["Airport", "City"]
    ask = call(double, api.ApplicationServiceStub)
    applications = await ask.List(api.ListApplicationsRequest(limit=9, tenant_id=OTHER_TENANT))
    assert [(one.id, one.name) for one in applications.result] == [(OTHER_APPLICATION, "decks")]
    one = await ask.Get(api.GetApplicationRequest(id=OTHER_APPLICATION))
    assert one.application.tenant_id == OTHER_TENANT
    assert await code_of(ask.List(api.ListApplicationsRequest(limit=9))) is grpc.StatusCode.INVALID_ARGUMENT
    ask = call(double, api.DeviceProfileServiceStub)
    profiles = await ask.List(api.ListDeviceProfilesRequest(limit=9, tenant_id=TENANT_ID))
    assert [one.name for one in profiles.result] == ["Heltec Class C Sign", "Kuando Busylight"]
    profile = await ask.Get(api.GetDeviceProfileRequest(id=profiles.result[0].id))
    assert profile.device_profile.supports_class_c
    missing = ask.Get(api.GetDeviceProfileRequest(id=OTHER_APPLICATION))
    assert await code_of(missing) is grpc.StatusCode.NOT_FOUND


async def test_gateways_tell_their_state_and_what_they_received_and_sent(double: ChirpStackDouble) -> None:
    ask = call(double, api.GatewayServiceStub)
    listed = {one.gateway_id: one for one in (await ask.List(api.ListGatewaysRequest(limit=9))).result}
    now = datetime.now(UTC)
    assert listed[GATEWAY_ID].state == api.GatewayState.ONLINE
    assert now - listed[GATEWAY_ID].last_seen_at.ToDatetime(UTC) < timedelta(minutes=1)
    assert listed["00" * 8].state == api.GatewayState.NEVER_SEEN
    assert not listed["00" * 8].HasField("last_seen_at")
    double.network.gateways[GATEWAY_ID].state = "offline"
    (gone,) = (await ask.List(api.ListGatewaysRequest(limit=9, tenant_id=TENANT_ID))).result
    assert gone.state == api.GatewayState.OFFLINE
    start, end = Timestamp(), Timestamp()
    start.FromDatetime(now - timedelta(hours=2))
    end.FromDatetime(now)
    request = api.GetGatewayMetricsRequest(gateway_id=GATEWAY_ID, start=start, end=end, aggregation="HOUR")
    metrics = await ask.GetMetrics(request)
    assert len(metrics.rx_packets.timestamps) == len(metrics.rx_packets.datasets[0].data) == 3
    # A Busylight reports after its join, the sign says that it is there.
    assert sum(metrics.rx_packets.datasets[0].data) == 6 + 1
    assert metrics.tx_packets.datasets[0].label == "tx_count"
