"""Downlinks through ChirpStack's gRPC API: what it queues, what it refuses, and whose devices it is asked for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chirpstack_api import api
from google.protobuf.empty_pb2 import Empty
from grpc import aio

from downlink_dispatcher import metrics
from downlink_dispatcher.network.chirpstack import ChirpStack, open_channel
from downlink_dispatcher.network.grpc_transport import GrpcTransport
from downlink_dispatcher.network.transport import DeviceDeniedError, EnqueueFailedError, NetworkAwayError
from parking_chassis.tls import TlsFileError
from parking_simulator.chirpstack import Application, ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight
from stack.chirpstack import APPLICATION_ID, TENANT_ID, StartChirpStack, add_display, network_of, new_display_eui
from stack.network_client import Synced, connected, item_for, network_settings, transport_to
from stack.waiting import eventually
from stack.webhook_receiver import make_certificate

DENIED = "has no device [0-9a-f]{16} in the tenant's application, or lets nobody send to it$"
OTHER_APPLICATION = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
async def double(chirpstack: StartChirpStack) -> ChirpStackDouble:
    """Two displays that hear nothing: what is queued for them stays."""
    network = network_of()
    network.applications[OTHER_APPLICATION] = Application(id=OTHER_APPLICATION, tenant_id=TENANT_ID, name="decks")
    for application_id in (APPLICATION_ID, OTHER_APPLICATION):
        device = add_display(network, Busylight, application_id=application_id, device_class="A")
        device.gateways = ()
    return await chirpstack(network, mqtt=None)


def display_of(double: ChirpStackDouble, application_id: str = APPLICATION_ID) -> str:
    return next(one.dev_eui for one in double.network.devices.values() if one.application_id == application_id)


async def test_an_item_is_queued_as_it_is_under_an_id_of_chirpstacks_own(double: ChirpStackDouble) -> None:
    item = item_for(display_of(double), confirmed=True)
    async with transport_to(double) as transport:
        queue_item_id = await transport.enqueue(item)
        assert await transport.check() is None
    (queued,) = double.queue_of(item.dev_eui)
    assert queued.id == queue_item_id != str(item.downlink_id)
    assert (queued.f_port, queued.data, queued.confirmed) == (15, item.payload, True)
    assert queued.expires_at == pytest.approx(item.expires_at.timestamp(), abs=0.001)


async def test_a_flush_empties_the_queue_first(double: ChirpStackDouble) -> None:
    dev_eui = display_of(double)
    async with transport_to(double) as transport:
        await transport.enqueue(item_for(dev_eui))
        await transport.enqueue(item_for(dev_eui))
        last = await transport.enqueue(item_for(dev_eui, payload=b"\x01", flush=True))
    assert [one.id for one in double.queue_of(dev_eui)] == [last]


async def test_an_equal_item_is_found_in_the_queue(double: ChirpStackDouble) -> None:
    item = item_for(display_of(double))
    async with transport_to(double) as transport:
        assert await transport.find(item) is None
        await transport.enqueue(item)
        newest = await transport.enqueue(item)
        assert await transport.find(item) == newest
        for change in ({"f_port": 16}, {"payload": b"\x00"}, {"confirmed": True}):
            assert await transport.find(item_for(item.dev_eui, **change)) is None


async def test_an_expired_item_is_not_found(double: ChirpStackDouble) -> None:
    item = item_for(display_of(double), expires_at=datetime.now(UTC) - timedelta(seconds=1))
    async with transport_to(double) as transport:
        await transport.enqueue(item)
        assert len(double.queue_of(item.dev_eui)) == 1
        assert await transport.find(item) is None


async def test_a_refusal_of_chirpstack_is_a_failed_attempt_in_its_words(double: ChirpStackDouble) -> None:
    async with transport_to(double) as transport:
        with pytest.raises(EnqueueFailedError, match="FPort must be between 1 - 255"):
            await transport.enqueue(item_for(display_of(double), f_port=256))
        assert await transport.check() is None


async def test_an_unknown_device_is_denied(double: ChirpStackDouble) -> None:
    async with transport_to(double) as transport:
        with pytest.raises(DeviceDeniedError, match=DENIED):
            await transport.enqueue(item_for(new_display_eui()))
        assert await transport.check() is None


async def test_one_device_out_of_the_keys_reach_stops_nobody_else(double: ChirpStackDouble) -> None:
    dev_eui, synced = display_of(double), Synced()
    other = display_of(double, OTHER_APPLICATION)
    synced[other] = OTHER_APPLICATION
    double.deny_device(other)
    async with transport_to(double, synced) as transport:
        for _ in range(3):
            with pytest.raises(DeviceDeniedError, match=DENIED):
                await transport.enqueue(item_for(other, application_id=OTHER_APPLICATION))
            await transport.enqueue(item_for(dev_eui))
        assert await transport.check() is None
    assert len(double.queue_of(dev_eui)) == 3


async def test_a_device_of_another_application_is_not_sent_to(double: ChirpStackDouble) -> None:
    theirs = display_of(double, OTHER_APPLICATION)
    before = metrics.FOREIGN_DEVICES._value.get()
    for synced in (Synced(), Synced({theirs: OTHER_APPLICATION}), Synced({theirs: "gone"})):
        async with transport_to(double, synced) as transport:
            for claim in (item_for(theirs), item_for(theirs, application_id="")):
                with pytest.raises(DeviceDeniedError, match=DENIED):
                    await transport.enqueue(claim)
                with pytest.raises(DeviceDeniedError, match=DENIED):
                    await transport.find(claim)
    assert double.queue_of(theirs) == []
    assert metrics.FOREIGN_DEVICES._value.get() == before + 12


async def test_a_device_that_moved_since_the_sync_is_sent_to(double: ChirpStackDouble) -> None:
    moved = display_of(double)
    async with transport_to(double, Synced({moved: OTHER_APPLICATION})) as transport:
        await transport.enqueue(item_for(moved))
    assert len(double.queue_of(moved)) == 1


async def test_over_tls_the_server_must_be_signed_by_the_named_authority(
    chirpstack: StartChirpStack, tmp_path: Path
) -> None:
    _, authority = make_certificate(tmp_path, "localhost")
    double = await chirpstack(network_of(Busylight), mqtt=None, tls=(tmp_path / "key.pem", authority))
    url = double.url.replace("127.0.0.1", "localhost")
    item = item_for(display_of(double))
    synced = Synced({item.dev_eui: item.application_id})
    async with connected(network_settings(url, chirpstack_token=double.token, chirpstack_tls_ca=authority)) as trusting:
        assert await GrpcTransport(trusting, synced).enqueue(item)
    async with connected(network_settings(url, chirpstack_token=double.token)) as doubting:
        with pytest.raises(NetworkAwayError):
            await GrpcTransport(doubting, synced).enqueue(item)
        assert "set PARKSTREAM_CHIRPSTACK_TLS_CA to the PEM file" in str(doubting.availability.problem)


def test_a_file_of_an_authority_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TlsFileError, match=r"PARKSTREAM_CHIRPSTACK_TLS_CA=.*No such file"):
        open_channel("https://localhost", tmp_path / "ca.pem")


class Absent(api.DeviceServiceServicer, api.DeviceProfileServiceServicer):
    """A ChirpStack that takes everything and tells no id."""

    async def Enqueue(self, _request, _context):  # noqa: N802
        return api.EnqueueDeviceQueueItemResponse(id="")

    async def Get(self, _request, _context):  # noqa: N802
        return api.GetDeviceResponse()

    async def ListAdrAlgorithms(self, _request: Empty, _context):  # noqa: N802
        return api.ListDeviceProfileAdrAlgorithmsResponse()


@pytest.fixture
async def absent():
    server = aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    api.add_DeviceServiceServicer_to_server(Absent(), server)
    api.add_DeviceProfileServiceServicer_to_server(Absent(), server)
    await server.start()
    yield network_settings(f"http://127.0.0.1:{port}", chirpstack_token="key")
    await server.stop(None)


async def test_an_answer_without_an_id_or_an_application_is_a_failed_attempt(absent) -> None:
    async with connected(absent) as chirpstack:
        await eventually(lambda: chirpstack.availability.quiet_seconds < 5)
        known = item_for(new_display_eui())
        with pytest.raises(EnqueueFailedError, match="no id of a queue item, but ''"):
            await transport_with(chirpstack, known.dev_eui).enqueue(known)
        with pytest.raises(EnqueueFailedError, match="did not say in which application"):
            await transport_with(chirpstack).enqueue(known)
        assert chirpstack.availability.problem is None


def transport_with(chirpstack: ChirpStack, *dev_euis: str) -> GrpcTransport:
    return GrpcTransport(chirpstack, Synced(dict.fromkeys(dev_euis, APPLICATION_ID)))
