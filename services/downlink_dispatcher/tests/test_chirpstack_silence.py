"""A connection that swallows everything, as a middlebox leaves it: it is given up for a new one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from downlink_dispatcher.network.grpc_transport import GrpcTransport
from downlink_dispatcher.network.mqtt_transport import MqttTransport
from downlink_dispatcher.network.transport import NetworkAwayError
from parking_simulator.chirpstack.displays import Busylight
from stack.brokers import Mosquitto
from stack.chirpstack import APPLICATION_ID, StartChirpStack, network_of
from stack.network_client import Synced, connected, item_for, network_settings
from stack.waiting import eventually


class Middlebox:
    """Passes a server's connections on; those that `swallow` finds are deaf from then on, new ones are not."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._deaf: set[int] = set()
        self.connections = 0

    def swallow(self) -> None:
        self._deaf.update(range(self.connections))

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.connections = self.connections, self.connections + 1
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ways = (self._pass_on(number, reader, server_writer), self._pass_on(number, server_reader, writer))
        with contextlib.suppress(OSError):
            await asyncio.gather(*ways)

    async def _pass_on(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if number not in self._deaf:
                writer.write(data)
        writer.close()


@contextlib.asynccontextmanager
async def middlebox_before(port: int) -> AsyncIterator[tuple[Middlebox, str]]:
    middlebox = Middlebox(port)
    server = await asyncio.start_server(middlebox.on_connection, "127.0.0.1", 0)
    yield middlebox, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_connection_that_swallows_everything_is_left_for_a_new_one(chirpstack: StartChirpStack) -> None:
    double = await chirpstack(network_of(Busylight), mqtt=None)
    (dev_eui,) = double.network.devices
    async with middlebox_before(int(double.url.rpartition(":")[2])) as (middlebox, url):
        settings = network_settings(url, chirpstack_token=double.token, chirpstack_deadline_seconds=1.5)
        async with connected(settings) as chirpstack_api:
            transport = GrpcTransport(chirpstack_api, Synced({dev_eui: APPLICATION_ID}))
            await transport.enqueue(item_for(dev_eui))
            middlebox.swallow()
            with pytest.raises(NetworkAwayError):
                await transport.enqueue(item_for(dev_eui))
            await eventually(lambda: chirpstack_api.availability.problem is None)
            await transport.enqueue(item_for(dev_eui))
    assert middlebox.connections == 2
    assert len(double.enqueued) == 2


async def test_a_broker_whose_acknowledgement_does_not_come_is_connected_to_anew(
    chirpstack: StartChirpStack, mosquitto: Mosquitto
) -> None:
    double = await chirpstack(network_of(Busylight), mqtt=mosquitto.url, mqtt_version="5")
    (dev_eui,) = double.network.devices
    item = item_for(dev_eui)
    async with middlebox_before(mosquitto.port) as (middlebox, url):
        settings = network_settings(mqtt_url=url.replace("http", "mqtt"), chirpstack_deadline_seconds=1.5)
        transport = MqttTransport(settings)
        running = asyncio.create_task(transport.run())
        await eventually(lambda: transport.availability.problem is None)
        middlebox.swallow()
        with pytest.raises(NetworkAwayError):
            await transport.enqueue(item)
        assert "no PUBACK within 1.5 s" in (await transport.check() or "")
        await eventually(lambda: transport.availability.problem is None)
        await transport.enqueue(item)
        await eventually(lambda: double.enqueued)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [one.id for one in double.enqueued] == [str(item.downlink_id)]
